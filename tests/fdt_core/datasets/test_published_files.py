"""Finding, checking and downloading published files, from a server on this machine."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fdt_core.datasets.published_files import PUBLICATIONS, Publication
from fdt_core.errors import EnvironmentProblem
from fdt_core.image import ImageShape
from tests.fdt_core.datasets.archives import published

pytestmark = pytest.mark.trainer
ARCHIVE = "cifar-10-python.tar.gz"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Publication, Path]]:
    """CIFAR-10 with a small archive, published by a server on this machine; and the server's folder."""
    archive = published("cifar10", tmp_path / "server")
    handler = functools.partial(_Quiet, directory=str(archive.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield (
            dataclasses.replace(
                PUBLICATIONS["cifar10"],
                md5={ARCHIVE: hashlib.md5(archive.read_bytes()).hexdigest()},
                address=f"http://127.0.0.1:{server.server_port}",
            ),
            archive.parent,
        )
        server.shutdown()


def test_a_download_is_checked_and_found_again(served: tuple[Publication, Path], tmp_path: Path) -> None:
    publication, _ = served
    path = publication.download(tmp_path / "data" / "raw")
    publication.check(path)
    assert publication.find(tmp_path / "data") == path
    assert len(publication.source(path, ImageShape()).train_labels) == 100


def test_a_download_that_is_not_as_published_leaves_nothing(served: tuple[Publication, Path], tmp_path: Path) -> None:
    publication, server = served
    (server / ARCHIVE).write_bytes(b"moved elsewhere")
    with pytest.raises(EnvironmentProblem, match="did not send the published file"):
        publication.download(tmp_path / "raw")
    assert list((tmp_path / "raw").iterdir()) == []


def test_a_failed_download_is_reported(served: tuple[Publication, Path], tmp_path: Path) -> None:
    publication, server = served
    (server / ARCHIVE).unlink()
    with pytest.raises(EnvironmentProblem, match=f"{ARCHIVE} cannot be downloaded"):
        publication.download(tmp_path / "raw")
    assert list((tmp_path / "raw").iterdir()) == []


def test_a_damaged_archive_differs_from_its_checksum(served: tuple[Publication, Path], tmp_path: Path) -> None:
    publication, _ = served
    path = publication.download(tmp_path / "raw")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EnvironmentProblem, match=ARCHIVE):
        publication.check(path)


def test_a_renamed_archive_is_checked_too(served: tuple[Publication, Path], tmp_path: Path) -> None:
    publication, server = served
    renamed = (server / ARCHIVE).rename(tmp_path / "cifar.tgz")
    publication.check(renamed)
    renamed.write_bytes(b"x")
    with pytest.raises(EnvironmentProblem):
        publication.check(renamed)


@pytest.mark.parametrize("name", PUBLICATIONS)
def test_checksums_are_md5(name: str) -> None:
    assert all(len(bytes.fromhex(checksum)) == 16 for checksum in PUBLICATIONS[name].md5.values())
