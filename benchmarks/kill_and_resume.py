"""Kill a run with SIGKILL at random moments, resume it, and compare it with an uninterrupted run.

    python -m benchmarks.kill_and_resume [--case pearl] [--kills 10] [--seed 0]

Prints where each kill struck. Exits 1 unless weights, tables and logs are equal bit for bit, apart
from times.
"""

import csv
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from scipy.io import loadmat

ROOT = Path(__file__).resolve().parents[1]
TINY = {
    "env_name": "point-robot",
    "n_train_tasks": 6,
    "n_eval_tasks": 3,
    "net_size": 32,
    "env_params": {"n_tasks": 9},
    "algo_params": {
        "meta_batch": 4,
        "num_iterations": 30,
        "num_initial_steps": 100,
        "num_tasks_sample": 3,
        "num_steps_prior": 40,
        "num_extra_rl_steps_posterior": 40,
        "num_train_steps_per_itr": 40,
        "num_evals": 1,
        "num_steps_per_eval": 60,
        "batch_size": 32,
        "max_path_length": 20,
    },
    "util_params": {
        "use_gpu": False,
        "torch_threads": 1,
        "physics_threads": 1,
        "matmul": "default",
        "slice_rows": 0,
    },
}

# A checkpoint is due every 0.1 s, so that kills strike inside iterations as well.
ON_CPU = {"use_gpu": False, "torch_threads": 1, "physics_threads": 1, "checkpoint_minutes": 0.002}
CARTPOLE = {
    "algorithm": "pets",
    "env_name": "pets-cartpole",
    "algo_params": {
        "num_iterations": 12,
        "exp_cfg": {"sim_cfg": {"task_hor": 40}},
        "ctrl_cfg": {
            "prop_cfg": {
                "npart": 4,
                "model_init_cfg": {"num_nets": 2, "hidden_sizes": [8, 8]},
                "model_train_cfg": {"epochs": 2, "weight_decays": [1e-4, 1e-4, 1e-4]},
            },
            "opt_cfg": {"plan_hor": 5, "cfg": {"popsize": 16, "num_elites": 4}},
        },
    },
    "util_params": ON_CPU,
}
ENSEMBLE = {"ensemble_size": 2, "train_sample_count": 2, "eval_sample_count": 2}
STEVE = {
    "algorithm": "steve",
    "algo_params": {
        "num_iterations": 30,
        "max_path_length": 200,
        "num_agents": 2,
        "frames_per_iteration": 20,
        "frames_before_learning": 60,
        "num_eval_episodes": 1,
        "value_expansion": {"method": "steve", "rollout_len": 2},
        "policy_config": {"hidden_dim": 8, "batch_size": 8, "critic": ENSEMBLE}
        | {"frames_per_update": 1.0, "epoch_every_n": 40, "log_every_n": 10},
        "model_config": {"transition_hidden_dim": 8, "aux_hidden_dim": 8, "batch_size": 8}
        | {"frames_per_update": 1.0, "epoch_every_n": 40, "log_every_n": 10, "pretrain_n": 30}
        | {"transition": ENSEMBLE, "reward": ENSEMBLE},
    },
    "util_params": ON_CPU,
}
META_PG: dict[str, Any] = {
    "env_name": "point-robot",
    "n_train_tasks": 20,
    "n_eval_tasks": 4,
    "env_params": {"n_tasks": 24},
    "algo_params": {"num_iterations": 40, "meta_batch": 10, "max_path_length": 20, "num_evals": 1},
    "util_params": ON_CPU,
}
CASES: dict[str, Mapping[str, Any]] = {
    "pearl": TINY,
    "pets": CARTPOLE,
    "steve-pendulum": STEVE | {"env_name": "Pendulum-v1"},
    "steve-hopper": STEVE | {"env_name": "Hopper-v5"},
    "steve-hardcore": STEVE | {"env_name": "BipedalWalkerHardcore-v3"},
    **{name: META_PG | {"algorithm": name} for name in ("maml-trpo", "promp", "rl2")},
}


def launch(*arguments: str) -> subprocess.Popen:
    """Start launch_experiment.py; its output is kept for the error message."""
    command = [sys.executable, str(ROOT / "launch_experiment.py"), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen) -> None:
    """Wait for a run that must succeed."""
    output, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"a run ended with exit code {process.returncode}:\n{output}")


def the_run_in(folder: Path) -> Path:
    """The one run folder below a base folder."""
    (run_dir,) = folder.glob("*/*")
    return run_dir


def wait_for_work(process: subprocess.Popen, folder: Path, known_lines: int) -> float:
    """Wait until the log says that a run works, or the run has ended; return the time."""
    while process.poll() is None and num_log_lines(folder) <= known_lines:
        time.sleep(0.005)
    return time.monotonic()


def num_log_lines(folder: Path) -> int:
    """Lines of the debug.log below a base folder."""
    return sum(len(path.read_text().splitlines()) for path in folder.glob("*/*/debug.log"))


