"""Secrets in files: closed to others, whole at every moment, and made once."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cluster.ray_nodes.private_files import check_private, create_private_file, replace_private_file
from fdt_core.errors import EnvironmentProblem


@pytest.fixture(params=["hard links", "no hard links"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """File systems with and without hard links."""

    def refuse(_source: object, _target: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if request.param == "no hard links":
        monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("file_system")
def test_a_file_is_created_once_for_its_owner_alone_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    before = os.umask(0)
    try:
        create_private_file(path, b"first")
        create_private_file(path, b"second")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"first"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    replace_private_file(path, b"third")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"third", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_of_many_that_create_it_at_once_one_succeeds_and_all_see_its_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"

    def create(number: int) -> bytes:
        create_private_file(path, b"%d" % number * 100_000)
        return path.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(create, range(8)))
    assert len(seen) == 1
    assert len(seen.pop()) == 100_000


@pytest.mark.usefixtures("file_system")
def test_a_link_in_its_place_is_neither_followed_nor_accepted(tmp_path: Path) -> None:
    (tmp_path / "secret").symlink_to(tmp_path / "elsewhere")
    create_private_file(tmp_path / "secret", b"mine")
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(EnvironmentProblem, match="plain file of yours"):
        check_private(tmp_path / "secret")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_read_or_write_is_refused_with_the_command_that_fixes_it(
    tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "secret"
    create_private_file(path, b"mine")
    path.chmod(mode)
    with pytest.raises(EnvironmentProblem, match=f"chmod 600 {path}"):
        check_private(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    create_private_file(path, b"theirs")
    os.chown(path, 65534, 65534)
    with pytest.raises(EnvironmentProblem, match="plain file of yours"):
        check_private(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=f"{tmp_path / 'secret'} cannot be read: No such file"):
        check_private(tmp_path / "secret")
