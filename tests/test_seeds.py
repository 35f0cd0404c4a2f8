"""`--seeds`: many runs in one process, in sequence and in threads, each equal to a run alone."""

import json
import math
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rlkit.launchers.pearl import PEARL
from rlkit.launchers.seeds import launch_seeds
from rlkit.launchers.sweep_plan import plan
from rlkit.torch.sac.meta_rl_algorithm import MetaRLAlgorithm
from rlkit.torch.sac.sac import PEARLSoftActorCritic
from tests.tiny_runs import ROOT, TINY, files_below, launch, process, rows, same_weights

SEEDS = (1, 2, 3, 4, 5)
FOLDER = Path("output/cheetah-vel")
THREADS = pytest.mark.parametrize("in_threads", [False, True], ids=["in turn", "in threads"])
IN_A_PROCESS = """
from pathlib import Path
from rlkit.launchers.pearl import PEARL
from rlkit.launchers.seeds import launch_seeds
launch_seeds(Path("tiny.json"), [], "{seeds}", name="many", start_or_resume=True, in_threads=True)
"""


ALGO = TINY["algo_params"] | {"num_iterations": 2, "num_train_steps_per_itr": 8}
CHEETAH = {**TINY, "env_name": "cheetah-vel", "algo_params": ALGO}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder of a small cheetah-vel run alone, for each seed."""
    place = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        Path("tiny.json").write_text(json.dumps(CHEETAH))
        for seed in SEEDS:
            result = launch("tiny.json", "--seed", seed, "--name", seed)
            assert result.exit_code == 0, result.output
    return {seed: place / FOLDER / str(seed) for seed in SEEDS}


@pytest.fixture
def cheetah(here):
    """A working folder with a small cheetah-vel as tiny.json."""
    Path("tiny.json").write_text(json.dumps(CHEETAH))
    return here


def lengthen(**changes):
    data = json.loads(Path("tiny.json").read_text())
    data["algo_params"] |= changes
    Path("tiny.json").write_text(json.dumps(data))


def many(seeds, in_threads, *settings, name="many"):
    """The exit code of runs with these seeds."""
    try:
        launch_seeds(Path("tiny.json"), settings, seeds, name=name, in_threads=in_threads)
    except SystemExit as error:
        return error.code
    return 0


def folders(name="many", seeds=SEEDS, place=FOLDER):
    return [place / f"{name}-seed={seed}" for seed in seeds]


def variant(run_dir):
    record = json.loads((run_dir / "variant.json").read_text())
    return {key: value for key, value in record.items() if key != "log_dir_id"}


def check_equal(run_dir, alone):
    assert rows(run_dir) == rows(alone)
    assert same_weights(run_dir, alone)
    assert variant(run_dir) == variant(alone)
    kept = [name for name in files_below(alone) if not name.startswith("checkpoint")]
    assert {*kept} <= files_below(run_dir)


def check_equal_to_solo_runs(run_dirs, seeds):
    for run_dir, seed in zip(run_dirs, seeds, strict=True):
        result = launch("tiny.json", "--seed", seed, "--name", f"alone-{seed}")
        assert result.exit_code == 0, result.output
        check_equal(run_dir, run_dir.with_name(f"alone-{seed}"))


@pytest.fixture
def together(monkeypatch):
    """Make each gradient step of five runs wait until all five are about to take it."""
    barrier, threads, take = threading.Barrier(len(SEEDS)), set(), PEARLSoftActorCritic.take

    def taking(trainer, num_steps):
        barrier.wait(60)
        threads.add(threading.current_thread().name)
        take(trainer, num_steps)

    with monkeypatch.context() as patch:
        patch.setattr(PEARLSoftActorCritic, "take", taking)
        yield threads, patch


def test_five_seeds_one_after_the_other_equal_their_solo_runs(cheetah, alone):
    result = launch("tiny.json", "--seeds", "1-5", "--name", "many")
    assert result.exit_code == 0, result.output
    assert "seed 1 | " not in result.output  # the display of a run alone
    for run_dir, seed in zip(folders(), SEEDS, strict=True):
        check_equal(run_dir, alone[seed])


def test_five_seeds_that_train_at_the_same_time_equal_their_solo_runs(
    cheetah, alone, together, capsys
):
    threads, patch = together
    assert many("1-5", True) == 0
    assert len(threads) == 5  # each step was taken by all five side by side
    output = capsys.readouterr().out
    for seed in SEEDS:
        assert f"seed {seed} | iteration 1 | env steps" in output
    patch.undo()
    for run_dir, seed in zip(folders(), SEEDS, strict=True):
        check_equal(run_dir, alone[seed])


def test_five_seeds_in_threads_that_are_killed_and_resumed_equal_their_solo_runs(cheetah, alone):
    running = subprocess.Popen(
        [sys.executable, "-c", IN_A_PROCESS.format(seeds="1-5")],
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    )
    while running.poll() is None and not all((f / "progress.csv").exists() for f in folders()):
        time.sleep(0.01)
    running.kill()
    running.wait()
    assert any(len(rows(run_dir)) < 2 for run_dir in folders())
    for run_dir in folders():
        assert launch("--resume", run_dir).exit_code == 0
    for run_dir, seed in zip(folders(), SEEDS, strict=True):
        check_equal(run_dir, alone[seed])


@pytest.mark.parametrize(
    ("in_threads", "error"), [(False, "loss"), (True, "loss"), (True, "fault")]
)
def test_a_seed_that_fails_leaves_the_others_and_is_named(
    here, monkeypatch, capsys, in_threads, error
):
    lengthen(num_iterations=2)
    do_training = MetaRLAlgorithm.do_training

    def failing(algorithm, iteration, loop):
        if algorithm.evaluation.seed == 2 and iteration == 1:
            if error == "fault":
                raise ValueError("a fault of the program")
            return {"QF Loss": math.nan}
        return do_training(algorithm, iteration, loop)

    with monkeypatch.context() as patch:
        patch.setattr(MetaRLAlgorithm, "do_training", failing)
        assert many("1-5", in_threads) == 1
    place = Path("output/point-robot")
    lengths = [len(rows(run_dir)) for run_dir in folders(place=place)]
    assert lengths == [2, 1, 2, 2, 2]
    *_, named, last = capsys.readouterr().err.splitlines()
    said = "QF Loss is nan" if error == "loss" else "ValueError: a fault of the program"
    assert named.startswith("seed 2: ") and said in named
    assert last == "1 of 5 runs are not complete"
    assert launch("--resume", place / "many-seed=2").exit_code == 0


def test_a_signal_stops_every_thread_between_two_writes_with_a_line_each(here):
    place, seeds = Path("output/point-robot"), (1, 2, 3)
    lengthen(num_iterations=100000)
    running = subprocess.Popen(
        [sys.executable, "-c", IN_A_PROCESS.format(seeds="1-3")],
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    run_dirs = folders(seeds=seeds, place=place)
    while running.poll() is None and not all((f / "progress.csv").exists() for f in run_dirs):
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    stderr = running.communicate(timeout=60)[1]
    assert running.returncode == 130 and "Traceback" not in stderr, stderr
    for seed, run_dir in zip(seeds, run_dirs, strict=True):
        assert f"to resume: python launch_experiment.py --resume {run_dir}\n" in stderr
        assert f"seed {seed}: stopped by SIGINT (exit code 130)\n" in stderr
        done = len(rows(run_dir)) + 1
        more = ("--set", f"algo_params.num_iterations={done}")
        assert launch("--resume", run_dir, *more).exit_code == 0
        assert len(rows(run_dir)) == done


def test_a_signal_stops_the_run_of_a_seed_and_begins_no_further(here):
    lengthen(num_iterations=100000)
    running = process("tiny.json", "--seeds", "4,7,9", "--name", "many", cwd=here)
    begun = Path("output/point-robot/many-seed=4")
    while running.poll() is None and not (begun / "progress.csv").exists():
        time.sleep(0.01)
    running.send_signal(signal.SIGTERM)
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == 143
    assert f"--resume {begun}\n" in stderr and "not started: seed 7, 9\n" in stderr
    assert sorted(begun.parent.iterdir()) == [begun]


@THREADS
def test_the_same_command_goes_on_with_what_has_begun_and_begins_the_rest(here, in_threads, capsys):
    place, seeds = Path("output/point-robot"), (1, 2)
    assert many("1", in_threads, "algo_params.num_iterations=1") == 0
    arguments = (Path("tiny.json"), [], "1-2")
    launch_seeds(*arguments, name="many", start_or_resume=True, in_threads=in_threads)
    output = capsys.readouterr().out
    assert output.count("resumes at iteration 1") == 1
    check_equal_to_solo_runs(folders(seeds=seeds, place=place), seeds)


def test_the_runs_have_the_names_that_a_sweep_gives_them(here):
    assert launch("tiny.json", "--seeds", "1,3", "--name", "many").exit_code == 0
    planned = plan([Path("tiny.json")], [], [1, 3], prefix="many")
    assert [run.folder for run in planned if run.is_complete] == folders(
        seeds=(1, 3), place=Path("output/point-robot")
    )


def test_without_a_name_each_seed_has_a_folder_of_its_own(here, capsys):
    assert many("1-3", True, "algo_params.num_iterations=1", name=None) == 0
    found = {variant(path)["seed"] for path in Path("output/point-robot").iterdir()}
    assert found == {1, 2, 3}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "1"], "--seeds and --seed exclude each other"),
        (["--resume", "x"], "--seeds and --resume exclude each other"),
        (["--print-config"], "--seeds and --print-config exclude each other"),
        (["--set", "seed=3"], "--seeds and --set seed=... exclude each other"),
        (["--debug"], "--seeds with --debug needs --name"),
        (["--set", 'util_params.trackers=["wandb"]'], "wandb"),
        (["--name", "taken"], "taken-seed=2 already exists"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ",
)
def test_what_cannot_be_is_refused_before_anything_is_written(here, arguments, message):
    taken = Path("output/point-robot/taken-seed=2")
    taken.mkdir(parents=True)
    (taken / "notes.txt").write_text("mine")
    before = files_below(here)
    result = launch("tiny.json", "--seeds", "1-3", *arguments)
    assert result.exit_code == 2 and message in result.stderr
    assert files_below(here) == before


def test_seeds_that_are_none_are_refused_as_those_of_a_sweep(here):
    result = launch("tiny.json", "--seeds", "5-1")
    assert result.exit_code == 2
    assert "--seeds 5-1: expected numbers and ranges" in result.stderr


def test_seeds_in_threads_that_evaluate_beside_their_training_equal_their_solo_runs(
    here, monkeypatch
):
    """As on a GPU: each run has two threads."""
    seeds = (1, 2)
    with monkeypatch.context() as patch:
        patch.setattr(PEARL, "beside_on", ("cpu",))
        assert many("1-2", True) == 0
    check_equal_to_solo_runs(folders(seeds=seeds, place=Path("output/point-robot")), seeds)
