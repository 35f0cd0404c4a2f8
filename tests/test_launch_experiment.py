"""The entry script: bad input, printed output, tiny runs and their files."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rlkit.data_management.path_files import load_paths
from rlkit.launchers.load_config import load_config
from rlkit.torch.sac.collection import visited_tasks
from tests.tiny_runs import ROOT, files_below, launch, process, rows, run, same_weights, weights

# What is answered without running anything


def test_help_is_given_without_importing_torch():
    code = f"""
import runpy, sys
sys.argv = ["launch_experiment.py", "--help"]
try:
    runpy.run_path({str(ROOT / "launch_experiment.py")!r}, run_name="__main__")
except SystemExit as end:
    sys.exit(end.code or ("torch" in sys.modules) or ("mujoco" in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    for option in (
        "--seed",
        "--gpu",
        "--cpu",
        "--set",
        "--resume",
        "--name",
        "--debug",
        "--print-config",
    ):
        assert option in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected CONFIG"),
        (["absent.json"], "absent.json: cannot be read (No such file or directory)"),
        (["."], ".: cannot be read (Is a directory)"),
        (["broken.json"], "broken.json: not valid JSON, line 1"),
        (["tiny.json", "--cpu", "--gpu", "0"], "exclude each other"),
        (["tiny.json", "--gpu", "-1"], "--gpu"),
        (["tiny.json", "--seed", "one"], "--seed"),
        (
            ["tiny.json", "--set", "util_params.rollout_device=gpu"],
            'rollout_device = "gpu": expected "auto" or "cpu"',
        ),
        (
            ["tiny.json", "--set", "algo_params.batch_sice=3"],
            "the nearest known key is algo_params.batch_size",
        ),
        (
            ["tiny.json", "--set", "algo_params.batch_size=many"],
            'algo_params.batch_size = "many": expected an integer',
        ),
        (
            ["tiny.json", "--set", "algo_params.batch_size=0"],
            "algo_params.batch_size = 0: expected an integer, at least 1",
        ),
        (["tiny.json", "--set", "batch_size"], "--set batch_size: expected key=value"),
        (
            ["tiny.json", "--set", "n_train_tasks=4"],
            "n_train_tasks = 4, n_eval_tasks = 2, env_params.n_tasks = 5",
        ),
        (["tiny.json", "--set", "env_name=point-rowbot"], "the nearest is point-robot"),
        (["tiny.json", "--set", "util_params.base_log_dir=tiny.json"], "tiny.json"),
        (["tiny.json", "--set", "path_to_weights=nowhere"], "nowhere"),
        (["tiny.json", "--set", "path_to_weights=weightless"], "weightless: missing weight files"),
        (["--resume", "nowhere"], "nowhere: there is no variant.json"),
        (["--resume", "weightless"], "variant.json: not valid JSON"),
    ],
)
def test_bad_input_gets_one_message_and_code_2_and_nothing_is_written(here, arguments, message):
    (here / "broken.json").write_text("{")
    (here / "weightless").mkdir()
    (here / "weightless" / "variant.json").write_text("{")
    before = files_below(here)
    result = launch(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert files_below(here) == before
    assert not (here / "output").exists()


def test_printing_the_configuration_runs_nothing_and_prints_one_that_loads(here):
    result = launch(
        "tiny.json", "--print-config", "--seed", 8, "--set", "algo_params.batch_size=16"
    )
    assert result.exit_code == 0
    printed = here / "printed.json"
    printed.write_text(result.stdout)
    config = load_config(printed)
    assert (config.seed, config.algo_params.batch_size, config.algo_params.discount) == (
        8,
        16,
        0.99,
    )
    assert "gradient steps: 9 (3 per iteration)" in result.stderr
    assert files_below(here) == {"tiny.json", "printed.json"}


# Runs


def test_a_run_leaves_its_folder_and_a_row_per_iteration(here):
    run_dir = run()
    names = {
        "variant.json",
        "progress.csv",
        "debug.log",
        "online_returns.csv",
        "tasks.npz",
        "checkpoint/manifest.json",
    }
    networks = {
        f"{name}.pth" for name in ("qf1", "qf2", "vf", "target_vf", "policy", "context_encoder")
    }
    assert names | networks <= files_below(run_dir)
    assert [row["Epoch"] for row in rows(run_dir)] == ["0", "1", "2"]
    variant = json.loads((run_dir / "variant.json").read_text())
    assert (variant["seed"], variant["exp_name"], variant["machine"]["device"]) == (
        3,
        "tiny",
        "cpu",
    )


def test_two_runs_of_one_seed_are_identical_and_another_seed_differs(here):
    first, second, other = run(), run(), run("--seed", 4)
    assert rows(first) == rows(second) != rows(other)
    assert same_weights(first, second)
    assert not same_weights(first, other)


def test_a_debug_run_is_short_and_replaces_the_one_before(here):
    for _ in range(2):
        assert launch("tiny.json", "--debug").exit_code == 0
    assert [path.name for path in Path("output/point-robot").iterdir()] == ["debug"]
    assert len(rows(Path("output/point-robot/debug"))) == 2


def test_what_the_command_line_sets_is_not_cut_in_a_debug_run(here):
    settings = ("algo_params.num_iterations=4", "algo_params.num_train_steps_per_itr=7")
    arguments = [word for text in settings for word in ("--set", text)]
    assert launch("tiny.json", "--debug", *arguments).exit_code == 0
    run_dir = Path("output/point-robot/debug")
    assert len(rows(run_dir)) == 4
    variant = json.loads((run_dir / "variant.json").read_text())
    assert variant["algo_params"]["num_train_steps_per_itr"] == 7
    assert variant["algo_params"]["num_initial_steps"] == 5, "of the JSON, and cut"
    again = launch(run_dir / "variant.json", "--print-config")
    assert json.loads(again.stdout)["algo_params"]["num_iterations"] == 4
    printed = launch("tiny.json", "--debug", *arguments, "--print-config")
    assert json.loads(printed.stdout)["algo_params"]["num_iterations"] == 4


def test_a_second_debug_run_of_a_task_ends_with_a_message(here):
    first = process("tiny.json", "--debug", "--set", "algo_params.num_iterations=100000")
    with first:
        assert first.stdout is not None
        while "run folder" not in first.stdout.readline():
            assert first.poll() is None
        second = launch("tiny.json", "--debug")
        assert second.exit_code == 2
        assert "another process is running in this folder" in second.stderr
        assert first.poll() is None
        first.terminate()
        first.communicate(timeout=60)
    assert [path.name for path in Path("output/point-robot").iterdir()] == ["debug"]
    assert launch("tiny.json", "--debug").exit_code == 0


WISH = ("--set", "util_params.use_gpu=true")


@pytest.mark.parametrize("arguments", [("--gpu", "0"), WISH])
def test_a_gpu_that_the_command_line_asks_for_must_be_there(here, monkeypatch, arguments):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    result = launch("tiny.json", *arguments)
    assert (result.exit_code, Path("output").exists()) == (2, False)
    assert "no GPU can be used here" in result.stderr
    run_dir = run("--set", "algo_params.num_iterations=1")
    longer = ("--set", "algo_params.num_iterations=2")
    resumed = launch("--resume", run_dir, *arguments, *longer)
    assert resumed.exit_code == 2
    assert "no GPU can be used here" in resumed.stderr
    assert launch("--resume", run_dir, "--cpu", *longer).exit_code == 0


def test_a_gpu_that_a_json_wishes_for_may_be_absent_which_is_said_in_one_line(here, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    tiny = json.loads(Path("tiny.json").read_text())
    tiny["util_params"]["use_gpu"] = True
    Path("tiny.json").write_text(json.dumps(tiny))
    result = launch("tiny.json", "--set", "algo_params.num_iterations=1")
    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if "GPU" in line] == [
        "util_params.use_gpu is true, but no GPU can be used here: running on the CPU"
    ]


def test_weights_of_another_run_are_taken_by_name(here):
    given = run()
    rates = [f"algo_params.{name}_lr=0" for name in ("policy", "qf", "vf", "context")]
    settings = [argument for rate in rates for argument in ("--set", rate)]
    frozen = run("--seed", 9, "--set", f"path_to_weights={given}", *settings)
    before, after = weights(given), weights(frozen)
    assert all(
        torch.equal(before[name], after[name])
        for name in before
        if not name.startswith("target_vf")
    )


def test_weights_of_another_environment_are_refused_with_their_shapes(here):
    given = run("--set", "algo_params.num_iterations=1")
    before = files_below(here)
    result = launch("tiny.json", "--set", f"path_to_weights={given}", "--set", "net_size=9")
    assert result.exit_code == 2
    assert "fc0.weight is [8, 6], expected [9, 6]" in result.stderr
    assert files_below(here) == before


def test_evaluation_trajectories_are_written_when_asked_for(here):
    run_dir = run(
        "--set", "algo_params.dump_eval_paths=true", "--set", "algo_params.num_iterations=1"
    )
    names = {path.name for path in (run_dir / "eval_trajectories").iterdir()}
    test_tasks = {"task3-epoch0-run0.npz", "task4-epoch0-run0.npz"}
    assert names >= {"prior-epoch0.npz"} | test_tasks
    train_tasks = names - {"prior-epoch0.npz"} - test_tasks
    assert len(train_tasks) == 2  # as many as there are test tasks
    assert train_tasks < {f"task{task_id}-epoch0-run0.npz" for task_id in range(3)}
    for name in names:
        paths = load_paths(run_dir / "eval_trajectories" / name)
        assert paths.zs.shape == (paths.num_paths, 2)
        assert len(np.unique(paths.zs, axis=0)) == paths.num_paths  # a new z per trajectory
        if name != "prior-epoch0.npz":
            assert f"task{paths.task_ids[0]}-epoch0-run0.npz" == name
        else:
            (task_id,) = set(paths.task_ids)
            assert task_id == visited_tasks(3, 0, range(3), 2)[-1] and paths.num_steps >= 20 * 5


def test_windows_is_refused_in_one_line(here, monkeypatch):
    monkeypatch.setattr("rlkit.launchers.train.find_spec", lambda name: None)
    result = launch("tiny.json")
    assert result.exit_code == 2
    assert "Error: Windows is not supported" in result.output.splitlines()[-1]
    assert not Path("output").exists()
