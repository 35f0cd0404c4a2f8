"""Services of the loop for a verb: signals, progress, checkpoints inside it, timing."""

import math

import pytest
import torch

from rlkit.core import loop as timer_module
from rlkit.core import outer_loop as loop_module
from rlkit.core.checkpoint import Checkpoint
from rlkit.core.errors import NonFiniteError, StopRequested
from rlkit.core.logger import Logger
from rlkit.core.outer_loop import Schedule
from rlkit.core.restored_tables import truncate_tables
from rlkit.core.rl_algorithm import train
from rlkit.core.seeding import stream
from rlkit.launchers.signals import SignalGuard
from tests.core.loop_toys import MemoryCheckpoint, RecordingDisplay, rows

STEPS = 4  # of each verb


class Walk:
    """A walk in every verb; each step depends on all previous ones, in any process.

    Args:
        saves: checkpoints requested by a tick after (verb, number of steps).
    """

    columns = ("Epoch", "Number of env steps total")

    def __init__(self, saves=None):
        self.buffers = {}
        self.policy = torch.nn.Linear(1, 1).double()
        self.policy.weight.data.zero_()
        self.saves = saves or {}
        self.position, self.step, self.path = 0.0, 0, []
        self.called = []

    @property
    def networks(self):
        return {"policy": self.policy}

    def walk(self, verb, iteration, loop):
        self.called.append((verb, iteration, self.step))
        while self.step < STEPS:
            noise = stream(0, verb, iteration, self.step).standard_normal()
            self.position = 0.9 * self.position + noise
            self.policy.weight.data.add_(self.position)
            self.step += 1
            loop.tick(self.step, STEPS, f"at {verb}", self.saves.get((verb, iteration, self.step)))
        self.step = 0
        return {f"{verb} position": self.position}

    def collect_data(self, iteration, loop):
        steps = {"Number of env steps total": STEPS * (iteration + 1)}
        return {**steps, **self.walk("collect", iteration, loop)}

    def do_training(self, iteration, loop):
        return self.walk("train", iteration, loop)

    def evaluate(self, iteration, loop):
        return self.walk("evaluate", iteration, loop)

    def tables(self, iteration):
        return {"positions": [{"iteration": iteration, "position": self.position}]}

    def state_dict(self):
        weights = self.policy.state_dict()
        return {"position": self.position, "step": self.step, "weights": weights}

    def load_state_dict(self, state):
        self.position, self.step = state["position"], state["step"]
        self.policy.load_state_dict(state["weights"])


def start(run_dir, algorithm, iterations=2, schedule=None, checkpoint=None, **options):
    options = {"display": RecordingDisplay(), **options}
    settings = Schedule(iterations, **(schedule or {}))
    train(algorithm, Logger(run_dir), checkpoint or Checkpoint(run_dir), settings, **options)
    return algorithm


def resume(run_dir, iterations=2, **options):
    algorithm, checkpoint = Walk(), Checkpoint(run_dir)
    iteration, state = checkpoint.load({})
    algorithm.load_state_dict(state["algorithm"])
    logger = Logger(run_dir)
    truncate_tables(logger, iteration, state["tables"])
    options = {"display": RecordingDisplay(), **options}
    train(
        algorithm,
        logger,
        checkpoint,
        Schedule(iterations),
        start_iteration=iteration + 1,
        resumed=state,
        **options,
    )
    return algorithm


def numbers(run_dir):
    """Both tables without the times."""
    kept = [{k: v for k, v in row.items() if "Time" not in k} for row in rows(run_dir)]
    return kept, rows(run_dir, "positions")


@pytest.mark.parametrize("verb", ["collect", "train", "evaluate"])
@pytest.mark.parametrize("iteration", [0, 1])
def test_a_checkpoint_inside_a_verb_resumes_inside_it_and_nothing_moves(tmp_path, verb, iteration):
    whole = start(tmp_path / "whole", Walk())
    stop = RecordingDisplay(stop_at=(iteration, 3), error=StopRequested(2))
    stopped = Walk({(verb, iteration, 2): "now"})
    stop.progress = stopping_in(verb, stop, stopped)
    with pytest.raises(StopRequested):
        start(tmp_path / "run", stopped, display=stop)
    resumed = resume(tmp_path / "run")
    assert resumed.called[0] == (verb, iteration, 2)
    assert resumed.position == whole.position
    assert torch.equal(resumed.policy.weight, whole.policy.weight)
    assert numbers(tmp_path / "run") == numbers(tmp_path / "whole")


def stopping_in(verb, display, algorithm):
    """Let the display raise its error only in one of the verbs."""
    progress = display.progress

    def in_verb(done, total, note):
        if algorithm.called[-1][0] == verb:
            progress(done, total, note)

    return in_verb


