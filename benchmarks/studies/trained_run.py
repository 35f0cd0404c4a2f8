"""Rebuild a trained run from its folder: networks, replay rows, its tasks and new ones."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rlkit.core.checkpoint import Checkpoint
from rlkit.core.errors import UserError
from rlkit.launchers.launcher import Experiment, launcher_for
from rlkit.launchers.pearl_config import PEARLExperiment
from rlkit.launchers.run_config import read_run_config
from rlkit.launchers.run_folder import load_tasks, load_weights

MAX_LANES = 512


@dataclass(frozen=True)
class TrainedRun:
    """A run as of its last checkpoint.

    Attributes:
        config: what it was trained with.
        experiment: environment, agent and loop, with the run's weights.
        splits: task ids of "train", "test" and "fresh" (tasks that the run never had).
    """

    config: PEARLExperiment
    experiment: Experiment
    splits: dict[str, range]


def load_trained(
    run_dir: Path, *, num_fresh_tasks: int = 0, with_state: bool = False, num_envs: int = MAX_LANES
) -> TrainedRun:
    """Rebuild a run on the CPU; nothing in its folder is changed.

    Args:
        run_dir: a run folder of ours or of oyster's.
        num_fresh_tasks: tasks to draw after the run's own, from the same distribution.
        with_state: load its checkpoint too: replay rows, and all networks.
        num_envs: lanes of the environment.
    Raises:
        UserError: files are missing, damaged or of another environment.
    """
    config, _ = read_run_config(run_dir)
    own, n_tasks = load_tasks(run_dir), config.env_params["n_tasks"]
    more = replace(
        config,
        env_params={**config.env_params, "n_tasks": n_tasks + num_fresh_tasks},
        util_params=replace(
            config.util_params, num_envs=num_envs, matmul="default", physics_threads=1
        ),
    )
    try:
        experiment = launcher_for(config).build(more, "cpu", config.seed or 0)
        if own is not None:
            if own.shape != (n_tasks, experiment.env.task_dim):
                raise ValueError(
                    f"tasks.npz holds tasks of shape {own.shape}, "
                    f"expected {(n_tasks, experiment.env.task_dim)}"
                )
            experiment.env.set_tasks(np.concatenate([own, experiment.env.tasks[len(own) :]]))
    except ValueError as error:
        raise UserError(f"{run_dir}: {error}") from error
    networks = experiment.networks
    load_weights(run_dir, {name: networks[name] for name in ("context_encoder", "policy")})
    if with_state:
        _, state = Checkpoint(run_dir).load(experiment.algorithm.buffers)
        experiment.algorithm.load_state_dict(state["algorithm"])
    splits = {
        "train": range(config.n_train_tasks),
        "test": range(n_tasks - config.n_eval_tasks, n_tasks),
        "fresh": range(n_tasks, n_tasks + num_fresh_tasks),
    }
    return TrainedRun(config, experiment, splits)
