"""What only a CUDA device can show of its memory: shares, what is given back, what an error means."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest
import torch

from fdt_core.compute.device import device_uuid, limit_memory, peak_memory_mb, release_memory
from fdt_core.compute.process import prepare_process
from fdt_core.errors import EnvironmentProblem
from fdt_core.training.device_dataset import DeviceDataset, resident_limit
from fdt_core.training.trainer import Training
from tests.fdt_core.trials import small_data, small_spec

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: run on a machine that has one"),
]

prepare_process(1)

MIB = 2**20
CONTEXT = 600 * MIB

# Takes a part of the GPU's memory under a share of it, and again without it; says how both ended.
TAKES = """
import sys, torch
from fdt_core.compute.device import limit_memory
from orchestrator.trial.outcome import classify
share, part = float(sys.argv[1]), float(sys.argv[2])
total = torch.cuda.get_device_properties(0).total_memory
limit_memory("cuda", share, context=600 * 2**20)
def take():
    torch.empty(int(total * part), dtype=torch.uint8, device="cuda")
try:
    take()
    print("fits")
except Exception as error:
    print(classify(error).outcome)
limit_memory("cuda", None, context=600 * 2**20)
take()
print("fits")
"""

FAILS = """
import sys, torch
from fdt_core.error_text import informative_line
from orchestrator.trial.outcome import classify
table = torch.zeros(4, 4, device="cuda")
try:
    torch.nn.functional.embedding(torch.tensor([9], device="cuda"), table)
    torch.cuda.synchronize()
except Exception as error:
    failure = classify(error)
    print(type(error).__name__, getattr(error, "error_code", None), failure.outcome, failure.ends_process, sep="|")
    print(informative_line(str(error)))
try:
    torch.ones(1, device="cuda").item()
    print("the process goes on")
except Exception as error:
    print(classify(error).outcome)
"""

EXHAUSTS = """
import torch
from orchestrator.trial.outcome import classify
kept = []
for size in (2**30, 2**26, 2**20):
    try:
        while True:
            kept.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
    except Exception as error:
        print(classify(error).outcome, classify(error).ends_process)
try:  # cuBLAS and cuDNN are started where nothing is left for them
    kept.pop()  # room for the operands alone
    images, kernels = torch.empty(1, 8, 8, 8, device="cuda"), torch.empty(8, 8, 3, 3, device="cuda")
    features = torch.nn.functional.conv2d(images, kernels).flatten(1)
    features.T @ features
    print("oom False")
except Exception as error:
    print(classify(error).outcome, classify(error).ends_process)
"""


def output(code: str, *arguments: str) -> list[str]:
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


@pytest.fixture(autouse=True)
def unlimited() -> Iterator[None]:
    """Each test ends with all of the memory at this process's disposal."""
    yield
    limit_memory("cuda", None, context=0)
    release_memory("cuda")


def test_a_share_holds_and_is_lifted_for_a_trial_that_has_the_device_to_itself() -> None:
    assert output(TAKES, "0.5", "0.2") == ["fits", "fits"]
    assert output(TAKES, "0.1", "0.2") == ["oom", "fits"]


@pytest.mark.parametrize("sharers", [2, 3, 7])
def test_all_sharers_with_their_contexts_and_one_more_process_fit_the_device(sharers: int) -> None:
    total = torch.cuda.get_device_properties(0).total_memory
    allowed = limit_memory("cuda", 1 / sharers, context=CONTEXT)
    assert allowed is not None
    assert sharers * (allowed + CONTEXT) + CONTEXT <= total
    assert sharers * (allowed + CONTEXT) + CONTEXT > total - sharers * MIB, "no more is kept back than that"
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(allowed + 64 * MIB, dtype=torch.uint8, device="cuda")
    assert limit_memory("cuda", None, context=CONTEXT) == total


def test_contexts_that_would_leave_nothing_are_refused() -> None:
    with pytest.raises(EnvironmentProblem, match="lower trials_per_gpu"):
        limit_memory("cuda", 1 / 4, context=torch.cuda.get_device_properties(0).total_memory // 4)


def test_a_data_set_is_measured_against_the_share_with_those_that_are_there_already() -> None:
    release_memory("cuda")
    share = 100 * MIB + 2 * torch.cuda.memory_allocated()  # cuBLAS keeps tens of megabytes from the tests before
    before = resident_limit("cuda", share)
    assert before == pytest.approx(50 * MIB, abs=1)
    resident = DeviceDataset(small_data(train=6000), "cuda", memory_limit=before)
    assert resident.resident
    assert resident_limit("cuda", share) < before - 17 * MIB
    assert resident_limit("cuda") > 100 * MIB, "without a share, what is free counts"
    assert not DeviceDataset(small_data(), "cuda", memory_limit=resident_limit("cuda", 1 * MIB)).resident


def test_nothing_of_a_trial_stays_on_the_device() -> None:
    data = DeviceDataset(small_data(), "cuda")
    list(Training(small_spec(), data, device="cuda").epochs())  # libraries take what they keep for good
    gc.collect()
    release_memory("cuda")
    before, reserved = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    gc.disable()
    try:
        training = Training(small_spec("resnet18", width=0.25), data, device="cuda")
        list(training.epochs())
        learner = training._learner
        refs = [weakref.ref(each) for each in (training, learner, learner.network, learner.optimiser)]
        del training, learner
        assert [ref() for ref in refs] == [None] * 4
        release_memory("cuda")
    finally:
        gc.enable()
    assert torch.cuda.memory_allocated() <= before + MIB
    assert torch.cuda.memory_reserved() <= reserved + 4 * MIB


def test_the_peak_of_a_small_trial_after_a_large_one_is_its_own() -> None:
    data = DeviceDataset(small_data(), "cuda")

    def peak(width: float) -> float:
        training = Training(small_spec("vgg11", width=width, deterministic=True), data, device="cuda")
        list(training.epochs())
        return training.result().peak_memory_mb

    peak(0.0625)
    small = peak(0.0625)
    large = peak(1.0)
    release_memory("cuda")
    assert large > small + 50
    assert peak(0.0625) == pytest.approx(small, abs=2)
    assert peak_memory_mb(torch.device("cuda")) >= small - 2


def test_an_assert_on_the_device_is_the_trials_own_error_in_a_process_that_is_lost() -> None:
    first, line, after = output(FAILS)
    assert first == "AcceleratorError|710|error|True"
    assert line == "CUDA error: device-side assert triggered"
    assert after == "error", "the error is sticky"


def test_a_device_without_memory_left_is_oom_whoever_asks() -> None:
    assert output(EXHAUSTS) == ["oom False"] * 4


def test_a_device_has_an_identifier() -> None:
    assert str(device_uuid("cuda")).startswith(("GPU-", "MIG-"))
    assert device_uuid("cpu") is None