def test_a_verb_that_was_done_is_not_done_again_and_keeps_its_time(tmp_path, monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(timer_module.time, "perf_counter", lambda: float(next(clock)))
    checkpoint = MemoryCheckpoint()
    start(tmp_path / "run", Walk({("train", 0, 2): "now"}), 1, checkpoint=checkpoint)
    iteration, state = checkpoint.saved[1]
    assert iteration == -1
    seconds = state["unfinished"]["seconds"]
    algorithm = Walk()
    algorithm.load_state_dict(state["algorithm"])
    start(tmp_path / "again", algorithm, 1, checkpoint=MemoryCheckpoint(), resumed=state)
    assert [verb for verb, _, _ in algorithm.called] == ["train", "evaluate"]
    (row,) = rows(tmp_path / "again")
    assert float(row["Sample Time (s)"]) == seconds["sample"] > 0
    assert float(row["Train Time (s)"]) > seconds["train"] > 0


def test_what_a_resumed_iteration_knew_is_forgotten_by_the_next_one(tmp_path):
    checkpoint = MemoryCheckpoint()
    start(tmp_path / "run", Walk({("train", 0, 2): "now"}), 1, checkpoint=checkpoint)
    algorithm = Walk()
    algorithm.load_state_dict(checkpoint.saved[1][1]["algorithm"])
    later = MemoryCheckpoint()
    state = checkpoint.saved[1][1]
    start(tmp_path / "again", algorithm, 2, checkpoint=later, resumed=state)
    assert [verb for verb, i, _ in algorithm.called if i == 1] == ["collect", "train", "evaluate"]
    assert [state["unfinished"] for _, state in later.saved] == [None, None]


@pytest.mark.parametrize(("minutes", "saved"), [(0.0, 1), (1e9, 0)])
def test_a_checkpoint_that_is_due_is_written_when_its_minutes_have_passed(tmp_path, minutes, saved):
    checkpoint = MemoryCheckpoint()
    algorithm = Walk({("collect", 0, 2): "due"})
    schedule = {"checkpoint_minutes": minutes}
    start(tmp_path, algorithm, 1, schedule, checkpoint)
    assert [i for i, _ in checkpoint.saved] == [-1] * (1 + saved) + [0]


def test_minutes_count_from_the_last_checkpoint_of_any_kind(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(loop_module.time, "monotonic", lambda: now[0])
    checkpoint = MemoryCheckpoint()

    class Slow(Walk):
        def walk(self, verb, iteration, loop):
            now[0] += 400.0  # seconds
            return super().walk(verb, iteration, loop)

    saves = {(verb, i, 1): "due" for verb in ("collect", "train", "evaluate") for i in range(2)}
    start(tmp_path, Slow(saves), 2, {"checkpoint_minutes": 10}, checkpoint)
    # 800 seconds pass until the second verb; the checkpoint of the iteration starts the time anew
    unfinished = [state["unfinished"] is not None for _, state in checkpoint.saved]
    assert unfinished == [False, True, False, True, False]
    assert [i for i, _ in checkpoint.saved] == [-1, -1, 0, 0, 1]


def test_a_tick_without_a_wish_writes_nothing_and_shows_everything(tmp_path):
    checkpoint, display = MemoryCheckpoint(), RecordingDisplay()
    schedule = {"checkpoint_minutes": 0}
    start(tmp_path, Walk(), 1, schedule, checkpoint, display=display)
    assert [i for i, _ in checkpoint.saved] == [-1, 0]
    assert display.shown[:4] == [(done, STEPS, "at collect") for done in (1, 2, 3, 4)]
    assert len(display.shown) == 3 * STEPS


def test_weights_that_are_not_finite_are_never_saved_inside_a_verb(tmp_path):
    class Diverging(Walk):
        def do_training(self, iteration, loop):
            self.policy.weight.data.fill_(math.nan)
            return super().do_training(iteration, loop)

    checkpoint = MemoryCheckpoint()
    with pytest.raises(NonFiniteError, match="iteration 0: weights weight of policy"):
        start(tmp_path, Diverging({("train", 0, 2): "now"}), 1, checkpoint=checkpoint)
    assert [i for i, _ in checkpoint.saved] == [-1]


def test_a_signal_that_waited_stops_the_run_at_the_next_tick(tmp_path):
    class Signalled(Walk):
        def do_training(self, iteration, loop):
            try:
                guard._handle(15, None)  # what cannot leave a callback of a C library is lost
            except StopRequested:
                pass
            return super().do_training(iteration, loop)

    algorithm, display = Signalled(), RecordingDisplay()
    with pytest.raises(StopRequested), SignalGuard(abort=lambda code: None) as guard:
        start(tmp_path, algorithm, 2, display=display, protect=guard.protect)
    assert algorithm.called[-1][:2] == ("train", 0) and algorithm.step == 1
    assert len(display.shown) == STEPS  # of the collection: the first tick of the training stops
    assert display.stopped


def test_checkpoints_inside_a_verb_are_written_inside_the_protection(tmp_path):
    depth = [0]

    class Guard:
        def __enter__(self):
            depth[0] += 1

        def __exit__(self, *error):
            depth[0] -= 1

    class Watching(MemoryCheckpoint):
        def save(self, iteration, state, buffers):
            assert depth[0] == 1
            super().save(iteration, state, buffers)

    checkpoint = Watching()
    start(tmp_path, Walk({("train", 0, 1): "now"}), 1, checkpoint=checkpoint, protect=Guard)
    assert len(checkpoint.saved) == 3


def test_phases_of_a_verb_pause_its_time_and_all_add_up_to_the_iteration(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(timer_module.time, "perf_counter", lambda: now[0])

    class Interleaved(Walk):
        def do_training(self, iteration, loop):
            now[0] += 1
            with loop.phase("sample"):
                now[0] += 20
            now[0] += 1
            with loop.phase("model"):
                now[0] += 300
            return {}

        def collect_data(self, iteration, loop):
            now[0] += 4000
            return {"Number of env steps total": 0}

    display = RecordingDisplay()
    start(tmp_path, Interleaved(), 1, display=display)
    ((row, seconds),) = display.rows
    assert (row["Train Time (s)"], row["Sample Time (s)"]) == (2, 4020)
    assert row["Epoch Time (s)"] == 4022 and seconds == 4322
