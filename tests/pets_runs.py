"""Tiny experiments of PETS, in this process."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from rlkit.core.config import to_dict, with_settings
from rlkit.core.outer_loop import Schedule
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.pets_config import PETSExperiment
from tests.tiny_runs import TIMES

PETS_TIMES = {*TIMES, "Plan Time (s)"}
SIZES = {
    "algo_params.num_iterations": 2,
    "algo_params.exp_cfg.sim_cfg.task_hor": 6,
    "algo_params.ctrl_cfg.prop_cfg.model_init_cfg.hidden_sizes": [8, 8],
    "algo_params.ctrl_cfg.prop_cfg.model_train_cfg.weight_decays": [1e-4, 1e-4, 1e-4],
    "algo_params.ctrl_cfg.prop_cfg.model_train_cfg.epochs": 1,
    "algo_params.ctrl_cfg.opt_cfg.plan_hor": 3,
    "algo_params.ctrl_cfg.opt_cfg.cfg.popsize": 8,
}
ELITES = {"algo_params.ctrl_cfg.opt_cfg.cfg.num_elites": 2}


def settings(
    model: str = "PE",
    prop: str = "TSinf",
    opt: str = "CEM",
    env: str = "cartpole",
    **changes: Any,
) -> dict[str, Any]:
    """A configuration as read from JSON; `changes` have __ for the dots."""
    base: dict[str, Any] = {"algorithm": "pets", "env_name": f"pets-{env}", "seed": 1}
    base["util_params"] = {"use_gpu": False, "torch_threads": 1, "physics_threads": 1}
    base["algo_params"] = {"model_type": model, "prop_type": prop, "opt_type": opt}
    values = SIZES | (ELITES if opt == "CEM" else {})
    if model in ("DE", "PE"):
        values |= {"algo_params.ctrl_cfg.prop_cfg.model_init_cfg.num_nets": 2}
    if prop != "E":
        values |= {"algo_params.ctrl_cfg.prop_cfg.npart": 4}
    values |= {key.replace("__", "."): value for key, value in changes.items()}
    return with_settings(base, [f"{key}={json.dumps(value)}" for key, value in values.items()])


def config(*args: str, **changes: Any) -> PETSExperiment:
    parsed = parse_config(settings(*args, **changes), "test")
    assert isinstance(parsed, PETSExperiment)
    return parsed


def write_config(path: Path, data: Mapping[str, Any] | PETSExperiment) -> Path:
    plain = to_dict(data) if isinstance(data, PETSExperiment) else data
    path.write_text(json.dumps(plain))
    return path


def schedule(experiment: PETSExperiment, **changes: Any) -> Schedule:
    return Schedule(experiment.algo_params.num_iterations, **changes)


def rows(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "progress.csv").open(newline="") as file:
        return [
            {name: cell for name, cell in row.items() if name not in PETS_TIMES}
            for row in csv.DictReader(file)
        ]


def logs(run_dir: Path) -> dict[str, np.ndarray]:
    return arrays_of(run_dir / "logs.mat")


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    arrays = loadmat(path)
    return {name: value for name, value in arrays.items() if not name.startswith("__")}


def same_arrays(one: Mapping[str, np.ndarray], two: Mapping[str, np.ndarray]) -> bool:
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)
