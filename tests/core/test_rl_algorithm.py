"""The outer loop: columns, tables, times, checkpoints, the stop at numbers that are not finite."""

import math
from contextlib import contextmanager

import pytest
import torch

from rlkit.core.errors import NonFiniteError
from rlkit.core.logger import Logger
from rlkit.core.outer_loop import Schedule, require_finite
from rlkit.core.rl_algorithm import train
from tests.core.loop_toys import MemoryCheckpoint, RecordingDisplay, rows


class ToyAlgorithm:
    """Counts its calls; the loss of one iteration can be spoiled."""

    buffers, networks = {}, {}
    columns = ("Return", "QF Loss", "KL Loss", "Number of env steps total", "Epoch")

    def __init__(self, bad_iteration=None):
        self.calls, self.bad_iteration = [], bad_iteration

    def collect_data(self, iteration, loop):
        self.calls.append(("collect", iteration))
        return {"Relabeled": 0.5, "Number of env steps total": 10 * (iteration + 1)}

    def do_training(self, iteration, loop):
        self.calls.append(("train", iteration))
        return {
            "QF Loss": math.nan if iteration == self.bad_iteration else 1.0,
            "Gradient norm": 2.0,
        }

    def evaluate(self, iteration, loop):
        self.calls.append(("evaluate", iteration))
        return {"Return": float(iteration), "Length": 3.0}

    def tables(self, iteration):
        return {
            "online_returns": [{"iteration": iteration, "split": "test", "mean": 1.5}],
            "trials": [{"iteration": iteration, "return": 7}],
        }

    def state_dict(self):
        return {"calls": len(self.calls)}


def run(tmp_path, algorithm=None, iterations=3, schedule=None, **options):
    algorithm, checkpoint = algorithm or ToyAlgorithm(), MemoryCheckpoint()
    schedule = Schedule(iterations, **(schedule or {}))
    options = {"display": RecordingDisplay(), **options}
    train(algorithm, Logger(tmp_path), checkpoint, schedule, **options)
    return algorithm, checkpoint


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
    _, checkpoint = run(tmp_path, iterations=4, schedule={"checkpoint_every": 3})
    assert [i for i, _ in checkpoint.saved] == [-1, 2, 3]


def test_the_columns_of_the_algorithm_come_first_and_others_as_the_verbs_return_them(tmp_path):
    run(tmp_path)
    assert list(rows(tmp_path)[0]) == [
        *ToyAlgorithm.columns,
        "Gradient norm",
        "Length",
        "Relabeled",
        "Train Time (s)",
        "(Previous) Eval Time (s)",
        "Sample Time (s)",
        "Epoch Time (s)",
        "Total Train Time (s)",
        "(Previous) Save Time (s)",
    ]


def test_a_column_that_no_verb_fills_is_nan(tmp_path):
    run(tmp_path)
    assert [row["KL Loss"] for row in rows(tmp_path)] == ["nan"] * 3


def test_tables_have_the_rows_of_the_evaluated_iterations(tmp_path):
    run(tmp_path, iterations=4, schedule={"eval_every": 2})
    assert [row["iteration"] for row in rows(tmp_path, "online_returns")] == ["0", "2", "3"]
    assert rows(tmp_path, "trials")[0] == {"iteration": "0", "return": "7"}


def test_a_checkpoint_names_the_tables_that_a_resumed_run_must_cut_back(tmp_path):
    _, checkpoint = run(tmp_path)
    tables = [state["tables"] for _, state in checkpoint.saved]
    assert tables[0] == [] and tables[1:] == [["online_returns", "trials"]] * 3


def test_iterations_between_evaluations_have_nan_in_its_columns_and_no_other(tmp_path):
    algorithm, _ = run(tmp_path, iterations=6, schedule={"eval_every": 2})
    evaluated = [float(row["Return"]) for row in rows(tmp_path)]
    assert evaluated[0::2] == [0, 2, 4] and evaluated[5] == 5  # every second, and the last
    assert all(math.isnan(evaluated[i]) for i in (1, 3))
    assert [i for verb, i in algorithm.calls if verb == "evaluate"] == [0, 2, 4, 5]
    assert all(
        math.isfinite(float(cell))
        for row in rows(tmp_path)
        for name, cell in row.items()
        if name not in ("Return", "Length", "KL Loss")
    )


