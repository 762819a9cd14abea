"""Recognise the folders for training and test by their names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from fdt_core.datasets.raw_files.file_names import printable

_Part = Literal["train", "test", "val"]
_PARTS: dict[str, _Part] = {
    **dict.fromkeys(("train", "training", "trn", "trainval"), "train"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval", "evaluation"), "val"),
}
_NAME = re.compile(
    rf"(.*?)(?<![a-z])({'|'.join(sorted(_PARTS, reverse=True))})((?:(?:set|data|images|imgs)(?![a-z])|(?![a-z])).*)"
)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The name of the training folder, and of the candidates for the test folder, best first."""

    train: str
    tests: tuple[str, ...]


def looks_like_part(name: str) -> bool:
    """Whether a folder is named like a part of a data set: `Train`, `test_set`, `seg_val`."""
    return _parsed(name) is not None


def find_parts(names: Iterable[str]) -> Parts | None:
    """Find the parts among the sibling folders `names`; None if there are none.

    The words train, test and val count in their usual forms and in any case, also inside a longer name if the rest of
    it is the same for both parts (`seg_train` and `seg_test`; not `bullet_train` and `blood_test`). The test is `test`
    if there is one, else `val`.

    Raises:
        ValueError: if several folders are equally good; the message names them.
    """
    families: dict[tuple[str, str], dict[_Part, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in sorted(names):
        if (parsed := _parsed(name)) is not None:
            part, family = parsed
            families[family][part].append(name)
    complete = {family: parts for family, parts in families.items() if "train" in parts and len(parts) > 1}
    if not complete:
        return None
    plain = complete.get(("", ""))
    candidates = [plain] if plain else list(complete.values())
    chosen = candidates[0]
    train, tests = chosen["train"], [found for part in ("test", "val") if (found := chosen.get(part))]
    for equal in ([names for parts in candidates for names in parts["train"]], *tests):
        if len(equal) > 1:
            raise ValueError(f"the folders {' and '.join(map(printable, equal))} could each be the same part")
    return Parts(train=train[0], tests=tuple(names[0] for names in tests))


def _parsed(name: str) -> tuple[_Part, tuple[str, str]] | None:
    """The part that a folder's name denotes, with the text before and after that word; None if it denotes none."""
    words = re.sub(r"[\W_]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)).strip("_").lower()
    match = _NAME.fullmatch(words)
    return (_PARTS[match[2]], (match[1], match[3].removeprefix("_"))) if match else None
