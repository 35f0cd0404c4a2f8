"""`PetsEnv`: base class of the four environments of PETS."""

import abc
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from rlkit.envs.mujoco_env import MujocoMetaEnv
from rlkit.envs.one_task import OneTask


class PetsEnv(OneTask, MujocoMetaEnv):
    """One task with a known reward, and the transformations of observations for model and planner.

    Every function of observations takes numpy arrays or torch tensors. `obs_preproc`, `targ_proc`
    and `obs_postproc` return the parts of a vector, which the caller concatenates along the last
    axis; `outcome_of` and `planned_outcome_of` return columns, which the caller stacks.
    Source: Chua et al. 2018; kchua/handful-of-trials, dmbrl/env and dmbrl/config.
    """

    def __init__(
        self,
        n_tasks: int = 1,
        *,
        backend: Literal["mujoco", "batch", "pool"] = "mujoco",
        num_envs: int = 1,
        physics_threads: int = 1,
        dtype: DTypeLike = np.float32,
    ) -> None:
        """Make the lanes; the physics is that of the installed MuJoCo.

        Args:
            n_tasks: 1.
            backend: "mujoco" (official bindings; "batch" and "pool" select a route, with equal
                numbers).
            num_envs: maximum number of lanes in use.
            physics_threads: threads that step the lanes.
            dtype: of observations, outcomes and rewards.
        Raises:
            ValueError: a value is out of range.
        """
        super().__init__(
            n_tasks,
            physics="native",
            backend=backend,
            num_envs=num_envs,
            physics_threads=physics_threads,
            dtype=dtype,
        )

    @abc.abstractmethod
    def outcome_of(self, obs: Any, action: Any, next_obs: Any) -> tuple[Any, ...]:
        """Outcome of a transition, as in the environment's reward; see `MetaEnv.outcome_of`."""

    def planned_outcome_of(
        self, start_obs: Any, obs: Any, action: Any, next_obs: Any
    ) -> tuple[Any, ...]:
        """Outcome used by the planner to reward a predicted transition; by default `outcome_of`.

        Args:
            start_obs: the real observation at which planning began; broadcasts against `obs`.
            obs, action, next_obs: as for `outcome_of`.
        Returns:
            As `outcome_of`.
        """
        return self.outcome_of(obs, action, next_obs)

    def obs_preproc(self, obs: Any) -> tuple[Any, ...]:
        """Parts of the dynamics model's input that come from an observation [..., obs_dim]."""
        return (obs,)

    def targ_proc(self, obs: Any, next_obs: Any) -> tuple[Any, ...]:
        """Parts of the model's target for a transition: the change of the observation."""
        return (next_obs - obs,)

    def obs_postproc(self, obs: Any, prediction: Any) -> tuple[Any, ...]:
        """Parts of the next observation, from the model's prediction; inverts `targ_proc`."""
        return (obs + prediction,)
