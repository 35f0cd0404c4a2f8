"""The outer loop: order of columns, time columns, checkpoints, the stop at numbers that are not finite."""

import csv
import math
from contextlib import contextmanager

import pytest
import torch

from rlkit.core.errors import NonFiniteError
from rlkit.core.logger import Logger
from rlkit.core.rl_algorithm import require_finite, train


class ToyAlgorithm:
    """Counts its calls; the loss of one iteration can be spoiled."""

    buffers, networks = {}, {}

    def __init__(self, bad_iteration=None):
        self.calls, self.bad_iteration = [], bad_iteration

    def collect_data(self, iteration):
        self.calls.append(("collect", iteration))
        return {"Number of env steps total": 10 * (iteration + 1)}

    def do_training(self, iteration):
        self.calls.append(("train", iteration))
        return {"QF Loss": math.nan if iteration == self.bad_iteration else 1.0}

    def evaluate(self, iteration):
        self.calls.append(("evaluate", iteration))
        return {"AverageReturn_all_test_tasks": float(iteration)}

    def online_returns(self):
        return [("test", [1.0, 2.0], [0.0, 0.5], [3, 3])]

    def diagnostics(self):
        return {"Extra": 5.0}

    def state_dict(self):
        return {"calls": len(self.calls)}


class MemoryCheckpoint:
    def __init__(self):
        self.saved = []

    def save(self, iteration, state, buffers):
        self.saved.append((iteration, state))


class SilentDisplay:
    def __init__(self):
        self.stopped = False

    def start(self, num_iterations, start_iteration):
        pass

    def phase(self, iteration, name):
        pass

    def iteration_done(self, iteration, row, seconds):
        pass

    def stop(self):
        self.stopped = True


def run(tmp_path, algorithm=None, iterations=3, **options):
    algorithm, checkpoint = algorithm or ToyAlgorithm(), MemoryCheckpoint()
    train(algorithm, Logger(tmp_path), checkpoint, iterations, display=SilentDisplay(), **options)
    return algorithm, checkpoint


def rows(tmp_path):
    with open(tmp_path / "progress.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_each_iteration_collects_then_trains_then_evaluates(tmp_path):
    algorithm, _ = run(tmp_path, iterations=2)
    assert algorithm.calls == [
        (verb, i) for i in range(2) for verb in ("collect", "train", "evaluate")
    ]


def test_a_checkpoint_stands_before_anything_is_collected_and_after_each_iteration(tmp_path):
    _, checkpoint = run(tmp_path)
    assert [i for i, _ in checkpoint.saved] == [-1, 0, 1, 2]
    assert checkpoint.saved[0][1]["algorithm"] == {"calls": 0}


def test_checkpoint_every_skips_but_never_the_last(tmp_path):
    _, checkpoint = run(tmp_path, iterations=4, checkpoint_every=3)
    assert [i for i, _ in checkpoint.saved] == [-1, 2, 3]


def test_columns_stand_in_order_training_evaluation_counts_times_then_diagnostics(tmp_path):
    run(tmp_path)
    assert list(rows(tmp_path)[0]) == [
        "QF Loss",
        "AverageReturn_all_test_tasks",
        "Number of env steps total",
        "Train Time (s)",
        "(Previous) Eval Time (s)",
        "Sample Time (s)",
        "Epoch Time (s)",
        "Total Train Time (s)",
        "Epoch",
        "Extra",
        "(Previous) Save Time (s)",
    ]


def test_iterations_between_evaluations_have_nan_in_its_columns_and_no_other(tmp_path):
    algorithm, _ = run(tmp_path, iterations=6, eval_every=2)
    evaluated = [float(row["AverageReturn_all_test_tasks"]) for row in rows(tmp_path)]
    assert evaluated[0::2] == [0, 2, 4] and evaluated[5] == 5  # every second, and the last
    assert all(math.isnan(evaluated[i]) for i in (1, 3))
    assert [i for verb, i in algorithm.calls if verb == "evaluate"] == [0, 2, 4, 5]
    assert all(
        math.isfinite(float(cell))
        for row in rows(tmp_path)
        for name, cell in row.items()
        if "Return" not in name
    )


def test_weights_are_kept_after_each_iteration_that_save_every_divides(tmp_path):
    class Learning(ToyAlgorithm):
        @property
        def networks(self):
            calls = torch.tensor([float(len(self.calls))])
            return {"policy": Constant(calls)}

    class Constant:
        def __init__(self, value):
            self.value = value

        def state_dict(self):
            return {"value": self.value}

    run(tmp_path, Learning(), iterations=5, save_every=2)
    kept = {
        path.parent.name: torch.load(path, weights_only=True)["value"].item()
        for path in tmp_path.glob("snapshots/*/*.pth")
    }
    assert kept == {"0": 3, "2": 9, "4": 15}  # three calls an iteration


def test_without_save_every_no_snapshot_is_kept(tmp_path):
    run(tmp_path)
    assert not (tmp_path / "snapshots").exists()


def test_time_columns_add_up_and_go_on_from_the_clock_of_a_checkpoint(tmp_path):
    run(tmp_path, start_iteration=1, clock={"eval": 7.0, "total": 100.0})
    first, second = rows(tmp_path)
    assert float(first["(Previous) Eval Time (s)"]) == 7.0
    assert float(first["Total Train Time (s)"]) == pytest.approx(
        100.0 + float(first["Epoch Time (s)"])
    )
    parts = sum(
        float(second[name])
        for name in ("Train Time (s)", "(Previous) Eval Time (s)", "Sample Time (s)")
    )
    assert float(second["Epoch Time (s)"]) == pytest.approx(parts)


def test_a_loss_that_is_not_finite_stops_the_run_and_saves_nothing_of_its_iteration(tmp_path):
    checkpoint, display = MemoryCheckpoint(), SilentDisplay()
    with pytest.raises(NonFiniteError, match="iteration 1: QF Loss is nan"):
        train(ToyAlgorithm(bad_iteration=1), Logger(tmp_path), checkpoint, 3, display=display)
    assert [i for i, _ in checkpoint.saved] == [-1, 0]
    assert len(rows(tmp_path)) == 1
    assert display.stopped


def test_an_absent_posterior_is_not_taken_for_a_failure():
    require_finite(0, {"KL Divergence": math.nan, "KL Loss (mean)": math.nan, "QF Loss": 1.0})


def test_every_write_happens_inside_the_protection(tmp_path):
    inside = []

    @contextmanager
    def protect():
        inside.append(True)
        yield
        inside.append(False)

    class Watching(MemoryCheckpoint):
        def save(self, iteration, state, buffers):
            assert inside and inside[-1]
            super().save(iteration, state, buffers)

    checkpoint = Watching()
    train(ToyAlgorithm(), Logger(tmp_path), checkpoint, 2, display=SilentDisplay(), protect=protect)
    assert len(checkpoint.saved) == 3
    assert inside.count(True) == inside.count(False) == 5
