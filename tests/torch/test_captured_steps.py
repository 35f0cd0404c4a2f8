"""Capturing a step must not change results. Tests that need a GPU skip themselves."""

import copy
import warnings
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rlkit.core.algorithm import NoLoop
from rlkit.torch.adam import adam
from rlkit.torch.captured import WARM_UP, Captured, rolled_back
from rlkit.torch.gradient_steps import GradientSteps
from rlkit.torch.networks import Mlp
from tests.torch.sac.test_no_waiting import FailsOnWaiting, small_experiment
from tests.torch.test_gradient_steps import Regression

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def collected(**options):
    algorithm = small_experiment(**options).algorithm
    algorithm.collect_data(0, NoLoop())
    return algorithm


def test_taking_steps_fetches_nothing_from_the_device():
    algorithm = collected()
    trainer = algorithm.trainer
    trainer.train(algorithm.replay_buffer, algorithm.encoder_buffer, 1)  # Adam makes its state
    with trainer.training(algorithm.replay_buffer, algorithm.encoder_buffer), FailsOnWaiting():
        trainer.take(3)


def test_a_warm_up_changes_no_number():
    algorithm, others = collected(), collected()
    trainer, buffers = algorithm.trainer, (algorithm.replay_buffer, algorithm.encoder_buffer)
    for _ in range(2):  # before any step, when Adam has no moments yet, and after some
        with trainer.training(*buffers), trainer.steps._undone():
            trainer.steps._step_and_sum(True)
        ours = trainer.train(*buffers, num_steps=3)
        assert ours == others.trainer.train(
            others.replay_buffer, others.encoder_buffer, num_steps=3
        )
    for network, other in zip(
        trainer.networks.values(), others.trainer.networks.values(), strict=True
    ):
        assert all(
            torch.equal(p, q) for p, q in zip(network.parameters(), other.parameters(), strict=True)
        )


def test_undoing_restores_what_only_an_optimizer_knows_and_the_buffers_of_networks():
    toy = Regression()
    other = Mlp([4], 3, 1, generator=toy.generator)
    others = adam([(other, 1e-2)])
    toy.network.register_buffer("count", torch.zeros(()))
    steps = GradientSteps(
        lambda with_statistics: [toy.step(with_statistics)],
        networks=[toy.network],
        optimizers=[toy.optimizer, others],
        generator=toy.generator,
        means=("loss",),
    )
    before = copy.deepcopy((toy.network.state_dict(), other.state_dict()))
    with steps._undone():
        toy.step(False)
        toy.network.count += 1
        other(torch.ones(2, 3)).sum().backward()
        others.step()
        assert not torch.equal(other.last_fc.bias, before[1]["last_fc.bias"])
    for network, state in zip((toy.network, other), before, strict=True):
        for name, value in network.state_dict().items():
            assert torch.equal(value, state[name]), name


@contextmanager
def failing_on_synchronisation():
    """Let an operation that waits for the GPU fail inside the block; never longer than it."""
    before = torch.cuda.get_sync_debug_mode()
    try:
        with warnings.catch_warnings():
            # The mode is a prototype, which torch warns of.
            warnings.filterwarnings("ignore", message=".*[Ss]ynchronization debug mode")
            torch.cuda.set_sync_debug_mode("error")
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.cuda.set_sync_debug_mode(before)


def test_the_mode_that_fails_on_synchronisation_ends_with_its_block_whatever_happens(monkeypatch):
    modes = [0]

    def set_mode(mode):
        modes.append(mode)
        warnings.warn("Synchronization debug mode is a prototype feature", stacklevel=2)

    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", set_mode)
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: modes[0])
    with pytest.raises(ValueError, match="inside"), failing_on_synchronisation():
        raise ValueError("inside")
    assert modes == [0, "error", 0]


class FakeGraph:
    """A graph that records its calls, for machines without a GPU."""

    def __init__(self):
        self.generators, self.replays = [], 0

    def register_generator_state(self, generator):
        self.generators.append(generator)

    def replay(self):
        self.replays += 1


