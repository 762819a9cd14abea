"""What only a CUDA device can show about its memory: shares, release, and the meaning of errors."""

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

# Allocates a part of the GPU's memory within a share of it, then without a limit; prints how both ended.
TAKES = """
import sys, torch
from fdt_core.compute.device import limit_memory
from orchestrator.trial.error_kinds import classify
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
from orchestrator.trial.error_kinds import classify
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
    print("the process continues")
except Exception as error:
    print(classify(error).outcome)
"""

EXHAUSTS = """
import torch
from orchestrator.trial.error_kinds import classify
kept = []
for size in (2**30, 2**26, 2**20):
    try:
        while True:
            kept.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
    except Exception as error:
        print(classify(error).outcome, classify(error).ends_process)
try:  # start cuBLAS and cuDNN when no memory is left for them
    kept.pop()  # room for the operands only
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
    """After each test, lift the limit of this process and release its memory."""
    yield
    limit_memory("cuda", None, context=0)
    release_memory("cuda")


def test_a_share_limits_memory_until_it_is_lifted() -> None:
    assert output(TAKES, "0.5", "0.2") == ["fits", "fits"]
    assert output(TAKES, "0.1", "0.2") == ["oom", "fits"]


@pytest.mark.parametrize("sharers", [2, 3, 7])
def test_all_sharers_with_their_contexts_and_one_more_process_fit_the_device(sharers: int) -> None:
    total = torch.cuda.get_device_properties(0).total_memory
    allowed = limit_memory("cuda", 1 / sharers, context=CONTEXT)
    assert allowed is not None
    assert sharers * (allowed + CONTEXT) + CONTEXT <= total
    assert sharers * (allowed + CONTEXT) + CONTEXT > total - sharers * MIB, "nothing more is held back"
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(allowed + 64 * MIB, dtype=torch.uint8, device="cuda")
    assert limit_memory("cuda", None, context=CONTEXT) == total


def test_contexts_that_would_leave_nothing_are_rejected() -> None:
    with pytest.raises(EnvironmentProblem, match="lower trials_per_gpu"):
        limit_memory("cuda", 1 / 4, context=torch.cuda.get_device_properties(0).total_memory // 4)


def test_all_resident_data_sets_together_must_fit_the_share() -> None:
    release_memory("cuda")
    share = 100 * MIB + 2 * torch.cuda.memory_allocated()  # cuBLAS keeps tens of megabytes from the tests before
    before = resident_limit("cuda", share)
    assert before == pytest.approx(50 * MIB, abs=1)
    resident = DeviceDataset(small_data(train=6000), "cuda", memory_limit=before)
    assert resident.resident
    assert resident_limit("cuda", share) < before - 17 * MIB
    assert resident_limit("cuda") > 100 * MIB, "without a share, the free memory counts"
    assert not DeviceDataset(small_data(), "cuda", memory_limit=resident_limit("cuda", 1 * MIB)).resident


def test_a_trial_leaves_nothing_on_the_device() -> None:
    data = DeviceDataset(small_data(), "cuda")
    list(Training(small_spec(), data, device="cuda").epochs())  # libraries allocate what they keep permanently
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


def test_a_large_trial_does_not_raise_the_peak_of_a_later_small_one() -> None:
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


def test_a_device_side_assert_is_an_error_of_the_trial_and_ends_the_process() -> None:
    first, line, after = output(FAILS)
    assert first == "AcceleratorError|710|error|True"
    assert line == "CUDA error: device-side assert triggered"
    assert after == "error", "the error is sticky"


def test_a_full_device_is_oom_for_torch_cublas_and_cudnn() -> None:
    assert output(EXHAUSTS) == ["oom False"] * 4


def test_a_device_has_an_identifier() -> None:
    assert str(device_uuid("cuda")).startswith(("GPU-", "MIG-"))
    assert device_uuid("cpu") is None
