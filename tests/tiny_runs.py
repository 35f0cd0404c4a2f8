"""Tiny runs of the entry script, in this process or another, and readers of their folders."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import torch
from click.testing import CliRunner, Result

from launch_experiment import main

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
    "util_params": {
        "use_gpu": False,
        "torch_threads": 1,
        "physics_threads": 1,
        "matmul": "default",
        "slice_rows": 0,
    },
    "seed": 3,
}


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
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def rows(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "progress.csv").open(newline="") as file:
        return [
            {name: cell for name, cell in row.items() if name not in TIMES}
            for row in csv.DictReader(file)
        ]


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return {
        f"{path.stem}.{name}": value
        for path in sorted(run_dir.glob("*.pth"))
        for name, value in torch.load(path, weights_only=True).items()
    }


def same_weights(one: Path, two: Path) -> bool:
    first, second = weights(one), weights(two)
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
