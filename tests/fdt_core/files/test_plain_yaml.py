"""What a person would not write into a YAML file is refused in one line, by every reader of such files."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.profile.schema import load_profile
from fdt_core.datasets.user_datasets import user_datasets
from fdt_core.errors import UsageError
from fdt_core.files.plain_yaml import Unreadable, read_document
from fdt_core.files.yaml_file import load_yaml, parse_scalar
from orchestrator.cli.set_options import split_settings
from orchestrator.plan.sweep_file import load_sweep

GOOD = "kind: local\nname: a\n"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
)

REFUSED = {
    "NUL": (b"kind: local\nname: a\0b\n", ":2: contains the character U+0000"),
    "BEL in a comment": (b"kind: local # \a\n", ":1: contains the character U+0007"),
    "escape": (b"kind: local\n# more\nname: \x1b[31m\n", ":3: contains the character U+001B"),
    "NUL by an escape sequence": (b'kind: local\nname: "a\\0b"\n', ":2: contains the character U+0000"),
    "half a surrogate pair": (b'kind: local\nname: "\\ud800"\n', ":2: contains the character U+D800"),
    "line separator": ("kind: local\nname: 'a\u2028b'\n".encode(), ":2: contains the character U+2028"),
    "control character in a key": (b'"k\\x07": local\n', ":1: contains the character U+0007"),
    "UTF-16": ("kind: local\n".encode("utf-16"), "is not a text file in UTF-8"),
    "Latin-1": ("name: caf\u00e9\n".encode("latin-1"), "is not a text file in UTF-8"),
    "deep list": (b"name: " + b"[" * 5000, "nested lists and mappings"),
    "60 lists": (b"kind: local\nname: " + b"[" * 60 + b"]" * 60, ":2: has more than 50 nested lists and mappings"),
    "deep mapping": (b"name: " + b"{a: " * 3000, "nested lists and mappings"),
    "aliases that multiply": (BOMB.encode(), "holds more than 100,000 values with all aliases expanded"),
    "alias of itself": (b"name: &a [*a]\n", ":1: an alias contains itself"),
    "large": (b"name: [" + b"1," * 600_000 + b"1]\n", "is larger than 1,000,000 characters"),
    "long number": (b"name: " + b"9" * 5000 + b"\n", "name: this number is too long"),
    "bytes": (b"name: !!binary aGVsbG8=\n", "name: has the tag !!binary (only plain YAML is read)"),
    "set": (b"name: !!set {a, b}\n", "name: has the tag !!set"),
    "no time": (b"name: !!timestamp x\n", "name: has the tag !!timestamp"),
    "no truth value": (b"name: !!bool maybe\n", "name: has the tag !!bool"),
    "Python": (b"name: !!python/object/apply:os.system [ls]\n", "name: has the tag !!python/object/apply:os.system"),
    "nothing": (b"", "is empty"),
    "nothing but a byte-order mark": (b"\xef\xbb\xbf", "is empty"),
}


@pytest.mark.process
@pytest.mark.parametrize("kind", REFUSED)
def test_a_sweep_file_a_profile_and_the_list_of_data_sets_are_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    contents, expected = REFUSED[kind]
    for name, read in (
        ("sweep.yaml", load_sweep),
        ("profile.yaml", lambda path: load_profile(str(path))),
        ("datasets.yaml", lambda path: user_datasets(path.parent)),
    ):
        path = tmp_path / name
        path.write_bytes(contents)
        with pytest.raises(UsageError) as caught:
            read(path)
        assert str(caught.value).startswith(str(path))
        assert expected in str(caught.value)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("ending", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_byte_order_marks_and_line_ends_of_other_systems_are_accepted(tmp_path: Path, ending: str, mark: str) -> None:
    path = tmp_path / "profile.yaml"
    path.write_bytes((mark + GOOD.replace("\n", ending)).encode())
    file = load_yaml(path)
    assert file.data == {"kind": "local", "name": "a"}
    assert file.lines[("name",)] == 2


@pytest.mark.process
@pytest.mark.parametrize("value", ["\a", "\udcff", '"\\0"', "[" * 3000, "&a [*a]", "9" * 5000, "!!binary aa", "[1,"])
def test_a_bad_value_on_the_command_line_is_refused_in_one_line(value: str) -> None:
    with pytest.raises(UsageError, match="cannot read the value ") as caught:
        parse_scalar(value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
    with pytest.raises(UsageError, match=r"^--set cluster\.name=") as caught:
        split_settings([f"cluster.name={value}"])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "setting", ["epo\achs=1", "a\nb=1", "a." * 3000 + "b=1", "cluster." + "a." * 3000 + "b=1", "x"]
)
def test_a_bad_key_on_the_command_line_is_refused_in_one_line(setting: str) -> None:
    with pytest.raises(UsageError, match="must have the form KEY=VALUE") as caught:
        split_settings([setting])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_a_device_without_an_end_is_refused() -> None:
    with pytest.raises(UsageError, match="/dev/zero: is larger than"):
        load_yaml(Path("/dev/zero"))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc_", min_size=1, max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(PLAIN)
def test_json_is_read_as_the_same_data(data: object) -> None:
    assert read_document(json.dumps(data)).data == data


@given(st.text(max_size=200) | st.text("[]{}:,&*!'\"|>-? \n\t#%@`a0.~\\x", max_size=60))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    with contextlib.suppress(Unreadable):
        read_document(text)
