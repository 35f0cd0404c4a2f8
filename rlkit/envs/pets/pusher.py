"""pets-pusher: a 7-joint arm pushes a cylinder to a target position on the table."""

from functools import cached_property
from typing import Any

import mujoco
import numpy as np

from rlkit.envs.lanes import Lanes
from rlkit.envs.mujoco_pool import Backend
from rlkit.envs.pets.base import PetsEnv

GOAL = (0.45, -0.05, -0.323)  # where the cylinder is wanted [m]
OBJECT_OFFSET = (-0.25, 0.15)  # mean start of the cylinder from the goal, along y and x [m]
# The file's density is 1e-5, with which MuJoCo ≥ 3 lets the fork pass through the cylinder. This
# one moves it as far as MuJoCo 2.3.7 did with the file's; the armature of its joints, 0.04 kg, is
# most of its inertia in both.
OBJECT_DENSITY = 0.5
OBJECT_COST, HAND_COST, CONTROL_COST = 1.25, 0.5, 0.1


class PetsPusher(PetsEnv):
    """The distances of cylinder and goal and of hand and cylinder are to be small.

    The observation is the arm's joint angles (7) and velocities (7), the centre of mass of the
    fork's tips (3) and of the cylinder (3). The outcome is ‖cylinder - goal‖₁ and ‖cylinder -
    tips‖₁ [m], both BEFORE the step, and the squared norm of the action. The planner takes both
    distances after the step.
    Source: kchua/handful-of-trials, dmbrl/env/pusher.py; its `get_body_com` is the centre of mass
    of a body and its children, which for the tips is 0.1 m from the body's frame, which later
    versions of gym took.
    """

    name = "pets-pusher"
    has_sparse_rewards = False
    model_file = "pusher.xml"
    frame_skip = 4
    fields = ("subtree_com",)
    obs_dim = 20
    act_dim = 7
    outcome_dim = 3
    max_episode_steps = 150
    camera_body = "r_shoulder_pan_link"
    camera_target = (0.35, -0.3, -0.2)
    camera_distance = 2.0
    camera_elevation = -60.0

    def _make_model(self, backend: Backend) -> mujoco.MjModel:
        """gymnasium's pusher (v4) with PETS' joint range and a cylinder that can be pushed."""
        spec = mujoco.MjSpec.from_file(str(self.model_path()))
        spec.joint("r_shoulder_pan_joint").range[1] = 2.0
        for geom in spec.body("object").geoms:
            geom.density = OBJECT_DENSITY
        for geom in spec.body("goal").geoms:
            geom.rgba = (0.1, 0.75, 0.25, 1.0)  # green, as everything that is wanted in images
        spec.geom("table").rgba = (0.75, 0.72, 0.68, 1.0)
        return spec.compile()

    @cached_property
    def _bodies(self) -> list[int]:
        return [self.model.body(name).id for name in ("tips_arm", "object")]

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = -1.25 ‖cylinder - goal‖₁ - 0.5 ‖cylinder - tips‖₁ - 0.1 ‖u‖²; never terminated."""
        to_goal, to_tips, effort = (outcome[..., column] for column in range(3))
        reward = -OBJECT_COST * to_goal - HAND_COST * to_tips - CONTROL_COST * effort
        reward = self.for_each_task(reward, task)
        return reward, 0 * abs(reward), reward < reward

    def outcome_of(self, obs: Any, action: Any, next_obs: Any) -> tuple[Any, ...]:
        """Distances before the step, and ‖action‖²; see `MetaEnv.outcome_of`."""
        return *distances_of(obs), (action * action).sum(-1)

    def planned_outcome_of(
        self, start_obs: Any, obs: Any, action: Any, next_obs: Any
    ) -> tuple[Any, ...]:
        """`outcome_of` with the distances after the step, which the action has led to."""
        return *distances_of(next_obs), (action * action).sum(-1)

    def describe_task(self, task_id: int) -> str:
        """The only task."""
        return "push the cylinder to the disc"

    def _draw_start(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        qpos, qvel = self.model.qpos0.copy(), np.zeros(self.model.nv)
        qpos[7:9] = np.array(OBJECT_OFFSET) + generator.normal(0.0, 0.025, 2)
        qvel[:7] = generator.uniform(-0.005, 0.005, 7)
        return qpos, qvel

    def _observe(self, lanes: Lanes) -> np.ndarray:
        simulation = self.simulation
        places = [simulation.fields["subtree_com"][lanes, body] for body in self._bodies]
        joints = [simulation.qpos[lanes, :7], simulation.qvel[lanes, :7]]
        return np.concatenate([*joints, *places], axis=1)

    def _position(self, lanes: Lanes) -> np.ndarray:
        """The whole observation before the step, which the reward is about."""
        return self._observe(lanes)

    def _outcome(self, position_before: np.ndarray, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        return np.stack(self.outcome_of(position_before, action, position_before), axis=1)


def distances_of(obs: Any) -> tuple[Any, Any]:
    """L1 distances cylinder-goal and cylinder-tips [m], for observations [..., 20]."""
    to_goal = [abs(obs[..., 17 + axis] - GOAL[axis]) for axis in range(3)]
    to_tips = [abs(obs[..., 17 + axis] - obs[..., 14 + axis]) for axis in range(3)]
    return to_goal[0] + to_goal[1] + to_goal[2], to_tips[0] + to_tips[1] + to_tips[2]
