"""The Sawyer arm: model, control, reset and observation.

Tasks and rewards are in `sawyer_reach` and `sawyer_push`.
"""

import abc
import math
from pathlib import Path
from typing import Any, ClassVar, Literal

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from rlkit.envs.hfr.sawyer_model import load_scene, scene_file
from rlkit.envs.hfr.sawyer_starts import ABOVE_PUCK, Start
from rlkit.envs.lanes import Lanes
from rlkit.envs.mujoco_env import MujocoMetaEnv
from rlkit.envs.mujoco_pool import Backend

REACH = 0.01  # how far an action of 1 moves the point that pulls the hand [m]
WORKSPACE = (-0.5, 0.4, 0.05), (0.5, 1.0, 0.5)  # of this point: least and greatest x, y, z [m]


class Sawyer(MujocoMetaEnv):
    """An arm with a gripper above a table with a puck; the goal is not observed.

    The observation is the place of the hand and of the puck [m]. Action: movement along x, y, z of
    a point that pulls the hand, and the gripper, all ±1. Every episode starts alike. Dense rewards
    are relative to the start, so the outcome includes it.
    Source: michaelwan11/hfr, rlkit/envs/sawyer_reach_push_pick_place.py.

    Attributes:
        sparse: whether the reward is -1 or 0 and success ends the episode.
        start_dim: size of the start state at the end of the outcome.
    """

    obs_dim = 6
    act_dim = 4
    has_sparse_rewards = True
    task_dim = 3
    task_names = ("goal_x", "goal_y", "goal_z")
    max_episode_steps = 150
    action_box = (-1.0, 1.0)
    fields = ("xpos", "site_xpos")
    camera_body = "hand"
    camera_target = (0.0, 0.65, 0.12)
    camera_distance = 1.3
    camera_elevation = -30.0
    camera_azimuth = 165.0
    start_dim: ClassVar[int]

    def __init__(
        self,
        n_tasks: int,
        *,
        sparse: bool = False,
        physics: Literal["native"] = "native",
        backend: Literal["mujoco", "batch", "pool"] = "mujoco",
        task_seed: int = 3,
        **settings: Any,
    ) -> None:
        """Draw the task set and make the lanes.

        Args:
            n_tasks: size of the task set.
            sparse: reward -1 a step, and 0 with the end of the episode when the goal is reached;
                False: dense, without end.
            physics: "native", as the installed MuJoCo has it; there is no older mode of this arm.
            backend: "mujoco" (official bindings; "batch" and "pool": by this route, with equal
                numbers).
            task_seed: seed of the generator that draws the task set.
            **settings: see `MujocoMetaEnv`.
        Raises:
            ValueError: a value out of its range, or metaworld's scene files are not there.
        """
        if physics != "native":
            raise ValueError(f"physics is {physics!r}, but {self.name} has 'native' only")
        self.sparse = bool(sparse)
        self._start = self._choose_start()
        super().__init__(n_tasks, physics=physics, backend=backend, task_seed=task_seed, **settings)
        self._hand_body, self._puck_body = self.model.body("hand").id, self.model.body("obj").id
        self._fingers = [
            self.model.site("rightEndEffector").id,
            self.model.site("leftEndEffector").id,
        ]
        self._starts = np.zeros((self.num_envs, self.start_dim))

    @classmethod
    def model_path(cls) -> Path:
        """metaworld's scene."""
        return scene_file(cls.model_file, cls.name)

    def _make_model(self, backend: Backend) -> mujoco.MjModel:
        return load_scene(self.model_path(), self._start.hand_target)

    def _choose_start(self) -> Start:
        """Where episodes start."""
        return ABOVE_PUCK

    def _draw_start(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self._start.qpos), np.array(self._start.qvel)

    def _begin(self, lanes: np.ndarray) -> None:
        super()._begin(lanes)
        self._starts[lanes] = self._start_place(lanes)

    @abc.abstractmethod
    def _start_place(self, lanes: np.ndarray) -> np.ndarray:
        """The part of the start state that the dense reward needs, [n, start_dim]."""

    def _simulate(self, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        target = self.simulation.mocap_pos[lanes, 0] + REACH * np.clip(action[:, :3], -1, 1)
        self.simulation.mocap_pos[lanes, 0] = np.clip(target, *WORKSPACE)
        return self.simulation.step(action[:, 3:] * (1, -1), lanes)

    def set_state(
        self, qpos: ArrayLike, qvel: ArrayLike, lanes: ArrayLike | None = None
    ) -> np.ndarray:
        """Start an episode from given states; see `MujocoMetaEnv`.

        The point that pulls the hand is put where the hand is.
        """
        obs = super().set_state(qpos, qvel, lanes)
        chosen = self.check_lanes(lanes)
        self.simulation.mocap_pos[chosen, 0] = self._hand(chosen)
        return obs

    def _observe(self, lanes: Lanes) -> np.ndarray:
        return np.concatenate([self._hand(lanes), self._puck(lanes)], axis=1)

    def _position(self, lanes: Lanes) -> np.ndarray:
        return self._finger(lanes)

    def _hand(self, lanes: Lanes) -> np.ndarray:
        return self.simulation.fields["xpos"][lanes, self._hand_body]

    def _puck(self, lanes: Lanes) -> np.ndarray:
        return self.simulation.fields["xpos"][lanes, self._puck_body]

    def _finger(self, lanes: Lanes) -> np.ndarray:
        """The middle between the finger tips, [n, 3]."""
        right, left = (
            self.simulation.fields["site_xpos"][lanes, finger] for finger in self._fingers
        )
        return (right + left) / 2

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """Sparse: -1, and 0 at the goal, which ends the episode if `sparse`.

        If not, the reward is `_dense` and nothing ends.
        """
        reached = self.success(outcome, task)
        one = 1 + 0 * outcome[..., 0]  # gives the result the outcome's type
        sparse = reached * one - one
        if self.sparse:
            return sparse, sparse, reached
        return self._dense(outcome, task), sparse, sparse < sparse

    @abc.abstractmethod
    def _dense(self, outcome: Any, task: Any) -> Any:
        """The reward where the task is not sparse, [...]."""


def approach(distance: Any, start: Any) -> Any:
    """max(0, 1000 (s - d) + 1000 (exp(-d²/0.01) + exp(-d²/0.001))), [...].

    d is the distance and s the one at the start, both in m.
    """
    square = distance**2
    reward = 1000 * (start - distance) + 1000 * (
        math.e ** (-square / 0.01) + math.e ** (-square / 0.001)
    )
    return reward * (reward > 0)


def distance3(first: Any, second: Any) -> Any:
    """Distance of places in space, [..., 3] each."""
    dx, dy, dz = (first[..., axis] - second[..., axis] for axis in range(3))
    return (dx**2 + dy**2 + dz**2) ** 0.5
