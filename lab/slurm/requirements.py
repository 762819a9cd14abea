"""What the Slurm lab needs on this machine, and how to get it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

PACKAGES = ("slurm-wlm", "munge")
ACCOUNTING_PACKAGES = ("slurmdbd", "mariadb-server")
INSTALL = "apt-get install -y --no-install-recommends"


def obstacle(*, accounting: bool = False) -> str | None:
    """Why this machine cannot run the lab, with the command that would change that; None if it can.

    As root on Debian, missing packages are installed.
    """
    if os.geteuid() != 0:
        return "the Slurm lab needs root for its namespaces; enable it with: sudo -E env PATH=$PATH pytest -m slurm"
    packages = [*PACKAGES, *(ACCOUNTING_PACKAGES if accounting else ())]
    tools = ["slurmctld", "slurmd", "munged", "ip", *(["slurmdbd", "mariadbd"] if accounting else [])]
    if not all(map(shutil.which, tools)):
        if shutil.which("apt-get") is None:
            return f"the Slurm lab needs {', '.join(tools)}; on Debian: {INSTALL} {' '.join(packages)}"
        failure = _install([*packages, "iproute2"])
        if failure:
            return f"could not install Slurm ({failure}); enable the lab with: {INSTALL} {' '.join(packages)}"
    namespaces = subprocess.run(
        ["unshare", "--net", "--pid", "--mount-proc", "--fork", "true"], capture_output=True, text=True, check=False
    )
    return f"this machine allows no namespaces: {namespaces.stderr.strip()}" if namespaces.returncode else None


def _install(packages: Sequence[str]) -> str:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], [*INSTALL.split(), *packages]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["apt-get failed"])[-1]
    return ""
