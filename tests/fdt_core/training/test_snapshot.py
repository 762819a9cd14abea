"""A snapshot is a state that changes no more, on the device until it is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from packaging.version import Version
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from fdt_core.training.snapshot import Snapshot
from tests.fdt_core.training.imagined_cuda import ImaginedCuda, ImaginedEvent, ImaginedStream, RaceDetector
from tests.fdt_core.training.step_recorder import StepRecorder

CUDA = torch.device("cuda")


def state(value: float, device: str = "cpu") -> dict[str, Any]:
    pixels = torch.full((2, 3, 4, 4), float(value), device=device).to(memory_format=torch.channels_last)
    count = torch.full((), int(value), dtype=torch.int64, device=device)
    bias = torch.full((3,), float(value), device=device)
    return {
        "epoch": int(value),
        "network": {"weight": pixels, "count": count},
        "optimiser": [{"bias": bias, "lr": 0.1}],
    }


def change(given: dict[str, Any]) -> None:
    given["network"]["weight"].add_(1)
    given["network"]["count"].add_(1)
    given["optimiser"][0]["bias"].add_(1)
    given["optimiser"][0]["lr"] = 0.2


def assert_is(found: dict[str, Any], value: float) -> None:
    expected = state(value)
    assert found["epoch"] == expected["epoch"]
    assert torch.equal(found["network"]["weight"], expected["network"]["weight"])
    assert found["network"]["weight"].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(found["network"]["count"], expected["network"]["count"])
    assert torch.equal(found["optimiser"][0]["bias"], expected["optimiser"][0]["bias"])
    assert found["optimiser"][0]["lr"] == 0.1


def test_what_changes_after_it_was_taken_changes_nothing_in_a_snapshot_or_in_what_was_fetched() -> None:
    snapshot, changing = Snapshot(torch.device("cpu")), state(1)
    snapshot.take(changing)
    change(changing)
    first = snapshot.fetch()
    assert_is(first, 1)
    snapshot.take(state(2))
    assert_is(first, 1)
    assert_is(snapshot.fetch(), 2)


def test_a_part_that_is_not_taken_stays_as_it_was() -> None:
    snapshot = Snapshot(torch.device("cpu"))
    snapshot.take({"best": None, **state(1)})
    assert snapshot.fetch()["best"] is None
    snapshot.take({"best": {"weight": torch.ones(3)}})
    snapshot.take(state(2))
    found = snapshot.fetch()
    assert found.pop("best")["weight"].tolist() == [1, 1, 1]
    assert_is(found, 2)


def test_its_size_is_that_of_all_tensors() -> None:
    snapshot = Snapshot(torch.device("cpu"))
    snapshot.take(state(1))
    assert snapshot.size == 4 * 2 * 3 * 4 * 4 + 8 + 4 * 3


def test_a_state_dict_is_taken_with_plain_containers() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    torch.autograd.backward(network(torch.ones(2, 1, 4, 4)).sum())
    optimiser.step()
    snapshot = Snapshot(torch.device("cpu"))
    snapshot.take({"network": network.state_dict(), "optimiser": optimiser.state_dict()})
    found = snapshot.fetch()
    assert type(found["network"]) is dict
    assert not any(value.requires_grad for value in found["network"].values())
    copy = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    copy.load_state_dict(found["network"])
    assert all(
        torch.equal(a, b) for a, b in zip(copy.state_dict().values(), network.state_dict().values(), strict=True)
    )
    assert found["optimiser"]["param_groups"][0]["params"] == [0, 1, 2, 3]


# On a GPU, imagined: fake tensors have a device and a shape, but no values.


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[ImaginedCuda]:
    if Version(torch.__version__) < Version("2.14"):
        pytest.skip("torch 2.8 queries the driver for imagined devices too: needs torch 2.14")
    imagined = ImaginedCuda(monkeypatch)
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield imagined


def test_on_a_gpu_a_snapshot_is_one_copy_for_each_type_into_buffers_that_are_kept(cuda: ImaginedCuda) -> None:
    snapshot = Snapshot(CUDA)
    snapshot.take(state(1, "cuda"))
    second = state(2, "cuda")
    with StepRecorder() as recorder:
        recorder.start_step(0)
        snapshot.take(second)
    (taken,) = recorder.steps
    assert [operation.name for operation in taken] == ["aten._foreach_copy_.default"] * 2
    assert recorder.beside("cuda") == []
    assert snapshot.fetch()["epoch"] == 2


def test_a_fetch_copies_to_the_host_without_one_wait_for_each_tensor(cuda: ImaginedCuda) -> None:
    snapshot = Snapshot(CUDA)
    snapshot.take(state(1, "cuda"))
    with StepRecorder() as recorder:
        recorder.start_step(0)
        found = snapshot.fetch()
    (copies,) = recorder.steps
    assert [operation.name for operation in copies] == ["aten._to_copy.default"] * 3
    assert all(operation.inputs[1]["non_blocking"] for operation in copies)
    assert found["network"]["weight"].device.type == "cpu"
    assert found["network"]["weight"].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("waits", [True, False])
def test_a_fetch_waits_for_the_snapshot_and_the_next_snapshot_for_the_fetch(
    waits: bool, cuda: ImaginedCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not waits:
        monkeypatch.setattr(ImaginedStream, "wait_event", lambda stream, event: None)
        monkeypatch.setattr(ImaginedEvent, "synchronize", lambda event: None)
    snapshot = Snapshot(CUDA)
    with RaceDetector(cuda) as detector:
        changing = state(1, "cuda")
        for _ in range(3):
            snapshot.take(changing)
            change(changing)
            snapshot.fetch()
    assert (detector.races == []) == waits
