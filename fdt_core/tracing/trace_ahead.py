"""Trace many networks at once, on all cores, before a plan asks for them one by one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.model_definition import ModelDefinition
from fdt_core.tracing.constructors import source_of
from fdt_core.tracing.store import trace_file
from fdt_core.tracing.traced_network import traced_network

LEAST_PER_PROCESS = 4
"""Networks per process. A process imports torch first, which takes as long as tracing about four networks."""


def trace_ahead(networks: Iterable[tuple[ModelDefinition, ImageShape]]) -> None:
    """Trace the networks whose traces are not stored, in parallel processes, and store the traces.

    This saves time and does nothing else. A network that cannot be traced is left for `traced_network`, which then
    reports its problem.
    """
    missing = {}
    for definition, image in networks:
        with contextlib.suppress(UsageError):
            path = trace_file(definition, image, source_of(definition.name))
            if not path.exists():
                missing[path] = (definition, image)
    processes = min(len(os.sched_getaffinity(0)), len(missing) // LEAST_PER_PROCESS)
    if processes < 2:
        return
    # Not forked: torch's threads do not survive a fork.
    with (
        contextlib.suppress(BrokenProcessPool),
        ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_start_process) as pool,
    ):
        list(pool.map(_trace_and_store, *zip(*missing.values(), strict=True)))


def _start_process() -> None:
    """Use one thread, and print nothing: what a network prints is printed when it is traced again, or never matters."""
    import torch

    torch.set_num_threads(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


def _trace_and_store(definition: ModelDefinition, image: ImageShape) -> None:
    with contextlib.suppress(Exception):  # reported when it is traced again
        traced_network(definition, image)
