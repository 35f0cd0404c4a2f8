"""Evaluation and checkpoint during the next iteration give the same numbers as in sequence."""

import ast
import copy
import csv
import json
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from rlkit.core import outer_loop, saving
from rlkit.core.logger import Logger
from rlkit.core.outer_loop import OuterLoop
from rlkit.core.saving import CheckpointWriter
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.pearl import PEARL
from rlkit.torch.sac.evaluation import PEARLEvaluation
from rlkit.torch.sac.meta_rl_algorithm import MetaRLAlgorithm
from tests.tiny_runs import ROOT, TINY, launch, rows, same_weights

KINDS = {
    "pearl": {},
    "cheetah": {"env_name": "cheetah-vel"},
    "gru": {"algo_params": {"encoder": "gru", "embedding_batch_size": 10}},
    "first release": {"algo_params": {"eval_protocol": "oyster2019"}},
    "seldom": {"algo_params": {"eval_every": 2}, "util_params": {"checkpoint_every": 2}},
    "kept": {"util_params": {"save_every": 2}},
}


def data_of(changes):
    """Five iterations, one lane a task, several trajectories in a meta-test."""
    algo_params = {**TINY["algo_params"], "num_iterations": 5, "num_steps_per_eval": 20}
    algo_params |= changes.get("algo_params", {})
    if "encoder" in algo_params:
        del algo_params["embedding_mini_batch_size"]
    util_params = {**TINY["util_params"], "num_envs": 2, **changes.get("util_params", {})}
    return {**TINY, **changes, "algo_params": algo_params, "util_params": util_params}


def configure(changes):
    Path("tiny.json").write_text(json.dumps(data_of(changes)))


def run(name):
    result = launch("tiny.json", "--name", name)
    assert result.exit_code == 0, result.output
    (folder,) = Path("output").glob(f"*/{name}")
    return folder


@pytest.fixture
def on_the_cpu(monkeypatch):
    """Let runs on the CPU evaluate during the next iteration, as on a GPU."""
    monkeypatch.setattr(PEARL, "beside_on", ("cpu",))


