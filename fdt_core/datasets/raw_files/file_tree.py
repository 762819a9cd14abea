"""The files of a published data set, in a folder, a tar archive or a zip archive.

Archives are read as streams and never unpacked: CINIC-10 alone would leave 270,000 files on a shared file system.
"""

from __future__ import annotations

import contextlib
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from fdt_core.datasets.raw_files.file_names import path_of, printable
from fdt_core.datasets.raw_files.folder_walk import is_hidden, walk_folder
from fdt_core.errors import EnvironmentProblem

_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError)
"""The errors that a truncated or damaged archive, or an unreadable file, raises."""

_Reader = Callable[[Path, Collection[str]], Iterator[tuple[str, bytes]]]


@dataclass(frozen=True, kw_only=True)
class FileTree:
    """Names and contents of the files in a folder or an archive.

    Args:
        path: the folder or archive.
        prefix: the folders inside it above the data set's tree, such as `tiny-imagenet-200/`.
        names: all files, without the prefix, sorted.
        read: yields full name and contents of the files with the given full names, in any order.
    """

    path: Path
    prefix: str
    names: tuple[str, ...]
    read: _Reader

    def where(self, name: str) -> str:
        """`name` as messages show it, in one line: a path, or an archive and its member."""
        inside = f"{self.prefix}{name}"
        return printable(self.path / inside if self.path.is_dir() else f"{self.path}: {inside}")

    def contents(self, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield name and contents of each of the files `names`, in any order.

        Raises EnvironmentProblem if one is missing or cannot be read, or if the archive is damaged.
        """
        missing = set(names).difference(self.names)
        if missing:
            raise EnvironmentProblem(f"{self.where(min(missing))} is missing")
        with _naming_damage(self.path):
            for name, contents in self.read(self.path, {self.prefix + name for name in names}):
                yield name.removeprefix(self.prefix), contents

    def content(self, name: str) -> bytes:
        """The contents of the file `name`. Raises like `contents`."""
        return next(self.contents([name]))[1]


def open_tree(path: Path, landmark: str) -> FileTree:
    """Open the data set in the folder or archive `path`; its tree starts where `landmark` is.

    Args:
        path: a folder, a tar archive (with any compression) or a zip archive.
        landmark: a file, or a folder with a trailing slash, that is directly in the data set's tree.

    Raises:
        EnvironmentProblem: if `path` cannot be read, is damaged, or has no such tree.
    """
    with _naming_damage(path):
        listed, read = _list(path)
        visible = sorted({name for name in listed if not any(map(is_hidden, name.split("/")))})
    prefix = min((_above(landmark, name) for name in visible if _has(landmark, name)), key=len, default=None)
    if prefix is None:
        raise EnvironmentProblem(f"{path} has no {landmark}: it does not have the published layout")
    names = tuple(name.removeprefix(prefix) for name in visible if name.startswith(prefix))
    return FileTree(path=path, prefix=prefix, names=names, read=read)


def _has(landmark: str, name: str) -> bool:
    return f"/{landmark}" in f"/{name}" if landmark.endswith("/") else f"/{name}".endswith(f"/{landmark}")


def _above(landmark: str, name: str) -> str:
    """The folders of `name` above the landmark, with a trailing slash."""
    return name[: f"/{name}".index(f"/{landmark}")]


def _list(path: Path) -> tuple[list[str], _Reader]:
    if path.is_dir():
        return walk_folder(path).files, read_folder
    if not path.exists():
        raise EnvironmentProblem(f"{path} does not exist")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return [member.filename for member in archive.infolist() if not member.is_dir()], _read_zip
    with tarfile.open(path) as tar:
        return [posixpath.normpath(member.name) for member in tar if member.isfile()], _read_tar


def read_folder(path: Path, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and contents of the files `names` in the folder `path`; EnvironmentProblem for an unreadable one."""
    for name in sorted(names):
        try:
            contents = path_of(path, name).read_bytes()
        except OSError as error:
            raise EnvironmentProblem(f"{printable(path / name)} cannot be read: {error.strerror}") from error
        yield name, contents


def _read_zip(path: Path, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.filename in names:
                yield member.filename, archive.read(member)


def _read_tar(path: Path, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as tar:
        for member in tar:
            name = posixpath.normpath(member.name)
            file = tar.extractfile(member) if name in names else None
            if file is not None:
                yield name, file.read()


@contextlib.contextmanager
def _naming_damage(path: Path) -> Iterator[None]:
    """Turn the errors that a damaged archive raises into an EnvironmentProblem that names it."""
    try:
        yield
    except _BROKEN as error:
        raise EnvironmentProblem(f"{printable(path)} is damaged or truncated: {error}") from error
