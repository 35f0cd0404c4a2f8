"""Interfaces of the environments: many lanes stepped together, and distributions of tasks over them.

A lane is one running copy of the environment. Horizons, resets in mid-rollout and random streams belong to the sampler.
"""

import abc
from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, DTypeLike

StepResult = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


class BatchedEnv(abc.ABC):
    """Lanes of one environment, stepped together, in the vocabulary of `gymnasium.vector`.

    Attributes:
        name: registered name, for example "cheetah-vel".
        num_envs: the most lanes that can be in use.
        num_lanes: lanes in use now; every array that goes in or out has this many rows.
        obs_dim, act_dim: sizes of one observation and one action.
        recorded_dim: numbers of an observation that a trajectory records: its last ones; of a stack of pictures the newest.
        max_episode_steps: customary horizon in steps; no step is ever refused or truncated because of it.
        dtype: of observations and rewards, float32 or float64.
        action_low, action_high: bounds of an action, float64 [act_dim].
        single_observation_space, single_action_space: gymnasium's boxes for one lane.
    """

    name: ClassVar[str]
    obs_dim: int
    act_dim: int
    max_episode_steps: int

    def __init__(
        self, action_low: ArrayLike, action_high: ArrayLike, *, num_envs: int, dtype: DTypeLike
    ) -> None:
        self.num_envs = at_least("num_envs", num_envs, 1)
        self.num_lanes, self.recorded_dim = 0, self.obs_dim
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
            raise ValueError(f"dtype is {self.dtype}, expected float32 or float64")
        self.action_low = np.broadcast_to(
            np.asarray(action_low, np.float64), (self.act_dim,)
        ).copy()
        self.action_high = np.broadcast_to(
            np.asarray(action_high, np.float64), (self.act_dim,)
        ).copy()
        self.single_action_space = gymnasium.spaces.Box(
            self.action_low.astype(np.float32),
            self.action_high.astype(np.float32),
            dtype=np.float32,
        )
        self.single_observation_space = gymnasium.spaces.Box(
            -np.inf, np.inf, (self.obs_dim,), np.float32 if self.dtype == np.float32 else np.float64
        )

    @abc.abstractmethod
    def reset(
        self, generators: Sequence[np.random.Generator], lanes: ArrayLike | None = None
    ) -> np.ndarray:
        """Start an episode in each of the given lanes (None: all in use); a lane's noise comes from its own generator only."""

    @abc.abstractmethod
    def step(self, action: ArrayLike) -> StepResult:
        """Advance all lanes in use by one action each."""

    def close(self) -> None:
        """Take all lanes out of use and give back what the environment holds (threads); may be called twice."""
        self.num_lanes = 0

    def check_action(self, action: ArrayLike) -> np.ndarray:
        """Take actions as a contiguous float64 array [num_lanes, act_dim]; a wrong shape or a number not finite: ValueError."""
        checked = np.ascontiguousarray(action, dtype=np.float64)
        if checked.shape != (self.num_lanes, self.act_dim):
            raise ValueError(
                f"{self.name}: action has shape {checked.shape}, expected (lanes in use, act_dim) = "
                f"({self.num_lanes}, {self.act_dim})"
            )
        if not np.isfinite(checked).all():
            bad = np.flatnonzero(~np.isfinite(checked).all(axis=1)).tolist()
            raise ValueError(
                f"{self.name}: the actions of lanes {bad} are not finite: {checked[bad[0]].tolist()}"
            )
        return checked

    def check_lanes(self, lanes: ArrayLike | None) -> np.ndarray:
        """Take lane numbers as an int64 array, None as all lanes in use; a number out of range or twice: ValueError."""
        if lanes is None:
            return np.arange(self.num_lanes)
        checked = as_indices("lanes", lanes)
        if ((checked < 0) | (checked >= self.num_lanes)).any() or len(np.unique(checked)) != len(
            checked
        ):
            raise ValueError(
                f"{self.name}: lanes are {checked.tolist()}, expected different numbers from 0 to {self.num_lanes - 1} "
                f"({self.num_lanes} lanes are in use)"
            )
        return checked


