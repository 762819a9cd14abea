import os
import subprocess
import sys

from cluster.processes import end_session, session_members, start_session

PARENT = """
import os, sys, time
from cluster.processes import start_session
child = start_session(["sleep", "300"], environment=os.environ)
print(child.pid, flush=True)
time.sleep(300)
"""


def test_a_child_dies_with_its_killed_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert session_members(child) == [child]
    parent.kill()
    parent.wait()
    assert _gone(child)


def test_the_whole_session_ends_even_what_ignores_sigterm_or_changed_its_group() -> None:
    script = "trap '' TERM; (setsid -w true; exec sleep 300) & set -m; sleep 300 & wait"
    process = start_session(["bash", "-c", script], environment=os.environ)
    while len(session_members(process.pid)) < 3:
        pass
    end_session(process, patience=0.2)
    assert session_members(process.pid) == []


def _gone(session: int) -> bool:
    for _ in range(100):
        if not session_members(session):
            return True
        subprocess.run(["sleep", "0.05"], check=True)
    return False