def test_weights_are_kept_after_each_iteration_that_save_every_divides(tmp_path):
    class Learning(ToyAlgorithm):
        @property
        def networks(self):
            calls = torch.tensor([float(len(self.calls))])
            return {"policy": Constant(calls)}

    class Constant(torch.nn.Module):
        def __init__(self, value):
            super().__init__()
            self.register_buffer("value", value)

    run(tmp_path, Learning(), iterations=5, schedule={"save_every": 2})
    kept = {
        path.parent.name: torch.load(path, weights_only=True)["value"].item()
        for path in tmp_path.glob("snapshots/*/*.pth")
    }
    assert kept == {"0": 3, "2": 9, "4": 15}  # three calls an iteration


def test_without_save_every_no_snapshot_is_kept(tmp_path):
    run(tmp_path)
    assert not (tmp_path / "snapshots").exists()


def test_time_columns_add_up_and_go_on_from_the_clock_of_a_checkpoint(tmp_path):
    clock = {"eval": 7.0, "total": 100.0, "save": 0.0}
    run(tmp_path, start_iteration=1, resumed={"clock": clock})
    first, second = rows(tmp_path)
    assert float(first["(Previous) Eval Time (s)"]) == 7.0
    total, later = (float(row["Total Train Time (s)"]) for row in (first, second))
    assert 100.0 < total < later < 160.0
    parts = sum(
        float(second[name])
        for name in ("Train Time (s)", "(Previous) Eval Time (s)", "Sample Time (s)")
    )
    assert float(second["Epoch Time (s)"]) == pytest.approx(parts)


def test_a_loss_that_is_not_finite_stops_the_run_and_saves_nothing_of_its_iteration(tmp_path):
    checkpoint, display = MemoryCheckpoint(), RecordingDisplay()
    algorithm = ToyAlgorithm(bad_iteration=1)
    with pytest.raises(NonFiniteError, match="iteration 1: QF Loss is nan"):
        train(algorithm, Logger(tmp_path), checkpoint, Schedule(3), display=display)
    assert [i for i, _ in checkpoint.saved] == [-1, 0]
    assert len(rows(tmp_path)) == 1
    assert display.stopped


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["RF Loss", "Model Loss (mean)", "KL Loss", "Loss"])
def test_a_statistic_with_loss_in_its_name_stops_the_run_whatever_the_rest_of_it(name, value):
    with pytest.raises(NonFiniteError, match="iteration 4"):
        require_finite(4, {"QF Loss": 1.0, name: value})


def test_other_statistics_may_be_nan():
    require_finite(0, {"KL Divergence": math.nan, "Z mean train": math.nan, "QF Loss": 1.0})


def test_weights_that_are_not_finite_stop_the_run_whatever_the_losses_say(tmp_path):
    class Diverging(ToyAlgorithm):
        def __init__(self):
            super().__init__()
            self.networks = {"policy": torch.nn.Linear(1, 1)}

        def do_training(self, iteration, loop):
            self.networks["policy"].weight.data.fill_(math.inf if iteration == 1 else 0.0)
            return super().do_training(iteration, loop)

    checkpoint = MemoryCheckpoint()
    with pytest.raises(NonFiniteError, match="iteration 1: weights weight of policy"):
        train(Diverging(), Logger(tmp_path), checkpoint, Schedule(3), display=RecordingDisplay())
    assert [i for i, _ in checkpoint.saved] == [-1, 0]


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
    train(
        ToyAlgorithm(),
        Logger(tmp_path),
        checkpoint,
        Schedule(2),
        display=RecordingDisplay(),
        protect=protect,
    )
    assert len(checkpoint.saved) == 3
    assert inside.count(True) == inside.count(False) == 5
