"""User objects, referred to as package.module:attribute."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import analysis  # noqa: F401 - imported first, so that no test removes it and its imports from sys.modules
from fdt_core.errors import UsageError
from fdt_core.references import import_reference, is_reference


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, unknown to Python's import path and modules before and after the test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def test_a_reference_has_a_colon() -> None:
    assert is_reference("package.module:attribute")
    assert not is_reference("vgg19")


def test_a_module_is_found_in_the_current_directory(folder: Path) -> None:
    (folder / "user_package").mkdir()
    (folder / "user_package" / "numbers.py").write_text("SEVEN = 7\n")
    found, module = import_reference("user_package.numbers:SEVEN", int)
    assert (found, module.__name__) == (7, "user_package.numbers")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no_such_module:x", "'no_such_module:x': importing 'no_such_module' failed: ModuleNotFoundError"),
        ("broken_module:x", "importing 'broken_module' failed: ZeroDivisionError: division by zero"),
        ("user_module:x", "module 'user_module' has no 'x'"),
        ("user_module:", "module 'user_module' has no ''"),
        (":x", "importing '' failed"),
        ("user_module:SEVEN", "'user_module:SEVEN' is a int, not str"),
    ],
)
def test_errors_name_the_reference_and_the_reason(folder: Path, reference: str, message: str) -> None:
    (folder / "broken_module.py").write_text("1 / 0\n")
    (folder / "user_module.py").write_text("SEVEN = 7\n")
    with pytest.raises(UsageError, match=message):
        import_reference(reference, str)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (
            "analysis:NET",
            "module 'analysis' has no 'NET'; analysis is a package of fdt-sweep: give your module another name",
        ),
        ("analysis.nets:NET", "ModuleNotFoundError: .*; analysis is a package of fdt-sweep"),
        ("select:NET", "module 'select' has no 'NET'; select was found at .*: give your select.py another name"),
        ("numpy:NET", "has no 'NET'; numpy was found at .*/numpy/__init__.py: give your numpy another name"),
    ],
)
def test_a_file_named_like_an_installed_module_is_not_run_and_reported_as_hidden(
    folder: Path, reference: str, message: str
) -> None:
    for name in ("analysis.py", "select.py", "numpy/__init__.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("open('run', 'w')\nNET = 7\n")
    with pytest.raises(UsageError, match=message):
        import_reference(reference, int)
    assert not (folder / "run").exists()