class MetaEnv(BatchedEnv):
    """A distribution of tasks over one body: each lane has a task, and one pure function gives reward and termination.

    Subclasses write `sample_tasks`, `compute_reward`, `_reset_lanes` and `_advance`.

    Attributes:
        tasks: the task set, [n_tasks, task_dim] in `dtype`.
        task_ids: task of each lane in use, int64 [num_lanes].
        outcome_dim, task_dim: how many numbers the reward depends on, and how many tell a task.
        fixed_n_tasks: the number of tasks where it cannot be chosen, else None.
        relabelable: whether tasks differ in their rewards (and ends) alone, so that `compute_reward` turns what was done for
            one task into what it would have been for another. False where they differ in dynamics or starts too.
    """

    outcome_dim: int
    task_dim: int
    fixed_n_tasks: ClassVar[int | None] = None
    relabelable: ClassVar[bool] = True

    def __init__(
        self,
        n_tasks: int,
        action_low: ArrayLike,
        action_high: ArrayLike,
        *,
        task_seed: int = 1337,
        num_envs: int = 1,
        dtype: DTypeLike = np.float32,
    ) -> None:
        """Draw the task set.

        Args:
            n_tasks: size of the task set.
            action_low, action_high: bounds of an action, numbers or [act_dim].
            task_seed: seed of the generator that draws the task set.
            num_envs: the most lanes that can be in use.
            dtype: of observations, outcomes, tasks and rewards.
        Raises:
            ValueError: a value out of its range, or an `n_tasks` that the distribution does not have.
        """
        super().__init__(action_low, action_high, num_envs=num_envs, dtype=dtype)
        self.n_tasks = at_least("n_tasks", n_tasks, 1)
        if self.fixed_n_tasks is not None and self.n_tasks != self.fixed_n_tasks:
            raise ValueError(
                f"n_tasks is {n_tasks}, but {self.name} has exactly {self.fixed_n_tasks} tasks"
            )
        drawn = self.sample_tasks(
            np.random.RandomState(at_least("task_seed", task_seed, 0)), self.n_tasks
        )
        self.tasks = np.asarray(drawn).astype(self.dtype)
        self.task_ids = np.zeros(0, np.int64)
        self._lane_tasks = self.tasks[self.task_ids]
        self._started, self._ended = np.zeros(self.num_envs, bool), np.zeros(self.num_envs, bool)
        self._waiting = False  # whether a lane in use was not started
        self._diverged_tasks: list[int] = []

    @abc.abstractmethod
    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Draw tasks, float64 [num_tasks, task_dim]."""

    @abc.abstractmethod
    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """Reward an outcome under a task. Pure, operators only: numpy arrays and torch tensors give the same numbers.

        Args:
            outcome: what a step led to, [..., outcome_dim].
            task: [..., task_dim]; leading axes broadcast.
        Returns:
            Reward, sparse reward (zero where the task has no sparse form) and terminated (boolean), each [...].
        """

    def speed(self, outcome: Any, task: Any) -> Any:
        """Speed that the task is about, [m/s], [...], arguments as for `compute_reward`; None where it is about none."""
        return None

    def success(self, outcome: Any, task: Any) -> Any:
        """Whether a step has reached what the task asks for, [...] booleans; None where the task has no such measure."""
        return None

    @abc.abstractmethod
    def _reset_lanes(
        self, generators: Sequence[np.random.Generator], lanes: np.ndarray
    ) -> np.ndarray:
        """Reset these lanes and return their observations, [len(lanes), obs_dim]."""

    @abc.abstractmethod
    def _advance(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Step the lanes in use; return observations, outcomes and which lanes diverged, [num_lanes, ...] each."""

    def _select_tasks(self, lanes: np.ndarray) -> None:
        """Called when these lanes have got a task; bodies whose model depends on the task write it here."""

    def set_tasks(self, tasks: ArrayLike) -> None:
        """Replace the task set, for example by the one stored with a run; lanes keep their task numbers.

        Args:
            tasks: [n_tasks, task_dim].
        Raises:
            ValueError: another shape, or a number that is not finite.
        """
        replaced = np.array(tasks, dtype=self.dtype)
        if replaced.shape != self.tasks.shape or not np.isfinite(replaced).all():
            raise ValueError(
                f"{self.name}: expected {self.tasks.shape} finite numbers as tasks, got shape {replaced.shape}"
            )
        self.tasks = replaced
        self._lane_tasks = self.tasks[self.task_ids]
        self._select_tasks(np.arange(self.num_lanes))

    def describe_task(self, task_id: int) -> str:
        """Say in a few words what a task asks for, for captions."""
        return np.array2string(self.tasks[task_id], precision=2, threshold=8)

    def get_all_task_idx(self) -> range:
        """Numbers of all tasks."""
        return range(self.n_tasks)

    def reset_task(self, task_ids: ArrayLike, lanes: ArrayLike | None = None) -> None:
        """Give lanes their tasks; these lanes must be reset before the next step.

        Args:
            task_ids: task of each lane, integers [n].
            lanes: None: from now on the n lanes 0 … n-1 are in use; otherwise the n lanes in use that change their task.
        Raises:
            ValueError: task or lane out of range, more than `num_envs` lanes, or different lengths.
        """
        selected = as_indices("task_ids", task_ids)
        if ((selected < 0) | (selected >= self.n_tasks)).any():
            raise ValueError(
                f"{self.name}: task_ids are {selected.tolist()}, expected numbers from 0 to {self.n_tasks - 1}"
            )
        if lanes is None:
            if not 1 <= len(selected) <= self.num_envs:
                raise ValueError(
                    f"{self.name}: {len(selected)} lanes asked for, expected 1 to num_envs = {self.num_envs}"
                )
            self.num_lanes = len(selected)
            self.task_ids = np.empty(self.num_lanes, np.int64)
        changed = self.check_lanes(lanes)
        if len(changed) != len(selected):
            raise ValueError(f"{self.name}: {len(selected)} task_ids for {len(changed)} lanes")
        self.task_ids[changed] = selected
        self._lane_tasks = self.tasks[self.task_ids]
        self._started[changed] = False
        self._waiting = not self._started[: self.num_lanes].all()
        self._select_tasks(changed)

    def reset(
        self, generators: Sequence[np.random.Generator], lanes: ArrayLike | None = None
    ) -> np.ndarray:
        """Start an episode in each of the given lanes.

        Args:
            generators: one per lane; all random numbers of a lane's reset come from its own.
            lanes: which lanes, None for all in use.
        Returns:
            First observations, [len(generators), obs_dim].
        Raises:
            ValueError: a lane not in use, or another number of generators than of lanes.
        """
        chosen = self.check_lanes(lanes)
        if len(generators) != len(chosen):
            raise ValueError(
                f"{self.name}: {len(generators)} generators for {len(chosen)} lanes, expected one each"
            )
        if not len(chosen):
            return np.zeros((0, self.obs_dim), self.dtype)
        obs = self._reset_lanes(generators, chosen)
        self._begin(chosen)
        return obs.astype(self.dtype)

    def _begin(self, lanes: np.ndarray) -> None:
        """Note that an episode begins in these lanes."""
        self._started[lanes] = True
        self._ended[lanes] = False
        self._waiting = not self._started[: self.num_lanes].all()

    def step(self, action: ArrayLike) -> StepResult:
        """Advance all lanes in use by one action each. There is no automatic reset: a terminated lane may be stepped on.

        Args:
            action: [num_lanes, act_dim], within the action box.
        Returns:
            obs [num_lanes, obs_dim], reward [num_lanes], terminated [num_lanes], truncated [num_lanes] (never True: the
            horizon is the sampler's), info with outcome [num_lanes, outcome_dim], sparse_reward [num_lanes] and diverged
            [num_lanes] (the physics failed, which terminates the lane and disturbs no other).
        Raises:
            ValueError: wrong shape, an action that is not finite, or a lane that was never reset.
        """
        return self.step_checked(self.check_action(action))

    def step_checked(self, action: np.ndarray) -> StepResult:
        """`step` for actions that `check_action` has seen."""
        if self._waiting:
            waiting = np.flatnonzero(~self._started[: self.num_lanes]).tolist()
            raise ValueError(
                f"{self.name}: lanes {waiting} have a new task and must be reset before a step"
            )
        obs, outcome, diverged = self._advance(action)
        # Rewards are computed from the numbers that are stored, so that a recomputed reward equals the stored one.
        outcome = outcome.astype(self.dtype)
        reward, sparse_reward, terminated = self.compute_reward(outcome, self._lane_tasks)
        ended = self._ended[: self.num_lanes]
        if diverged.any():
            terminated = terminated | diverged
            self._diverged_tasks += self.task_ids[diverged & ~ended].tolist()
        ended |= terminated
        info = {"outcome": outcome, "sparse_reward": sparse_reward, "diverged": diverged}
        return obs.astype(self.dtype), reward, terminated, np.zeros(self.num_lanes, bool), info

    def take_diverged(self) -> list[int]:
        """Tell the task of each episode that ended because the physics failed, since the last call of this method."""
        taken, self._diverged_tasks = self._diverged_tasks, []
        return taken


def at_least(name: str, value: int, smallest: int) -> int:
    """Check that a setting is an integer not below `smallest`; ValueError naming it otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < smallest:
        raise ValueError(f"{name} is {value!r}, expected an integer of at least {smallest}")
    return int(value)


def as_indices(name: str, values: ArrayLike) -> np.ndarray:
    """Take a sequence of integers as an int64 array [n]; ValueError naming it otherwise."""
    checked = np.atleast_1d(np.asarray(values))
    if checked.ndim != 1 or (checked.size and not np.issubdtype(checked.dtype, np.integer)):
        raise ValueError(f"{name} are {values!r}, expected a sequence of integers")
    return checked.astype(np.int64)
