import os
import signal
import subprocess
import sys
import threading

from cluster.machine.processes import end_session, session_members, start_session, stop_signals_held_back

PARENT = """
import os, sys, time
from cluster.machine.processes import start_session
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
    assert parent.wait() == -signal.SIGKILL, "it lived until it was killed"
    assert _gone(child)


def test_the_whole_session_ends_even_processes_that_ignore_sigterm_or_change_their_group() -> None:
    script = "trap '' TERM; (setsid -w true; exec sleep 300) & set -m; sleep 300 & wait"
    process = start_session(["bash", "-c", script], environment=os.environ)
    while len(session_members(process.pid)) < 3:
        pass
    end_session(process, patience=0.2)
    assert session_members(process.pid) == []


def test_a_process_started_while_signals_are_held_back_survives_a_signal_to_its_group_but_its_parent_gets_it() -> None:
    script = (
        "import os, signal, subprocess, sys, time\n"
        "from cluster.machine.processes import stop_signals_held_back\n"
        "heard = []\n"
        "for number in (signal.SIGTERM, signal.SIGHUP): signal.signal(number, lambda number, _: heard.append(number))\n"
        "with stop_signals_held_back():\n"
        "    child = subprocess.Popen(['sleep', '300'])\n"
        "    signal.signal(signal.SIGTERM, lambda *_: sys.exit(15))  # as ray.init does\n"
        "print(child.pid, flush=True)\n"
        "while len(heard) < 2: time.sleep(0.01)\n"
        "time.sleep(0.3)\n"
        "print(sorted(heard) == [signal.SIGHUP, signal.SIGTERM] and child.poll() is None, flush=True)\n"
        "child.kill()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert set(session_members(parent.pid)) == {parent.pid, child}
    os.killpg(parent.pid, signal.SIGHUP)
    os.killpg(parent.pid, signal.SIGTERM)
    assert parent.communicate(timeout=30)[0] == "True\n"
    assert parent.returncode == 0


def test_signals_that_came_meanwhile_are_handled_afterwards() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
    try:
        with stop_signals_held_back():
            # To this thread: another one, such as pytest-xdist's, would get a signal to the process.
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            assert heard == []
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def _gone(session: int) -> bool:
    for _ in range(100):
        if not session_members(session):
            return True
        subprocess.run(["sleep", "0.05"], check=True)
    return False
