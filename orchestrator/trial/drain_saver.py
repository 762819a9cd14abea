"""Saves a trial that waits between two steps when its node starts to drain."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from cluster.machine.drain import drain_deadline
from cluster.machine.drain_timeline import SAVER_POLL_SECONDS


class DrainSaver:
    """A thread that calls `save` as soon as the node drains and no step is under way.

    Between two steps only the driver can have the process act, and a driver may be late, or gone with its node.

    Args:
        log: gets what made saving fail; the trial's next step fails in the same way, and reports it.
    """

    def __init__(self, log: logging.Logger) -> None:
        self.step = threading.Lock()
        """To be held during every step."""
        self._log = log
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, save: Callable[[], None]) -> None:
        """Start to watch the drain flag; `save` writes what is not on the disk yet, and is called repeatedly."""
        self._thread = threading.Thread(target=self._watch, args=(save,), name="drain-guard", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """The trial has ended; call it with no step under way. From then on, no reference to the trial is held."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _watch(self, save: Callable[[], None]) -> None:
        while not self._over.wait(SAVER_POLL_SECONDS):
            if drain_deadline() is not None:
                with self.step:
                    if self._over.is_set():
                        return
                    try:
                        save()
                    except Exception:  # such as a full disk: logged here; the next step saves again, and reports it
                        self._log.exception("the state could not be saved")
                        return
