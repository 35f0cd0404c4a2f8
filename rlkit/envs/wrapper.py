"""`EnvWrapper`: base of wrappers, a `MetaEnv` that hands everything on to the one it wraps."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import ArrayLike

from rlkit.envs.base import Advance, MetaEnv
from rlkit.envs.batched import Lanes, StepResult
from rlkit.envs.elementwise import constant_like


class EnvWrapper(MetaEnv):
    """A `MetaEnv` around another one; subclasses override what they change.

    Sizes, bounds and spaces are copied at construction. Tasks and lanes live in the wrapped
    environment and are looked up there.

    Attributes:
        env: the wrapped environment.
    """

    def __init__(self, env: MetaEnv) -> None:
        # MetaEnv's constructor would draw tasks and make lanes, which the wrapped one has.
        self.env = env
        self.name, self.dt, self.dtype = env.name, env.dt, env.dtype
        self.num_envs, self.max_episode_steps = env.num_envs, env.max_episode_steps
        self.obs_dim, self.recorded_dim = env.obs_dim, env.recorded_dim
        self.act_dim, self.action_box = env.act_dim, env.action_box
        self.action_low, self.action_high = env.action_low, env.action_high
        self.single_action_space = env.single_action_space
        self.single_observation_space = env.single_observation_space
        self.outcome_dim, self.task_dim = env.outcome_dim, env.task_dim
        self.task_names = env.task_names
        self.n_tasks, self.fixed_n_tasks = env.n_tasks, env.fixed_n_tasks
        self.relabelable, self.goal_radius = env.relabelable, env.goal_radius
        self.has_simulation = env.has_simulation
        self.has_sparse_rewards = env.has_sparse_rewards

    @property
    def unwrapped(self) -> MetaEnv:
        """The environment itself, without wrappers."""
        return self.env.unwrapped

    @property
    def num_lanes(self) -> int:
        """Lanes in use now."""
        return self.env.num_lanes

    @property
    def tasks(self) -> np.ndarray:
        """The task set, [n_tasks, task_dim] in `dtype`."""
        return self.env.tasks

    @property
    def task_ids(self) -> np.ndarray:
        """Task of each lane in use, int64 [num_lanes]."""
        return self.env.task_ids

    @property
    def can_be_drawn(self) -> bool:
        """Whether lanes can be shown as pictures."""
        return self.env.can_be_drawn

    def draw(self, lanes: np.ndarray, size: int) -> np.ndarray:
        """See `MetaEnv.draw`."""
        return self.env.draw(lanes, size)

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """See `MetaEnv.sample_tasks`."""
        return self.env.sample_tasks(rng, num_tasks)

    def set_tasks(self, tasks: ArrayLike) -> None:
        """See `MetaEnv.set_tasks`."""
        self.env.set_tasks(tasks)

    def describe_task(self, task_id: int) -> str:
        """See `MetaEnv.describe_task`."""
        return self.env.describe_task(task_id)

    def get_all_task_idx(self) -> range:
        """See `MetaEnv.get_all_task_idx`."""
        return self.env.get_all_task_idx()

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """See `MetaEnv.compute_reward`."""
        return self.env.compute_reward(outcome, task)

    def sparse_form(self) -> bool | None:
        """See `MetaEnv.sparse_form`."""
        return self.env.sparse_form()

    def outcome_of(self, obs: Any, action: Any, next_obs: Any) -> tuple[Any, ...] | None:
        """See `MetaEnv.outcome_of`."""
        return self.env.outcome_of(obs, action, next_obs)

    def speed(self, outcome: Any, task: Any) -> Any:
        """See `MetaEnv.speed`."""
        return self.env.speed(outcome, task)

    def success(self, outcome: Any, task: Any) -> Any:
        """See `MetaEnv.success`."""
        return self.env.success(outcome, task)

    @property
    def knows_success(self) -> bool:
        """See `MetaEnv.knows_success`."""
        return self.env.knows_success

    def state_dict(self) -> dict[str, Any]:
        """See `MetaEnv.state_dict`."""
        return self.env.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `MetaEnv.load_state_dict`."""
        self.env.load_state_dict(state)

    def reset_task(self, task_ids: ArrayLike, lanes: ArrayLike | None = None) -> None:
        """See `MetaEnv.reset_task`."""
        self.env.reset_task(task_ids, lanes)

    def reset(
        self, generators: Sequence[np.random.Generator], lanes: ArrayLike | None = None
    ) -> np.ndarray:
        """See `MetaEnv.reset`."""
        return self.env.reset(generators, lanes)

    def step(self, action: ArrayLike, running: np.ndarray | None = None) -> StepResult:
        """See `MetaEnv.step`."""
        return self.env.step(action, running)

    def step_checked(self, action: np.ndarray, running: np.ndarray | None = None) -> StepResult:
        """See `MetaEnv.step_checked`."""
        return self.step(action, running)

    def check_action(self, action: ArrayLike) -> np.ndarray:
        """See `MetaEnv.check_action`."""
        return self.env.check_action(action)

    def check_lanes(self, lanes: ArrayLike | None) -> np.ndarray:
        """See `MetaEnv.check_lanes`."""
        return self.env.check_lanes(lanes)

    def pop_diverged_tasks(self) -> list[int]:
        """See `MetaEnv.pop_diverged_tasks`."""
        return self.env.pop_diverged_tasks()

    def close(self) -> None:
        """Close the wrapped environment; may be called twice."""
        self.env.close()

    def _reset_lanes(
        self, generators: Sequence[np.random.Generator], lanes: np.ndarray
    ) -> np.ndarray:
        return self.env._reset_lanes(generators, lanes)

    def _advance(self, action: np.ndarray, lanes: Lanes) -> Advance:
        return self.env._advance(action, lanes)


class NormalizedBoxEnv(EnvWrapper):
    """A `MetaEnv` with actions in [-1, 1], scaled linearly to the action box and clipped.

    Source: katerakelly/oyster, rlkit/envs/wrappers.py (its observation scaling is never used and
    left out).
    """

    def __init__(self, env: MetaEnv) -> None:
        super().__init__(env)
        self.action_box = -1.0, 1.0
        self.action_low, self.action_high = -np.ones(env.act_dim), np.ones(env.act_dim)
        self.single_action_space = gymnasium.spaces.Box(-1.0, 1.0, (env.act_dim,), np.float32)
        self._low, self._high = env.action_low, env.action_high
        self._half_width = 0.5 * (env.action_high - env.action_low)

    def step(self, action: ArrayLike, running: np.ndarray | None = None) -> StepResult:
        """Advance lanes, as `MetaEnv.step`; `action` is [num_lanes, act_dim] in [-1, 1]."""
        scaled = self.env.check_action(action) + 1.0
        scaled *= self._half_width
        scaled += self._low
        np.maximum(scaled, self._low, out=scaled)
        np.minimum(scaled, self._high, out=scaled)
        return self.env.step_checked(scaled, running)

    def outcome_of(self, obs: Any, action: Any, next_obs: Any) -> tuple[Any, ...] | None:
        """`MetaEnv.outcome_of` for an action in [-1, 1]."""
        low, half_width = (constant_like(b, action) for b in (self._low, self._half_width))
        scaled = low + half_width * (action.clip(-1.0, 1.0) + 1.0)
        return self.env.outcome_of(obs, scaled, next_obs)
