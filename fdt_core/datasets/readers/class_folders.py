"""Read a user's folder of images: find which folders are classes, which are parts, and what is not used."""

from __future__ import annotations

import errno
import hashlib
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fdt_core.datasets.raw_files.file_names import as_text, name_bytes, path_of, printable, printable_list
from fdt_core.datasets.raw_files.file_tree import FileTree, read_folder
from fdt_core.datasets.raw_files.folder_walk import FolderContents, walk_folder
from fdt_core.datasets.raw_files.image_decoding import is_image
from fdt_core.datasets.raw_files.image_files import Fit, LabelledFile, cropped_to_square, source_of_files
from fdt_core.datasets.raw_files.source import Source, Split
from fdt_core.datasets.readers.part_folders import find_parts, looks_like_part
from fdt_core.errors import EnvironmentProblem, UsageError
from fdt_core.image import ImageShape
from fdt_core.quantities import counted


@dataclass(frozen=True, kw_only=True)
class _Folder:
    """A folder and its direct contents. All names start at the top; `path` ends with a slash, or is empty.

    `repeated` marks a link to a folder that is read under another name; it counts as empty.
    """

    path: str
    repeated: bool = False
    images: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    folders: dict[str, _Folder] = field(default_factory=dict)

    def below(self) -> Iterator[_Folder]:
        """This folder and all below it."""
        yield self
        for folder in self.folders.values():
            yield from folder.below()

    def all_images(self) -> list[str]:
        """The images at any depth, sorted."""
        return sorted(name for folder in self.below() for name in folder.images)

    def count(self) -> int:
        """The number of images at any depth."""
        return sum(len(folder.images) for folder in self.below())

    def all_others(self) -> list[str]:
        """The other files at any depth."""
        return [name for folder in self.below() for name in folder.others]


def read_image_folder(root: Path, size: int, test_part: float, *, fit: Fit = cropped_to_square) -> Source:
    """Read a user's folder: parts for training and test with a folder per class each, or just a folder per class.

    Without parts, the fraction `test_part` of each class is used for the test: the images whose names have the lowest
    SHA-256, so that the choice is the same everywhere. `fit` makes each image `size` x `size` pixels.

    Raises:
        EnvironmentProblem: if the folder cannot be read, or its classes and parts are not clear.
        UsageError: if `test_part` leaves a class without images to train on.
    """
    contents = walk_folder(root)
    tree = _tree(root, contents)
    if not tree.count():
        skipped = "".join(f" ({note})" for note in _skipped(tree))
        raise EnvironmentProblem(f"{printable(root)} holds no images{skipped}: it needs a folder of images per class")
    layout = _layout(root, tree)
    names = list(layout.classes)
    if len(names) < 2:
        found = "images of only one class" if names else f"{counted(tree.count(), 'image')} but no class folder"
        raise EnvironmentProblem(f"{printable(root)} has {found}: it needs at least two class folders")
    splits = layout.splits(test_part)
    return source_of_files(
        FileTree(path=root, prefix="", names=tuple(tree.all_images()), read=read_folder),
        splits,
        image=ImageShape(size=size, classes=len(names)),
        class_names=[as_text(name) for name in names],
        fit=fit,
        notes=_notes(tree, contents, layout, splits),
    )


def _tree(root: Path, contents: FolderContents) -> _Folder:
    folders = {"": _Folder(path="")}
    repeated = set(contents.repeated)
    for name in sorted([*contents.folders, *repeated]):
        above, _, last = name.rpartition("/")
        folders[name] = folders[above].folders[last] = _Folder(path=f"{name}/", repeated=name in repeated)
    for name in sorted(contents.files):
        folder = folders[name.rpartition("/")[0]]
        (folder.images if _is_image(root, name) else folder.others).append(name)
    return folders[""]


def _is_image(root: Path, name: str) -> bool:
    try:
        return is_image(path_of(root, name))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):  # a broken link
            return False
        raise EnvironmentProblem(f"{printable(root / name)} cannot be read: {error.strerror}") from error


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Where the classes are.

    Args:
        train: the folder of the class folders for training; if `test` is None, also for the test.
        test: the folder of the class folders for the test.
        classes: the class folders of `train`, by name.
        unused: parts and other folders beside `train` and `test` that hold images.
    """

    train: _Folder
    test: _Folder | None
    classes: Mapping[str, _Folder]
    unused: Sequence[_Folder] = ()

    def splits(self, test_part: float) -> dict[Split, list[LabelledFile]]:
        """The labelled images of both splits, class by class. UsageError like `read_image_folder`."""
        train = _labelled(self.classes.values())
        if self.test is None:
            return _split(train, list(self.classes), self.train.path, test_part)
        return {"train": train, "test": _labelled(self.test.folders[name] for name in self.classes)}


def _layout(root: Path, tree: _Folder) -> _Layout:
    base = _class_parent(root, tree)
    parts = _parts(root, base)
    if parts is None:
        return _Layout(train=base, test=None, classes=_classes(root, base))
    train_part, test_parts = parts
    train = _class_parent(root, train_part)
    classes = _classes(root, train)
    candidates = [(part, _class_parent(root, part)) for part in test_parts]
    test_part, test = next(((part, inner) for part, inner in candidates if _has_any(inner, classes)), candidates[0])
    _require_same_classes(root, (train_part, classes), (test_part, _classes(root, test)))
    used = (train_part.path, test_part.path)
    unused = [folder for folder in base.folders.values() if folder.path not in used and folder.count()]
    return _Layout(train=train, test=test, classes=classes, unused=unused)


def _has_any(test: _Folder, classes: Mapping[str, _Folder]) -> bool:
    """Whether `test` has labels: a competition's test has no class folders, and then `val` beside it is the test."""
    return any(name in classes and folder.count() for name, folder in test.folders.items())


