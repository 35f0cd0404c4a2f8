"""Scripted policies that know the goal, for benchmarks of the Sawyer tasks."""

import importlib.util
from collections.abc import Iterable, Sequence

import numpy as np

from rlkit.envs.base import MetaEnv

FINGERS = (0.0, 0.0, -0.045)  # from the hand [m]
CARRY, GRASP = 0.14, 0.06  # heights of the hand above the puck and at it [m]
CLOSING = 14  # steps until the gripper holds the puck


def runnable(names: Iterable[str]) -> list[str]:
    """Skip the Sawyer tasks where metaworld, which has their scene files, is not installed."""
    installed = importlib.util.find_spec("metaworld") is not None
    return [name for name in names if installed or not name.startswith("sawyer")]


class ReachGoal:
    """Move the hand straight to the goal of sawyer-reach."""

    def __init__(self, env: MetaEnv) -> None:
        self.act_dim, self._env = env.act_dim, env

    def start_trajectories(self, generators: Sequence[np.random.Generator]) -> None:
        """There is no state to reset."""

    def get_actions(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        missing = self._env.tasks[self._env.task_ids] - (obs[:, :3] + FINGERS)
        return np.concatenate([np.clip(missing / 0.01, -1, 1), -np.ones((len(obs), 1))], axis=1)


class DragPuck(ReachGoal):
    """Lift the hand, lower it over the puck, close the gripper and drag the puck to the goal."""

    def start_trajectories(self, generators: Sequence[np.random.Generator]) -> None:
        self._closed = np.zeros(len(generators))  # steps since the gripper began to close

    def get_actions(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        goal = self._env.tasks[self._env.task_ids]
        hand, puck = obs[:, :3], obs[:, 3:]
        over = np.linalg.norm(puck[:, :2] - hand[:, :2], axis=1) < 0.02
        grasping = (self._closed > 0) | (over & (hand[:, 2] < GRASP + 0.01))
        self._closed += grasping
        target = np.concatenate(
            [puck[:, :2], np.where(over | grasping, GRASP, CARRY)[:, None]], axis=1
        )
        high = hand[:, 2] > CARRY - 0.03
        target[:, :2] = np.where((high | over)[:, None], target[:, :2], hand[:, :2])
        dragging = self._closed > CLOSING
        target[dragging, :2] = hand[dragging, :2] + (goal - puck)[dragging, :2]
        grip = np.where(grasping, 1.0, -1.0)
        return np.concatenate([np.clip((target - hand) / 0.01, -1, 1), grip[:, None]], axis=1)