def test_a_step_is_captured_when_first_called_and_when_the_captured_state_has_changed(monkeypatch):
    graphs, calls, undone, state = [], [], [], ["here"]
    generator = torch.Generator()
    stream = SimpleNamespace(wait_stream=lambda other: None)

    @contextmanager
    def undo():
        yield
        undone.append(len(calls))

    def graph():
        graphs.append(FakeGraph())
        return graphs[-1]

    for name, fake in {
        "CUDAGraph": graph,
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": lambda stream: nullcontext(),
        "graph": lambda graph, capture_error_mode: nullcontext(),
    }.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    captured = Captured(
        lambda: calls.append(None) or {"call": torch.tensor(len(calls))},
        lambda: state[0],
        undo,
        generator,
    )
    results = [captured()["call"].item() for _ in range(3)]
    assert results == [WARM_UP + 1] * 3  # the result of the capture, which replays overwrite
    state[0] = "there"
    captured()
    assert len(calls) == 2 * (WARM_UP + 1)
    assert undone == [WARM_UP, 2 * WARM_UP + 1]  # the warm-up is undone before the capture
    assert [graph.replays for graph in graphs] == [3, 1]
    assert [graph.generators for graph in graphs] == [[generator]] * 2


def test_an_episode_that_ends_early_changes_what_a_capture_depends_on():
    algorithm = collected(encoder="gru")
    trainer, buffers = algorithm.trainer, (algorithm.replay_buffer, algorithm.encoder_buffer)
    with trainer.training(*buffers):
        before = trainer.steps._captured_state()
        trainer.take(1)
        assert trainer.steps._captured_state() == before
        rows, shorter = buffers[1].rows_of(0), trainer.config.max_path_length - 1
        buffers[1].clear(0)
        buffers[1].add_rows(0, rows[:shorter], np.array([shorter]))
        assert trainer.steps._captured_state() != before
        other = collected(encoder="gru")
        between = trainer.steps._captured_state()
    with trainer.training(other.replay_buffer, buffers[1]):
        assert trainer.steps._captured_state() != between


@needs_gpu
def test_what_has_moved_is_captured_anew():
    x = [torch.ones(3, device="cuda")]
    generator = torch.Generator("cuda").manual_seed(0)
    captured = Captured(
        lambda: {"x": 2 * x[0]},
        lambda: x[0].data_ptr(),
        lambda: rolled_back([], [], generator),
        generator,
    )
    assert captured()["x"].sum().item() == 6
    x[0] = torch.full((3,), 2.0, device="cuda")
    assert captured()["x"].sum().item() == 12


@needs_gpu
def test_captured_and_eager_steps_agree_and_draw_the_same_numbers():
    trainers, reports = [], []
    for cuda_graph in (True, False):
        algorithm = collected(device="cuda")
        algorithm.trainer.steps.cuda_graph = cuda_graph
        buffers = algorithm.replay_buffer, algorithm.encoder_buffer
        with algorithm.trainer.training(*buffers):
            for num_steps in (1, 12, 7):
                algorithm.trainer.take(num_steps)
        reports.append(algorithm.trainer.fetch())
        trainers.append(algorithm.trainer)
    captured, eager = trainers
    assert torch.equal(captured.generator.get_state(), eager.generator.get_state())
    assert reports[0] == pytest.approx(reports[1], rel=1e-3, abs=1e-4)
    for network, other in zip(captured.networks.values(), eager.networks.values(), strict=True):
        for p, q in zip(network.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5)


@needs_gpu
def test_weights_after_500_replays_with_branches_equal_those_in_line():
    weights = []
    for branches in (True, False):
        algorithm = collected(device="cuda", util_params={"branches": branches})
        algorithm.trainer.train(algorithm.replay_buffer, algorithm.encoder_buffer, 500)
        weights.append([p for n in algorithm.trainer.networks.values() for p in n.parameters()])
    assert all(torch.equal(p, q) for p, q in zip(*weights, strict=True))


@needs_gpu
def test_an_iteration_of_training_waits_for_the_device_once_at_its_end():
    algorithm = collected(device="cuda")
    trainer, buffers = algorithm.trainer, (algorithm.replay_buffer, algorithm.encoder_buffer)
    trainer.train(*buffers, num_steps=2)  # captures
    with trainer.training(*buffers):
        with failing_on_synchronisation():
            trainer.take(6)


@needs_gpu
def test_a_state_of_the_gpu_goes_on_on_a_cpu():
    algorithm, on_cpu = collected(device="cuda"), small_experiment().algorithm
    buffers = algorithm.replay_buffer, algorithm.encoder_buffer
    algorithm.trainer.train(*buffers, num_steps=5)
    for name, network in on_cpu.trainer.networks.items():
        network.load_state_dict(algorithm.trainer.networks[name].state_dict())
        for p, q in zip(
            network.parameters(), algorithm.trainer.networks[name].parameters(), strict=True
        ):
            assert torch.equal(p, q.cpu())
