"""Tiny experiments of MAML-TRPO, ProMP and RL²."""

import csv
import json
from pathlib import Path
from typing import Any

from rlkit.launchers.load_config import parse_config
from rlkit.launchers.meta_pg_config import MetaPGExperiment
from tests.tiny_runs import TIMES

METHODS = ("maml-trpo", "promp", "rl2")
GRADIENT = {
    "rollouts_per_task": 3,
    "num_exp_traj_eval": 2,
    "hidden_sizes": [8],
    "inner_lr": 0.5,
}
RECURRENT = {
    "hidden_size": 8,
    "episodes_per_trial": 2,
    "num_exp_traj_eval": 1,
    "num_minibatches": 2,
    "num_epochs": 2,
}


def settings(method: str, env_name: str = "point-robot", **algo_params: Any) -> dict[str, Any]:
    """A configuration as read from JSON."""
    own = RECURRENT if method == "rl2" else GRADIENT
    common = {"num_iterations": 3, "meta_batch": 4, "max_path_length": 6, "num_evals": 1}
    return {
        "algorithm": method,
        "env_name": env_name,
        "n_train_tasks": 5,
        "n_eval_tasks": 2,
        "env_params": {"n_tasks": 7},
        "algo_params": {**common, **own, **algo_params},
        "util_params": {"use_gpu": False, "torch_threads": 1, "physics_threads": 1},
        "seed": 3,
    }


def config(method: str, **algo_params: Any) -> MetaPGExperiment:
    parsed = parse_config(settings(method, **algo_params), "test")
    assert isinstance(parsed, MetaPGExperiment)
    return parsed


def write(method: str, path: Path = Path("config.json"), **algo_params: Any) -> Path:
    path.write_text(json.dumps(settings(method, **algo_params)))
    return path


def rows(run_dir: Path) -> list[dict[str, str]]:
    """The rows of progress.csv without its times."""
    with (run_dir / "progress.csv").open(newline="") as file:
        return [
            {name: cell for name, cell in row.items() if name not in TIMES}
            for row in csv.DictReader(file)
        ]
