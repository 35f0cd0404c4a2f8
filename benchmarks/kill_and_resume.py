"""Kill a run at random moments, resume it, and compare the result with an uninterrupted run.

    python benchmarks/kill_and_resume.py [--kills 10] [--seed 0]

Prints where each kill struck, and exits 1 unless the final weights are equal bit for bit and progress.csv is equal but for
the columns that hold times.
"""

import csv
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import torch

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = ("qf1", "qf2", "vf", "target_vf", "policy", "context_encoder")
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
    """Wait until a run has begun to work, which its log says, or has ended; the time then."""
    while process.poll() is None and num_log_lines(folder) <= known_lines:
        time.sleep(0.005)
    return time.monotonic()


def num_log_lines(folder: Path) -> int:
    """Lines of the debug.log below a base folder."""
    return sum(len(path.read_text().splitlines()) for path in folder.glob("*/*/debug.log"))


def killed_run(config: Path, folder: Path, seconds: float, kills: int, rng: random.Random) -> Path:
    """Start a run, kill it `kills` times within `seconds` of each start, then let it finish.

    A run that reaches its end before the last kill shows less than was asked for: SystemExit.
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
        print(
            f"kill {kill + 1}: after {time.monotonic() - started:.2f} s of work, last checkpoint: iteration {after}"
        )
        process = launch("--resume", str(run_dir))
    finish(process)
    return the_run_in(folder)


def differences(one: Path, other: Path) -> list[str]:
    """Differences between two finished runs, except times."""
    found = []
    for name in NETWORKS:
        first, second = (torch.load(run / f"{name}.pth", weights_only=True) for run in (one, other))
        found += [f"{name}.pth: {key}" for key in first if not torch.equal(first[key], second[key])]
    for table in ("progress.csv", "online_returns.csv"):
        first, second = (
            list(csv.DictReader((run / table).read_text().splitlines())) for run in (one, other)
        )
        if len(first) != len(second):
            found.append(f"{table}: {len(first)} rows and {len(second)}")
        for row, (a, b) in enumerate(zip(first, second, strict=False)):
            found += [
                f"{table} row {row}: {key}"
                for key in a
                if "Time (s)" not in key and a[key] != b.get(key)
            ]
    return found


def compare(
    kills: int, seed: int, workspace: Path, settings: dict | None = None, share: float = 1.6
) -> list[str]:
    """Run once without kills and once with `kills`, whose latest times sum to `share` of a run.

    Returns:
        What differs.
    """
    config = workspace / "config.json"
    config.write_text(json.dumps(TINY | (settings or {})))
    whole = launch(
        str(config),
        "--seed",
        "0",
        "--set",
        f"util_params.base_log_dir={json.dumps(str(workspace / 'whole'))}",
    )
    started = wait_for_work(whole, workspace / "whole", 0)
    finish(whole)
    seconds = time.monotonic() - started
    print(f"uninterrupted: {seconds:.1f} s of work")
    killed = killed_run(
        config, workspace / "killed", share * seconds / kills, kills, random.Random(seed)
    )
    return differences(the_run_in(workspace / "whole"), killed)


@click.command()
@click.option("--kills", default=10, show_default=True, help="How often the run is killed.")
@click.option("--seed", default=0, show_default=True, help="Of the moments at which it is killed.")
def main(kills: int, seed: int) -> None:
    """Kill and resume a run at random moments; compare with an uninterrupted run."""
    with tempfile.TemporaryDirectory() as workspace:
        found = compare(kills, seed, Path(workspace))
    print("\n".join(found) or f"equal bit for bit after {kills} kills")
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
