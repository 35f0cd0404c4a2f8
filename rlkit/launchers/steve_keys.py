"""The keys of research/steve's configurations: translated ones and unused ones.

Source: tensorflow/models, research/steve/config and the files that read it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ENSEMBLE = ("ensemble_size", "train_sample_count", "eval_sample_count")
ONE_MEMBER = dict.fromkeys(ENSEMBLE, 1)
COUNTS = (
    "hidden_dim",
    "transition_hidden_dim",
    "aux_hidden_dim",
    "batch_size",
    "frames_per_update",
    "epoch_every_n",
    "log_every_n",
    "backup_every_n",
)
SHARED = ("replay_size", "frames_before_learning", *COUNTS[3:])
# Original name -> name here and frames of a run.
TASKS = {
    "HalfCheetah-v1": ("HalfCheetah-v5", 1_000_000),
    "Hopper-v1": ("Hopper-v4", 1_000_000),
    "Walker2d-v1": ("Walker2d-v4", 1_000_000),
    "Swimmer-v1": ("Swimmer-v5", 1_000_000),
    "Humanoid-v1": ("rlkit/HumanoidContactCost-v0", 5_000_000),
    "BipedalWalkerHardcore-v2": ("BipedalWalkerHardcore-v3", 5_000_000),
    "RoboschoolHumanoid-v1": ("RoboschoolHumanoid-v1", 5_000_000),
    "RoboschoolHumanoidFlagrun-v1": ("RoboschoolHumanoidFlagrun-v1", 5_000_000),
}
LATER = ("RoboschoolHumanoid-v1", "RoboschoolHumanoidFlagrun-v1")
DEAD = "omitted; the original never reads it"
FIXED = "omitted; here one process collects, evaluates and learns"
# Remarks, in the order in which they are printed.
NOTES = {
    "agent_config.full_random_n": DEAD,
    "policy_config.algo": DEAD,
    "policy_config.explore_chance": (
        "the original reads ddpg_explore_chance instead and does not explore; here it is used"
    ),
    "keep_all_replay_buffers": "omitted; here checkpoints hold the replay data",
    "policy_config.keep_all_replay_buffers": "omitted; here checkpoints hold the replay data",
    "agent_config.count": FIXED,
    "agent_config.reload_every_n": FIXED,
    "save_model_path": "omitted; here backups are in checkpoints/ of the run folder",
    "log_path": "omitted; here logs are in the run folder",
}
EXPANSION = (
    "rollout_len",
    "mean_k_return",
    "lambda_return",
    "steve_reweight",
    "covariances",
    "tdk_trick",
)


def _known() -> frozenset[str]:
    keys = {*NOTES, "output_root", "agent_config.batch_size", "model_config.pretrain_n"}
    keys |= {f"evaluator_config.{key}" for key in ("count", "batch_size")}
    env = "name", "obs_dims", "action_dim", "reward_scale", "discount", "max_frames"
    keys |= {f"env.{key}" for key in env}
    keys |= {f"policy_config.{key}" for key in (*SHARED, "hidden_dim", "ddpg_explore_chance")}
    widths = "transition_hidden_dim", "aux_hidden_dim"
    keys |= {f"model_config.{key}" for key in (*SHARED, *widths)}
    keys |= {f"policy_config.value_expansion.{key}" for key in EXPANSION}
    keys |= {f"policy_config.bayesian.{key}" for key in ENSEMBLE}
    for part in ("transition", "reward"):
        keys |= {f"model_config.bayesian.{part}.{key}" for key in ENSEMBLE}
    return frozenset(keys)


KNOWN = _known()


def method_of(expansion: Mapping[str, Any] | None) -> dict[str, Any]:
    """The section `value_expansion`; as in the original, the first of these keys decides."""
    if not expansion:
        return {"method": "ddpg"}
    found: dict[str, Any] = {"method": "mve", "rollout_len": expansion.get("rollout_len")}
    if expansion.get("mean_k_return"):
        found["method"] = "mean_k"
    elif expansion.get("lambda_return"):
        found |= {"method": "td_lambda", "lambda_return": expansion["lambda_return"]}
    elif expansion.get("steve_reweight"):
        found["method"] = "steve_cov" if expansion.get("covariances") else "steve"
    if expansion.get("tdk_trick"):
        found["tdk_trick"] = True
    return found


def with_name(path: Path) -> Path | None:
    """Find the only file next to a missing one whose name differs just in its final number.

    The original's README names speedy_steve0.json, but the file is speedy_steve1.json.
    """
    stem = re.sub(r"\d+$", "", path.stem)
    found = [
        file
        for file in sorted(path.parent.glob(f"{stem}*.json"))
        if re.fullmatch(rf"{re.escape(stem)}\d+", file.stem)
    ]
    return found[0] if len(found) == 1 else None
