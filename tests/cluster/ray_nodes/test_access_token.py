from pathlib import Path

import pytest

from cluster.ray_nodes.access_token import ensure_token
from fdt_core.errors import EnvironmentProblem


def test_a_token_is_private_and_long_and_stays_the_same(tmp_path: Path) -> None:
    path = ensure_token(tmp_path / "token")
    assert path.stat().st_mode & 0o777 == 0o600
    token = path.read_text()
    assert len(bytes.fromhex(token)) == 32
    assert ensure_token(path).read_text() == token
    assert ensure_token(tmp_path / "other").read_text() != token


def test_a_link_is_not_accepted_as_a_token(tmp_path: Path) -> None:
    (tmp_path / "token").symlink_to(ensure_token(tmp_path / "real"))
    with pytest.raises(EnvironmentProblem, match="plain file"):
        ensure_token(tmp_path / "token")
