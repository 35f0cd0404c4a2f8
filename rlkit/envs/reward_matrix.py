"""Rewards of steps under several tasks, in one call."""

from typing import Any

from rlkit.envs.base import MetaEnv


def reward_matrix(env: MetaEnv, outcome: Any, tasks: Any) -> tuple[Any, Any, Any]:
    """Compute the rewards of outcomes under several tasks at once.

    Args:
        env: a distribution whose tasks differ only in their rewards (`relabelable`).
        outcome: [..., outcome_dim], for example the steps of a trajectory; numpy array or torch
            tensor.
        tasks: [num_tasks, task_dim], of the same kind.
    Returns:
        Reward, sparse reward and terminated (see `MetaEnv.compute_reward`), each [num_tasks, ...].
    Raises:
        ValueError: tasks differ in more than their rewards.
    """
    if not env.relabelable:
        raise ValueError(
            f"{env.name}: its tasks differ in more than their rewards, so that those of another "
            "task mean nothing"
        )
    spread = tasks.reshape(len(tasks), *[1] * (outcome.ndim - 1), env.task_dim)
    return env.compute_reward(outcome[None], spread)
