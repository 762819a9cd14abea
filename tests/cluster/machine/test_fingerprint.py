from cluster.machine.fingerprint import difference, own_fingerprint


def test_the_same_software_does_not_differ() -> None:
    found = own_fingerprint()
    assert {"ray_version", "python_version", "torch_version", "code_digest"} <= set(found)
    assert difference(found, own_fingerprint()) is None


def test_the_message_names_every_difference_with_both_values() -> None:
    wanted = own_fingerprint() | {"ray_version": "1.0", "code_digest": "f" * 64}
    message = difference(wanted, own_fingerprint())
    assert message is not None
    assert f"ray_version is {own_fingerprint()['ray_version']} here and 1.0 there" in message
    assert "code_digest is " in message
    assert "torch" not in message