def table(run_dir):
    with (run_dir / "online_returns.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def check_equal(one, two, iterations=5):
    assert rows(one) == rows(two) and len(rows(two)) == iterations
    assert table(one) == table(two)
    assert same_weights(one, two)


@pytest.mark.parametrize("kind", KINDS)
def test_every_column_over_five_iterations_is_as_in_line(here, monkeypatch, kind):
    """Each evaluation begins after the training of the next iteration."""
    configure(KINDS[kind])
    in_line = run("in-line")
    learned, threads = [threading.Event() for _ in range(5)], set()
    do_training, finish = MetaRLAlgorithm.do_training, PEARLEvaluation.finish

    def learning(algorithm, iteration, loop):
        trained = do_training(algorithm, iteration, loop)
        learned[iteration].set()
        return trained

    def late(evaluation, iteration, *arguments):
        assert learned[min(iteration + 1, 4)].wait(60)
        threads.add(threading.current_thread().name)
        return finish(evaluation, iteration, *arguments)

    monkeypatch.setattr(PEARL, "beside_on", ("cpu",))
    monkeypatch.setattr(MetaRLAlgorithm, "do_training", learning)
    monkeypatch.setattr(PEARLEvaluation, "finish", late)
    beside = run("beside")
    assert threads == {"beside_0"}
    check_equal(beside, in_line)
    for path in (in_line / "snapshots").glob("*"):
        assert same_weights(path, beside / "snapshots" / path.name)


def test_an_iteration_is_trained_while_the_one_before_is_evaluated(here, monkeypatch, on_the_cpu):
    configure({})
    training, finish = threading.Event(), PEARLEvaluation.finish
    together, do_training = [], MetaRLAlgorithm.do_training

    def finishing(evaluation, iteration, *arguments):
        if iteration < 4:
            together.append(training.wait(60))
        return finish(evaluation, iteration, *arguments)

    def learning(algorithm, iteration, loop):
        if iteration > 0:
            training.set()
        trained = do_training(algorithm, iteration, loop)
        training.clear()
        return trained

    monkeypatch.setattr(PEARLEvaluation, "finish", finishing)
    monkeypatch.setattr(MetaRLAlgorithm, "do_training", learning)
    run("beside")
    assert together == [True] * 4


def written(monkeypatch, minutes, beside_on):
    """Run, and list what was written: rows, tables, weights, checkpoints with their rows."""
    events = []

    def noting(owner, name, kind, detail=lambda *arguments: None):
        function = getattr(owner, name)

        def noted(*arguments, **options):
            events.append((kind, detail(*arguments)))
            return function(*arguments, **options)

        patch.setattr(owner, name, noted)

    def of_checkpoint(writer, iteration, state, buffers):
        return iteration, state["contents"]["progress"].count("\n"), state["unfinished"] is None

    util_params = {"checkpoint_minutes": minutes}
    configure({"algo_params": {"num_iterations": 3}, "util_params": util_params})
    with monkeypatch.context() as patch:
        patch.setattr(PEARL, "beside_on", beside_on)
        noting(Logger, "record_row", "row", lambda logger, row: row["Epoch"])
        noting(Logger, "record_table", "table")
        noting(CheckpointWriter, "save", "checkpoint", of_checkpoint)
        noting(outer_loop, "save_weights", "weights")
        run(f"run-{minutes}-{len(beside_on)}")
    return events


@pytest.mark.parametrize("minutes", [10.0, 1e-9])
def test_the_order_on_the_disk_is_that_in_line(here, monkeypatch, minutes):
    """A checkpoint that is due inside an iteration waits for that of the iteration before."""
    beside = written(monkeypatch, minutes, ("cpu",))
    assert beside == written(monkeypatch, minutes, ())
    saved = [detail for kind, detail in beside if kind == "checkpoint"]
    # A header and a row for each iteration that is finished.
    assert all(lines == (iteration + 2 if iteration >= 0 else 0) for iteration, lines, _ in saved)
    assert any(iteration > 0 and not whole for iteration, _, whole in saved) == (minutes < 1)


class Killed(BaseException):
    """Ends a process at once; nothing more is written."""


MOMENTS = (
    ("tick", 3),  # in the first collection
    ("evaluation tick", 2),
    ("row", 1),
    ("table", 1),  # its row is on the disk
    ("checkpoint", 1),
    ("manifest", 2),  # of a checkpoint whose files are there
    ("weights", 1),
    ("tick", 9),
    ("evaluation tick", 3),
    ("row", 2),
)


@pytest.mark.parametrize("minutes", [10.0, 1e-9])
def test_ten_kills_change_nothing(here, monkeypatch, minutes):
    util_params = {"checkpoint_minutes": minutes}
    configure({"algo_params": {"num_iterations": 4}, "util_params": util_params})
    in_line = run("in-line")
    monkeypatch.setattr(PEARL, "beside_on", ("cpu",))
    dead, counts, struck = threading.Event(), Counter(), []

    def mortal(patch, owner, name, kind):
        function = getattr(owner, name)

        def until_killed(*arguments, **options):
            beside = threading.current_thread().name.startswith("beside")
            what = f"evaluation {kind}" if kind == "tick" and beside else kind
            counts[what] += 1
            if (what, counts[what]) == MOMENTS[len(struck)]:
                dead.set()
            if dead.is_set():
                raise Killed
            return function(*arguments, **options)

        patch.setattr(owner, name, until_killed)

    arguments = ["tiny.json", "--name", "killed"]
    for moment in MOMENTS:
        with ExitStack() as stack:
            patch = stack.enter_context(monkeypatch.context())
            mortal(patch, OuterLoop, "tick", "tick")
            mortal(patch, Logger, "record_row", "row")
            mortal(patch, Logger, "record_table", "table")
            mortal(patch, CheckpointWriter, "save", "checkpoint")
            mortal(patch, saving, "replace_file", "manifest")
            mortal(patch, outer_loop, "save_weights", "weights")
            dead.clear()
            counts.clear()
            with pytest.raises(Killed):
                launch(*arguments)
        struck.append(moment)
        (killed,) = Path("output").glob("*/killed")
        arguments = ["--resume", killed]
    result = launch("--resume", killed)
    assert result.exit_code == 0, result.output
    check_equal(killed, in_line, iterations=4)


@pytest.mark.parametrize(
    "changes",
    [
        {"env_name": "tests.launchers.test_new_runs:Walk"},
        {"obs_mode": "image", "image_size": 16},
        {"algo_params": {"dump_eval_paths": True}},
    ],
    ids=str,
)
def test_what_a_thread_would_do_otherwise_is_evaluated_in_line(on_the_cpu, changes):
    config = parse_config(copy.deepcopy(data_of(changes)), "here")
    experiment = PEARL().build(config, "cpu", 0)
    assert experiment.algorithm.beside is None
    experiment.close()


def test_on_a_cpu_evaluation_is_in_line_and_forced_beside_it_has_an_environment_of_its_own(
    monkeypatch,
):
    config = parse_config(data_of({}), "here")
    assert PEARL().build(config, "cpu", 0).algorithm.beside is None
    monkeypatch.setattr(PEARL, "beside_on", ("cpu",))
    experiment = PEARL().build(config, "cpu", 0)
    own = experiment.algorithm.beside.env
    assert own is not experiment.env and (own.tasks == experiment.env.tasks).all()
    closed = []
    for env in (own, experiment.env):
        monkeypatch.setattr(env, "close", lambda env=env: closed.append(env))
    experiment.close()
    assert closed == [own, experiment.env]


NEEDED_ON_A_GPU = {
    "rlkit.core.beside",
    "rlkit.torch.sac.beside",
    "rlkit.launchers.pearl_beside",
    "rlkit.launchers.seeds",
    "rlkit.launchers.seed_threads",
}


def test_what_a_run_on_a_cpu_does_not_need_is_imported_where_it_is_used_only():
    for path in (ROOT / "rlkit").rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        imports = [node for node in ast.parse(path.read_text()).body if hasattr(node, "names")]
        found = {getattr(node, "module", None) for node in imports} & NEEDED_ON_A_GPU
        assert name in NEEDED_ON_A_GPU or not found, f"{name} imports {found} when it is imported"
