"""Run the same command many times, half of them with one core kept busy, and compare the numbers.

python -m benchmarks.repeat_runs [--runs 20] [--config configs/quick/point-robot.json]

Every run has its own home and output folders. Settings that are chosen for the machine (threads,
route of products, slices) are left open. Exits 1 unless all runs have the same settings, the same
table except for times, and weights that are equal bit for bit.
"""

import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import click
import torch

from benchmarks.kill_and_resume import ROOT, the_run_in

CUTS = (
    "n_train_tasks=10",
    "n_eval_tasks=3",
    "env_params.n_tasks=13",
    "algo_params.num_iterations=2",
    "algo_params.num_train_steps_per_itr=20",
)
NUMBERS = ("matmul", "slice_rows", "rollout_device", "torch_threads", "physics_threads")


def numbers_of(run_dir: Path) -> str:
    """A digest of all numbers of a run that may not depend on time."""
    with (run_dir / "progress.csv").open(newline="") as file:
        rows = [
            {name: cell for name, cell in row.items() if "Time" not in name}
            for row in csv.DictReader(file)
        ]
    util = json.loads((run_dir / "variant.json").read_text())["util_params"]
    digest = hashlib.sha256(json.dumps([rows, [util[key] for key in NUMBERS]]).encode())
    for path in sorted(run_dir.glob("*.pth")):
        for name, value in torch.load(path, weights_only=True).items():
            digest.update(f"{path.stem}.{name}".encode() + value.numpy().tobytes())
    return digest.hexdigest()[:16]


def one_run(config: str, busy: bool) -> tuple[str, str]:
    """Run the command once; returns the digest of its numbers and what was chosen."""
    with tempfile.TemporaryDirectory() as folder:
        home, outputs = Path(folder) / "home", Path(folder) / "output"
        home.mkdir()
        cuts = [word for cut in CUTS for word in ("--set", cut)]
        command = [sys.executable, str(ROOT / "launch_experiment.py"), config, "--cpu"]
        command += ["--seed", "5", *cuts, "--set", f"util_params.base_log_dir={outputs}"]
        loop = [sys.executable, "-c", "while True: pass"]
        other = subprocess.Popen(loop) if busy else None
        try:
            environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
            subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        finally:
            if other is not None:
                other.kill()
                other.wait()
        run_dir = the_run_in(outputs)
        util = json.loads((run_dir / "variant.json").read_text())["util_params"]
        return numbers_of(run_dir), ", ".join(f"{key} {util[key]}" for key in NUMBERS)


@click.command()
@click.option("--runs", default=20, show_default=True, type=click.IntRange(min=2))
@click.option("--config", default="configs/quick/point-robot.json", show_default=True)
def main(runs: int, config: str) -> None:
    """Compare equal runs; see the module's own text."""
    found: Counter[str] = Counter()
    for number in range(runs):
        busy = number % 2 == 1
        digest, chosen = one_run(str(Path(config).resolve()), busy)
        found[digest] += 1
        click.echo(f"run {number}{' beside a busy core' if busy else ''}: {digest} ({chosen})")
    if len(found) > 1:
        raise SystemExit(f"{runs} equal commands gave {len(found)} sets of numbers: {dict(found)}")
    click.echo(f"{runs} runs, one set of numbers")


if __name__ == "__main__":
    main()