def _class_parent(root: Path, folder: _Folder) -> _Folder:
    """The folder whose folders are parts or classes: a folder that holds only one folder is passed through."""
    while not folder.images and _parts(root, folder) is None:
        full = [inner for inner in folder.folders.values() if inner.count()]
        if len(full) != 1 or full[0].images:
            break
        folder = full[0]
    return folder


def _parts(root: Path, folder: _Folder) -> tuple[_Folder, list[_Folder]] | None:
    """The part for training and the candidates for the test, best first; None if there are none."""
    try:
        parts = find_parts(folder.folders)
    except ValueError as error:
        raise EnvironmentProblem(f"{printable(root / folder.path)}: {error}: rename or move all but one") from error
    if parts is None:
        return None
    return folder.folders[parts.train], [folder.folders[name] for name in parts.tests]


def _classes(root: Path, parent: _Folder) -> dict[str, _Folder]:
    """The folders in `parent` that hold images. Raises EnvironmentProblem for one that cannot be a class."""
    for name, folder in parent.folders.items():
        where = printable(root / folder.path)
        if not folder.count() and folder.all_others():
            raise EnvironmentProblem(
                f"{where} holds no images ({_by_suffix(folder.all_others())}): convert or move them"
            )
        if folder.count() and not folder.images and looks_like_part(name):
            raise EnvironmentProblem(
                f"{where} looks like a part of the data, not like a class: name the parts train and test (or val), "
                "or name a folder in datasets.yaml that holds only class folders"
            )
        if _parts(root, folder) is not None:
            raise EnvironmentProblem(
                f"{where} contains parts: put folders train and test at the top, and the classes in each"
            )
    return {name: folder for name, folder in parent.folders.items() if folder.count()}


def _require_same_classes(
    root: Path, train: tuple[_Folder, Mapping[str, _Folder]], test: tuple[_Folder, Mapping[str, _Folder]]
) -> None:
    (train_part, train_classes), (test_part, test_classes) = train, test
    for part, alone in (
        (train_part, [name for name in train_classes if name not in test_classes]),
        (test_part, [name for name in test_classes if name not in train_classes]),
    ):
        if alone:
            raise EnvironmentProblem(
                f"{printable(root)}: only {printable(part.path)} has images of {printable_list(alone)} "
                f"({_having(train_part, train_classes)}; {_having(test_part, test_classes)}): "
                f"each class needs images in both. Or name only {printable(train_part.path)} in datasets.yaml: "
                "then test_part of each of its classes is kept for the test"
            )


def _having(part: _Folder, classes: Mapping[str, _Folder]) -> str:
    links = [folder.path for folder in part.below() if folder.repeated]
    note = f" and links to folders already read: {printable_list(links)}" if links else ""
    return f"{printable(part.path)} has {printable_list(list(classes)) or 'no class folders'}{note}"


def _labelled(classes: Iterable[_Folder]) -> list[LabelledFile]:
    return [
        LabelledFile(name=name, label=label) for label, folder in enumerate(classes) for name in folder.all_images()
    ]


def _split(
    labelled: list[LabelledFile], classes: list[str], parent: str, test_part: float
) -> dict[Split, list[LabelledFile]]:
    by_class: dict[int, list[LabelledFile]] = {}
    for file in labelled:
        by_class.setdefault(file.label, []).append(file)
    test, used_up = set(), []
    for label, members in by_class.items():
        members.sort(key=lambda file: hashlib.sha256(name_bytes(file.name.removeprefix(parent))).digest())
        chosen = members[: max(1, round(test_part * len(members)))]
        test.update(chosen)
        if len(chosen) == len(members):
            used_up.append(f"{classes[label]} (of {len(members)})")
    if used_up:
        raise UsageError(f"{test_part:g} leaves no training image of {printable_list(used_up)}")
    return {
        "train": [file for file in labelled if file not in test],
        "test": [file for file in labelled if file in test],
    }


def _notes(
    tree: _Folder, contents: FolderContents, layout: _Layout, splits: Mapping[Split, Sequence[LabelledFile]]
) -> tuple[str, ...]:
    """What was found but is not used, one line each."""
    unused = {folder.path.rstrip("/"): folder.count() for folder in layout.unused}
    outside = tree.count() - sum(map(len, splits.values())) - sum(unused.values())
    left = [f"{printable(name)} ({counted(count, 'image')})" for name, count in unused.items()]
    left += [f"{counted(outside, 'image')} outside the class folders"] if outside else []
    parents = [layout.train] + ([layout.test] if layout.test else [])
    empty = [
        folder.path.rstrip("/")
        for parent in parents
        for folder in parent.folders.values()
        if not folder.count() and not folder.repeated
    ]
    hidden = [f"{name} {count:,}" for name, count in Counter(contents.hidden).most_common()]
    lines = {
        "not used": "; ".join(left),
        "empty folders, not used as classes": printable_list(empty),
        "links to folders already read": printable_list(sorted(contents.repeated)),
        "hidden or system files left out": printable_list(hidden),
    }
    return (*_skipped(tree), *(f"{what}: {found}" for what, found in lines.items() if found))


def _skipped(tree: _Folder) -> list[str]:
    others = tree.all_others()
    return [f"skipped: {counted(len(others), 'file')} ({_by_suffix(others)})"] if others else []


def _by_suffix(names: Iterable[str]) -> str:
    counts = Counter(posixpath.splitext(name)[1].lower() or "no suffix" for name in names)
    return printable_list([f"{suffix} {count:,}" for suffix, count in counts.most_common()])
