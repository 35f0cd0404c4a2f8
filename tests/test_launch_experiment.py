"""The entry script: bad input, printing, tiny runs, resuming, signals, exhausted disks."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from launch_experiment import main
from rlkit.launchers.launcher_util import lock_run_folder
from rlkit.launchers.load_config import load_config

ROOT = Path(__file__).parents[1]
TIMES = {
    "Train Time (s)",
    "(Previous) Eval Time (s)",
    "Sample Time (s)",
    "Epoch Time (s)",
    "Total Train Time (s)",
    "(Previous) Save Time (s)",
}
TINY = {
    "env_name": "point-robot",
    "n_train_tasks": 3,
    "n_eval_tasks": 2,
    "latent_size": 2,
    "net_size": 8,
    "env_params": {"n_tasks": 5},
    "algo_params": {
        "meta_batch": 2,
        "num_iterations": 3,
        "num_initial_steps": 10,
        "num_tasks_sample": 2,
        "num_steps_prior": 5,
        "num_extra_rl_steps_posterior": 10,
        "num_train_steps_per_itr": 3,
        "num_evals": 1,
        "num_steps_per_eval": 10,
        "batch_size": 8,
        "embedding_batch_size": 8,
        "embedding_mini_batch_size": 8,
        "max_path_length": 5,
    },
    "util_params": {"use_gpu": False, "torch_threads": 1, "physics_threads": 1, "matmul": "default", "slice_rows": 0},
    "seed": 3,
}


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty working folder with tiny.json in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.json").write_text(json.dumps(TINY))
    return tmp_path


def launch(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def run(*arguments: object) -> Path:
    before = set(Path("output").glob("*/*"))
    result = launch("tiny.json", *arguments)
    assert result.exit_code == 0, result.output
    (run_dir,) = set(Path("output").glob("*/*")) - before
    return run_dir


def process(*arguments: object, **options) -> subprocess.Popen:
    command = [sys.executable, str(ROOT / "launch_experiment.py"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def rows(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "progress.csv").open(newline="") as file:
        return [{name: cell for name, cell in row.items() if name not in TIMES} for row in csv.DictReader(file)]


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return {
        f"{path.stem}.{name}": value
        for path in sorted(run_dir.glob("*.pth"))
        for name, value in torch.load(path, weights_only=True).items()
    }


def same_weights(one: Path, two: Path) -> bool:
    first, second = weights(one), weights(two)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for option in ("--seed", "--gpu", "--cpu", "--set", "--resume", "--debug", "--print-config"):
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
        (["tiny.json", "--set", "algo_params.batch_sice=3"], "the nearest known key is algo_params.batch_size"),
        (["tiny.json", "--set", "algo_params.batch_size=many"], 'algo_params.batch_size = "many": expected an integer'),
        (["tiny.json", "--set", "algo_params.batch_size=0"], "algo_params.batch_size = 0: expected an integer, at least 1"),
        (["tiny.json", "--set", "batch_size"], "--set batch_size: expected key=value"),
        (["tiny.json", "--set", "n_train_tasks=4"], "n_train_tasks = 4, n_eval_tasks = 2, env_params.n_tasks = 5"),
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
    result = launch("tiny.json", "--print-config", "--seed", 8, "--set", "algo_params.batch_size=16")
    assert result.exit_code == 0
    printed = here / "printed.json"
    printed.write_text(result.stdout)
    config = load_config(printed)
    assert (config.seed, config.algo_params.batch_size, config.algo_params.discount) == (8, 16, 0.99)
    assert "gradient steps: 9 (3 per iteration)" in result.stderr
    assert files_below(here) == {"tiny.json", "printed.json"}


# Runs


def test_a_run_leaves_its_folder_and_a_row_per_iteration(here):
    run_dir = run()
    names = {"variant.json", "progress.csv", "debug.log", "online_returns.csv", "tasks.npz", "checkpoint/manifest.json"}
    networks = {f"{name}.pth" for name in ("qf1", "qf2", "vf", "target_vf", "policy", "context_encoder")}
    assert names | networks <= files_below(run_dir)
    assert [row["Epoch"] for row in rows(run_dir)] == ["0", "1", "2"]
    variant = json.loads((run_dir / "variant.json").read_text())
    assert (variant["seed"], variant["exp_name"], variant["machine"]["device"]) == (3, "tiny", "cpu")


def test_two_runs_of_one_seed_are_identical_and_another_seed_differs(here):
    first, second, other = run(), run(), run("--seed", 4)
    assert rows(first) == rows(second) != rows(other)
    assert same_weights(first, second)
    assert not same_weights(first, other)


def test_a_resumed_run_ends_as_an_uninterrupted_one(here):
    whole = run()
    parted = run("--set", "algo_params.num_iterations=1")
    assert len(rows(parted)) == 1
    result = launch("--resume", parted, "--set", "algo_params.num_iterations=3")
    assert result.exit_code == 0, result.output
    assert rows(parted) == rows(whole)
    assert (parted / "online_returns.csv").read_text() == (whole / "online_returns.csv").read_text()
    assert same_weights(parted, whole)
    assert json.loads((parted / "variant.json").read_text())["algo_params"]["num_iterations"] == 3


def test_a_complete_run_says_so_and_fewer_iterations_are_refused(here):
    run_dir = run()
    again = launch("--resume", run_dir)
    assert again.exit_code == 0
    assert "complete, 3 iterations" in again.stdout
    fewer = launch("--resume", run_dir, "--set", "algo_params.num_iterations=2")
    assert fewer.exit_code == 2
    assert "expected at least the 3 iterations" in fewer.stderr
    assert len(rows(run_dir)) == 3


def test_a_run_that_another_process_is_in_is_left_alone(here):
    run_dir = run("--set", "algo_params.num_iterations=1")
    with lock_run_folder(run_dir):
        result = launch("--resume", run_dir, "--set", "algo_params.num_iterations=2")
    assert result.exit_code == 2
    assert "another process is running in this folder" in result.stderr


def test_a_damaged_checkpoint_is_said_and_the_one_before_is_used(here):
    whole, parted = run(), run("--set", "algo_params.num_iterations=2")
    newest = max((parted / "checkpoint").glob("state-*"), key=lambda path: path.name)
    newest.write_bytes(newest.read_bytes()[:-100])
    result = launch("--resume", parted, "--set", "algo_params.num_iterations=3")
    assert result.exit_code == 0, result.output
    assert newest.name in result.stdout
    assert "using the previous checkpoint, of iteration 0" in result.stdout
    assert rows(parted) == rows(whole)
    assert same_weights(parted, whole)


def test_a_run_stopped_before_its_first_checkpoint_begins_anew(here):
    whole, parted = run(), run()
    for path in [*(parted / "checkpoint").iterdir(), parted / "progress.csv", parted / "online_returns.csv"]:
        path.unlink()
    assert launch("--resume", parted).exit_code == 0
    assert rows(parted) == rows(whole)


def test_rows_without_a_checkpoint_are_not_thrown_away(here):
    run_dir = run()
    for path in (run_dir / "checkpoint").iterdir():
        path.unlink()
    result = launch("--resume", run_dir)
    assert result.exit_code == 2
    assert "there is no checkpoint" in result.stderr
    assert len(rows(run_dir)) == 3


def test_a_debug_run_is_short_and_replaces_the_one_before(here):
    for _ in range(2):
        assert launch("tiny.json", "--debug").exit_code == 0
    assert [path.name for path in Path("output/point-robot").iterdir()] == ["debug"]
    assert len(rows(Path("output/point-robot/debug"))) == 2


def test_a_gpu_that_is_not_there_is_said_in_one_line_and_the_cpu_is_used(here, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    result = launch("tiny.json", "--gpu", "0", "--set", "algo_params.num_iterations=1")
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
    assert all(torch.equal(before[name], after[name]) for name in before if not name.startswith("target_vf"))


def test_weights_of_another_environment_are_refused_with_their_shapes(here):
    given = run("--set", "algo_params.num_iterations=1")
    before = files_below(here)
    result = launch("tiny.json", "--set", f"path_to_weights={given}", "--set", "net_size=9")
    assert result.exit_code == 2
    assert "fc0.weight is [8, 6], expected [9, 6]" in result.stderr
    assert files_below(here) == before


def test_a_loss_that_is_not_finite_ends_the_run_with_code_3_and_keeps_the_checkpoint(here):
    result = launch("tiny.json", "--set", "algo_params.qf_lr=1e30")
    assert result.exit_code == 3
    assert "iteration 0: " in result.stderr
    assert "Loss" in result.stderr
    (run_dir,) = Path("output").glob("*/*")
    assert f"--resume {run_dir}" in result.stderr
    assert (run_dir / "checkpoint" / "manifest.json").exists()


@pytest.mark.parametrize("rate", ["policy_lr", "vf_lr", "context_lr"])
def test_weights_that_are_not_finite_after_the_last_step_end_the_run_with_code_3(here, rate):
    result = launch("tiny.json", "--set", f"algo_params.{rate}=1e300", "--set", "algo_params.num_train_steps_per_itr=1")
    assert result.exit_code == 3
    assert "iteration 0: weights" in result.stderr
    (run_dir,) = Path("output").glob("*/*")
    assert not (run_dir / "progress.csv").exists()


def test_an_exhausted_disk_ends_the_run_with_code_4_and_the_old_checkpoint_serves(here):
    whole, parted = run(), run("--set", "algo_params.num_iterations=1")

    def limit_file_size() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    full = process("--resume", parted, "--set", "algo_params.num_iterations=3", preexec_fn=limit_file_size)
    _, stderr = full.communicate(timeout=120)
    assert (full.returncode, "Traceback" in stderr) == (4, False), stderr
    assert launch("--resume", parted, "--set", "algo_params.num_iterations=3").exit_code == 0
    assert rows(parted) == rows(whole)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_a_run_that_then_goes_on_as_if_nothing_had_happened(here, signum, code):
    running = process("tiny.json", "--set", "algo_params.num_iterations=100000")
    deadline = time.monotonic() + 100
    while not (lines := list(Path("output").glob("*/*/progress.csv"))) or len(lines[0].read_text().splitlines()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(signum)
    _, stderr = running.communicate(timeout=60)
    run_dir = lines[0].parent
    assert running.returncode == code, stderr
    assert stderr.splitlines() == [
        f"stopped by {signum.name}",
        f"to go on: python launch_experiment.py --resume {run_dir}",
    ]
    length = len(rows(run_dir)) + 2
    assert launch("--resume", run_dir, "--set", f"algo_params.num_iterations={length}").exit_code == 0
    assert rows(run_dir) == rows(run("--set", f"algo_params.num_iterations={length}"))


def test_evaluation_trajectories_are_written_when_asked_for(here):
    run_dir = run("--set", "algo_params.dump_eval_paths=true", "--set", "algo_params.num_iterations=1")
    names = {path.name for path in (run_dir / "eval_trajectories").iterdir()}
    assert names == {"prior-epoch0.npz", "task3-epoch0-run0.npz", "task4-epoch0-run0.npz"}
