"""Print pip constraints that pin each direct dependency to the least version that pyproject.toml allows.

`make test-least` installs with them, so that a lower bound that does not hold fails a test and not a user.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def least_versions(pyproject: str) -> list[str]:
    """`name==version` for each requirement `name[extras]>=version` of the project and of its extra `test`.

    Raises ValueError for a requirement without a lower bound.
    """
    project = tomllib.loads(pyproject)["project"]
    return [
        _pinned(requirement) for requirement in [*project["dependencies"], *project["optional-dependencies"]["test"]]
    ]


def _pinned(requirement: str) -> str:
    found = re.fullmatch(r"(?P<name>[\w.-]+)(?:\[[\w,-]+\])?>=(?P<version>[\w.]+)", requirement)
    if found is None:
        raise ValueError(f"{PYPROJECT.name}: {requirement!r} must have the form name>=version")
    return f"{found['name']}=={found['version']}"


if __name__ == "__main__":
    print("\n".join(least_versions(PYPROJECT.read_text(encoding="utf-8"))))
