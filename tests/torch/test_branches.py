"""Branches of a step: at once, late, and on streams, whose calls are noted without a GPU."""

import weakref
from contextlib import contextmanager

import pytest
import torch

from benchmarks.branch_checks import LateBranch
from rlkit.torch import branches
from rlkit.torch.branches import StreamBranch, branches_of, for_every_tensor
from rlkit.torch.execution import Branch


@pytest.mark.parametrize("make", [Branch, LateBranch])
def test_a_branch_gives_what_its_function_returns_once_and_then_forgets_it(make):
    branch = make()
    for x in (1.0, 2.0):
        branch.start(lambda a, b: (a + b, a), torch.tensor(x), torch.ones(()))
        total, first = branch.result()
        assert (total.item(), first.item()) == (x + 1, x)
        forgotten = weakref.ref(total)
        del total
        assert forgotten() is None  # and with it the graph of a step, whose nodes have streams


def test_a_branch_runs_at_its_start_and_a_late_one_for_its_result():
    happened = []
    for kind in (Branch, LateBranch):
        branch = kind()
        branch.start(happened.append, kind.__name__)
        happened.append("between")
        branch.result()
    assert happened == ["Branch", "between", "between", "LateBranch"]


class FakeStream:
    """A stream that notes what waits for it and what runs on it."""

    device = torch.device("cuda", 1)

    def __init__(self, name, happened):
        self.name, self.happened = name, happened

    def wait_stream(self, other):
        self.happened.append(f"{self.name} waits for {other.name}")


@pytest.fixture
def happened(monkeypatch):
    events = []
    current = [FakeStream("main", events)]

    @contextmanager
    def on(stream):
        current.append(stream)
        yield
        current.pop()

    def current_stream(device):
        assert device == FakeStream.device
        return current[-1]

    monkeypatch.setattr(torch.cuda, "current_stream", current_stream)
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(
        torch.Tensor,
        "record_stream",
        lambda tensor, stream: events.append(f"{tensor.item():.0f} used on {stream.name}"),
        raising=False,
    )
    return events


def test_streams_wait_for_one_another_and_keep_each_others_memory(happened):
    outer, inner = (StreamBranch(FakeStream(name, happened)) for name in ("outer", "inner"))

    def work(x):
        inner.start(lambda y: {"y": 2 * y}, x)
        happened.append("beside inner")
        return [inner.result()["y"], 10 * x]

    outer.start(work, torch.ones(()))
    happened.append("beside outer")
    assert [x.item() for x in outer.result()] == [2, 10]
    assert happened == [
        "outer waits for main",
        "inner waits for outer",
        "1 used on inner",
        "beside inner",
        "outer waits for inner",
        "2 used on outer",
        "1 used on outer",
        "beside outer",
        "main waits for outer",
        "2 used on main",
        "10 used on main",
    ]


def test_every_tensor_of_what_is_nested_is_found():
    found = []
    nested = [torch.zeros(1), (torch.ones(2), {"a": torch.ones(3)}), None, 5, "x"]
    for_every_tensor(nested, lambda tensor: found.append(len(tensor)))
    assert found == [1, 2, 3]


def test_branches_have_streams_on_a_gpu_only_which_all_algorithms_share(monkeypatch):
    made = []
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: made.append(device) or len(made))
    branches._stream.cache_clear()
    gpu = torch.device("cuda", 0)
    first, second = branches_of(gpu), branches_of(gpu)
    streams = [[make()._stream for _ in range(3)] for make in (first, second)]
    branches._stream.cache_clear()
    assert streams == [[1, 2, 3]] * 2
    assert made == [gpu] * 3
    assert branches_of(torch.device("cpu")) is branches_of(gpu, wanted=False) is Branch
