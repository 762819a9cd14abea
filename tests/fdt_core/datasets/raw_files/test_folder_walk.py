"""The contents of folders on a real file system: circular links, hidden files, names of any bytes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fdt_core.datasets.raw_files.file_names import as_text, path_of, portable, printable
from fdt_core.datasets.raw_files.folder_walk import FolderContents, walk_folder
from fdt_core.errors import EnvironmentProblem
from tests.fdt_core.datasets.archives import write_folder


def walked(root: Path) -> tuple[list[str], list[str], list[str]]:
    contents = walk_folder(root)
    return sorted(contents.files), sorted(contents.hidden), sorted(contents.repeated)


def test_hidden_files_and_folders_are_skipped(tmp_path: Path) -> None:
    hidden = [
        *(".ipynb_checkpoints/a.png", "b/@eaDir/x.png/thumb.jpg", "__MACOSX/b/._a.png", "b/._a.png", "b/.hidden.png"),
        *(
            "b/Thumbs.db",
            "b/desktop.ini",
            "b/.DS_Store",
            "lost+found/a.png",
            ".Trash-1000/a.png",
            "b/.thumbnails/a.png",
        ),
        *("Thumbnails/a.png", "#recycle/a.png", "$RECYCLE.BIN/a.png"),
    ]
    write_folder(tmp_path, dict.fromkeys([*hidden, "b/a.png", "c.txt"], b""))
    files, found, _ = walked(tmp_path)
    assert files == ["b/a.png", "c.txt"]
    assert len(found) == len(hidden)


def test_the_folder_itself_may_be_hidden(tmp_path: Path) -> None:
    write_folder(tmp_path / ".cache" / "data", {"a/1.png": b""})
    assert walked(tmp_path / ".cache" / "data")[0] == ["a/1.png"]


def test_a_folder_with_a_link_to_itself_is_read_once(tmp_path: Path) -> None:
    write_folder(tmp_path, {"ant/1.png": b"", "bee/1.png": b""})
    (tmp_path / "ant" / "latest").symlink_to(".")
    (tmp_path / "bee" / "up").symlink_to(tmp_path)
    assert walked(tmp_path) == (["ant/1.png", "bee/1.png"], [], ["ant/latest", "bee/up"])


def test_links_between_folders_end(tmp_path: Path) -> None:
    write_folder(tmp_path, {"top/ant/1.png": b"", "elsewhere/2.png": b""})
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "top")
    (tmp_path / "top" / "ant" / "more").symlink_to(tmp_path / "elsewhere")
    assert walked(tmp_path / "top") == (["ant/1.png", "ant/more/2.png"], [], ["ant/more/back"])


def test_a_folder_keeps_its_real_name_whatever_its_links_are_called(tmp_path: Path) -> None:
    write_folder(tmp_path, {"zebra/1.png": b""})
    (tmp_path / "aardvark").symlink_to("zebra")
    assert walked(tmp_path) == (["zebra/1.png"], [], ["aardvark"])


def test_of_two_links_to_an_outside_folder_the_first_counts(tmp_path: Path) -> None:
    write_folder(tmp_path, {"store/x/1.png": b""})
    (tmp_path / "top").mkdir()
    for name in ("b", "a"):
        (tmp_path / "top" / name).symlink_to(tmp_path / "store" / "x")
    assert walked(tmp_path / "top") == (["a/1.png"], [], ["b"])


def test_broken_links_are_listed_and_pipes_are_not(tmp_path: Path) -> None:
    (tmp_path / "gone.png").symlink_to("nowhere")
    (tmp_path / "round.png").symlink_to("round.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "to_pipe.png").symlink_to("pipe.png")
    assert walked(tmp_path)[0] == ["gone.png", "round.png"]


def test_folders_without_files_are_listed(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert sorted(walk_folder(tmp_path).folders) == ["a", "a/b"]


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder; afterwards this process regains its user, so that a test may give up root's rights."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        user = os.geteuid()
        yield Path(folder)
        os.seteuid(user)


def test_a_folder_that_cannot_be_read_is_reported(unprivileged: Path) -> None:
    write_folder(unprivileged, {"ant/1.png": b"", "bee/1.png": b""})
    (unprivileged / "bee").chmod(0)
    if os.geteuid() == 0:
        os.seteuid(65534)
    with pytest.raises(EnvironmentProblem, match="bee cannot be read: Permission denied"):
        walk_folder(unprivileged)


def test_names_that_are_not_utf8_lead_to_their_files_and_can_be_printed(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"fris\xe9")
    folder.mkdir()
    (folder / os.fsdecode(b"caf\xe9\n.png")).write_bytes(b"x")
    contents: FolderContents = walk_folder(tmp_path)
    (name,) = contents.files
    assert path_of(tmp_path, name).read_bytes() == b"x"
    assert printable(name) == r"fris\xe9/caf\xe9\n.png"
    assert as_text("fris\udce9") == r"fris\xe9"
    assert as_text(portable("émeu, 雪")) == printable("émeu, 雪") == "émeu, 雪"
