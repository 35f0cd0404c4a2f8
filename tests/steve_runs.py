"""Tiny experiments of STEVE, in this process."""

import json
from pathlib import Path
from typing import Any

from rlkit.core.config import with_settings
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.steve_config import STEVEExperiment

ENSEMBLE = {"ensemble_size": 2, "train_sample_count": 2, "eval_sample_count": 2}
SETTINGS: dict[str, Any] = {
    "algorithm": "steve",
    "env_name": "Pendulum-v1",
    "seed": 1,
    "util_params": {"use_gpu": False, "torch_threads": 1, "physics_threads": 1},
    "algo_params": {
        "num_iterations": 4,
        "max_path_length": 7,
        "num_agents": 2,
        "frames_per_iteration": 10,
        "frames_before_learning": 12,
        "num_eval_episodes": 2,
        "value_expansion": {"method": "steve", "rollout_len": 2},
        "policy_config": {
            "hidden_dim": 8,
            "batch_size": 8,
            "frames_per_update": 1.0,
            "epoch_every_n": 4,
            "log_every_n": 3,
            "backup_every_n": 8,
            "explore_chance": 0.5,
            "critic": ENSEMBLE,
        },
        "model_config": {
            "transition_hidden_dim": 8,
            "aux_hidden_dim": 8,
            "batch_size": 8,
            "frames_per_update": 1.0,
            "epoch_every_n": 4,
            "log_every_n": 3,
            "backup_every_n": 8,
            "pretrain_n": 5,
            "transition": ENSEMBLE,
            "reward": ENSEMBLE,
        },
    },
}


def settings(**changes: Any) -> dict[str, Any]:
    """A configuration as read from JSON; `changes` have __ for the dots."""
    texts = [f"{key.replace('__', '.')}={json.dumps(value)}" for key, value in changes.items()]
    return with_settings(SETTINGS, texts)


def config(**changes: Any) -> STEVEExperiment:
    parsed = parse_config(settings(**changes), "test")
    assert isinstance(parsed, STEVEExperiment)
    return parsed


def write_config(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps(settings(**changes)))
    return path
