"""`EnvWrapper`: base of wrappers, a `MetaEnv` that forwards everything to the environment it wraps."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import gymnasium
import numpy as np
from numpy.typing import ArrayLike

from rlkit.envs.base import MetaEnv
from rlkit.envs.elementwise import constant_like
from rlkit.envs.lanes import StepResult

Method = TypeVar("Method", bound=Callable[..., Any])


def handed_on(method: Method) -> Method:
    """Make a method of a wrapper that calls the one of this name of what it wraps."""
    name = method.__name__

    @functools.wraps(method, updated=())  # without the mark of an abstract method
    def call(wrapper: "EnvWrapper", *args: Any, **kwargs: Any) -> Any:
        return getattr(wrapper.env, name)(*args, **kwargs)

    return cast(Method, call)


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
        """Whether lanes can be shown as images."""
        return self.env.can_be_drawn

    @property
    def knows_success(self) -> bool:
        """See `MetaEnv.knows_success`."""
        return self.env.knows_success

    draw = handed_on(MetaEnv.draw)
    sample_tasks = handed_on(MetaEnv.sample_tasks)
    set_tasks = handed_on(MetaEnv.set_tasks)
    describe_task = handed_on(MetaEnv.describe_task)
    get_all_task_idx = handed_on(MetaEnv.get_all_task_idx)
    compute_reward = handed_on(MetaEnv.compute_reward)
    sparse_form = handed_on(MetaEnv.sparse_form)
    outcome_of = handed_on(MetaEnv.outcome_of)
    speed = handed_on(MetaEnv.speed)
    success = handed_on(MetaEnv.success)
    state_dict = handed_on(MetaEnv.state_dict)
    load_state_dict = handed_on(MetaEnv.load_state_dict)
    reset_task = handed_on(MetaEnv.reset_task)
    reset = handed_on(MetaEnv.reset)
    step = handed_on(MetaEnv.step)
    check_action = handed_on(MetaEnv.check_action)
    check_lanes = handed_on(MetaEnv.check_lanes)
    pop_diverged_tasks = handed_on(MetaEnv.pop_diverged_tasks)
    close = handed_on(MetaEnv.close)
    _reset_lanes = handed_on(MetaEnv._reset_lanes)
    _advance = handed_on(MetaEnv._advance)

    def step_checked(self, action: np.ndarray, running: np.ndarray | None = None) -> StepResult:
        """See `MetaEnv.step_checked`."""
        return self.step(action, running)


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
