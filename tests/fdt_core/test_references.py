"""Objects that users name as package.module:attribute."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import analysis  # noqa: F401 - with all that it imports, before a test forgets what it has imported itself
from fdt_core.errors import UsageError
from fdt_core.references import import_reference, is_reference


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, of which Python's path and its modules know nothing, before and after."""
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
    (folder / "own_package").mkdir()
    (folder / "own_package" / "numbers.py").write_text("SEVEN = 7\n")
    found, module = import_reference("own_package.numbers:SEVEN", int)
    assert (found, module.__name__) == (7, "own_package.numbers")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no_such_module:x", "'no_such_module:x': importing 'no_such_module' failed: ModuleNotFoundError"),
        ("broken_module:x", "importing 'broken_module' failed: ZeroDivisionError: division by zero"),
        ("own_module:x", "module 'own_module' has no 'x'"),
        ("own_module:", "module 'own_module' has no ''"),
        (":x", "importing '' failed"),
        ("own_module:SEVEN", "'own_module:SEVEN' is a int, not str"),
    ],
)
def test_errors_name_the_reference_and_the_reason(folder: Path, reference: str, message: str) -> None:
    (folder / "broken_module.py").write_text("1 / 0\n")
    (folder / "own_module.py").write_text("SEVEN = 7\n")
    with pytest.raises(UsageError, match=message):
        import_reference(reference, str)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (
            "analysis:NET",
            "module 'analysis' has no 'NET'; analysis is a package of fdt-sweep: give a module of your own",
        ),
        ("analysis.nets:NET", "ModuleNotFoundError: .*; analysis is a package of fdt-sweep"),
        ("select:NET", "module 'select' has no 'NET'; select was found at .*: give your own select.py another name"),
        ("numpy:NET", "has no 'NET'; numpy was found at .*/numpy/__init__.py: give your own numpy another name"),
    ],
)
def test_a_file_with_the_name_of_an_installed_module_is_not_run_and_said_to_be_hidden(
    folder: Path, reference: str, message: str
) -> None:
    for name in ("analysis.py", "select.py", "numpy/__init__.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("open('run', 'w')\nNET = 7\n")
    with pytest.raises(UsageError, match=message):
        import_reference(reference, int)
    assert not (folder / "run").exists()