def killed_run(config: Path, folder: Path, seconds: float, kills: int, rng: random.Random) -> Path:
    """Start a run, kill it `kills` times, and let it finish.

    Each kill comes at a random moment within `seconds` of work after a start. A run that finishes
    before the last kill raises SystemExit.
    """
    process = launch(
        str(config), "--seed", "0", "--set", f"util_params.base_log_dir={json.dumps(str(folder))}"
    )
    known_lines = 0
    for kill in range(kills):
        started, moment = wait_for_work(process, folder, known_lines), rng.uniform(0, seconds)
        while process.poll() is None and time.monotonic() - started < moment:
            time.sleep(0.005)
        if process.poll() is not None:
            process.communicate()
            raise SystemExit(
                f"the run was done before kill {kill + 1}; expected a longer one, or fewer kills"
            )
        process.send_signal(signal.SIGKILL)
        process.communicate()
        run_dir, known_lines = the_run_in(folder), num_log_lines(folder)
        manifest = run_dir / "checkpoint" / "manifest.json"
        after = (
            json.loads(manifest.read_text())["manifest"]["iteration"] if manifest.exists() else None
        )
        worked = time.monotonic() - started
        print(f"kill {kill + 1}: after {worked:.2f} s of work, last checkpoint: iteration {after}")
        process = launch("--resume", str(run_dir))
    finish(process)
    return the_run_in(folder)


def differences(one: Path, other: Path) -> list[str]:
    """Differences between two finished runs, except times."""
    kinds = {"*.pth": _weights, "*.csv": _table, "*.log": _log, "*.mat": _arrays}
    found = []
    for pattern, read in kinds.items():
        names = sorted({path.name for run in (one, other) for path in run.glob(pattern)})
        for name in names:
            if name == "debug.log":  # says when a run was resumed
                continue
            missing = [str(run / name) for run in (one, other) if not (run / name).exists()]
            if missing:
                found += [f"{path} is missing" for path in missing]
                continue
            first, second = read(one / name), read(other / name)
            if len(first) != len(second):
                found.append(f"{name}: {len(first)} entries and {len(second)}")
            keys = [key for key in first if not _equal(first[key], second.get(key))]
            found += [f"{name}: {key}" for key in keys]
    return found


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and _same_array(one, other)
    return bool(torch.equal(one, other)) if torch.is_tensor(one) else one == other


def _same_array(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype == object:  # a cell of a MAT file for each iteration
        return all(_same_array(a, b) for a, b in zip(one.flat, other.flat, strict=True))
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


def _weights(path: Path) -> dict[str, Any]:
    return dict(torch.load(path, weights_only=True))


def _table(path: Path) -> dict[str, Any]:
    """Cells by row and column, without those of times; greedy.csv has hours first and no header."""
    lines = list(csv.reader(path.read_text().splitlines()))
    if path.name.endswith(".greedy.csv"):
        return {f"row {n}": line[1:] for n, line in enumerate(lines)}
    names = [(place, name) for place, name in enumerate(lines[0]) if "Time (s)" not in name]
    return {f"row {n}, {c}": line[i] for n, line in enumerate(lines[1:]) for i, c in names}


def _log(path: Path) -> dict[str, Any]:
    """Lines of a log, whose first two columns are seconds and hours."""
    lines = path.read_text().splitlines()
    return {f"line {n}": line.split(",", 2)[2] for n, line in enumerate(lines)}


def _arrays(path: Path) -> dict[str, Any]:
    return {name: value for name, value in loadmat(path).items() if not name.startswith("__")}


def compare(
    kills: int,
    seed: int,
    workspace: Path,
    settings: Mapping[str, Any] = TINY,
    share: float = 1.0,
) -> list[str]:
    """Run once without a kill and once with `kills` of them.

    Args:
        kills: number of kills of the second run.
        seed: of the random moments.
        workspace: folder of the runs.
        settings: the configuration.
        share: the latest possible moments add up to this fraction of the time of a whole run.
    Returns:
        What differs.
    """
    config, folder = workspace / "config.json", workspace / "whole"
    config.write_text(json.dumps(settings))
    place = f"util_params.base_log_dir={json.dumps(str(folder))}"
    whole = launch(str(config), "--seed", "0", "--set", place)
    started = wait_for_work(whole, folder, 0)
    finish(whole)
    seconds = time.monotonic() - started
    print(f"uninterrupted: {seconds:.1f} s of work")
    longest = share * seconds / kills
    killed = killed_run(config, workspace / "killed", longest, kills, random.Random(seed))
    return differences(the_run_in(folder), killed)


@click.command()
@click.option("--case", type=click.Choice(list(CASES)), default="pearl", show_default=True)
@click.option("--kills", default=10, show_default=True, help="How often the run is killed.")
@click.option("--seed", default=0, show_default=True, help="Of the moments at which it is killed.")
def main(case: str, kills: int, seed: int) -> None:
    """Kill a run at random moments, resume it each time, and compare its end with a whole run."""
    with tempfile.TemporaryDirectory() as workspace:
        found = compare(kills, seed, Path(workspace), CASES[case])
    print("\n".join(found) or f"{case}: equal bit for bit after {kills} kills")
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
