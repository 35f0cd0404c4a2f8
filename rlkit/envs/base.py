"""`MetaEnv`: a distribution of tasks over one body, with many lanes stepped together."""

import abc
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from rlkit.envs.batched import BatchedEnv, as_indices
from rlkit.envs.lanes import Advance as Advance
from rlkit.envs.lanes import Lanes, StepResult, at_least
from rlkit.envs.task_distribution import TaskDistribution


class MetaEnv(TaskDistribution, BatchedEnv):
    """A distribution of tasks: each lane has a task, and a pure function gives reward and end.

    A user-defined task distribution is a subclass. It must have
        the class attributes `name`, `obs_dim`, `act_dim`, `outcome_dim`, `task_dim`,
            `max_episode_steps` and `action_box`;
        `sample_tasks`, which draws the task set when the environment is constructed;
        `compute_reward`, which gives reward, sparse reward and end of a step;
        `_reset_lanes`, which starts episodes in some lanes;
        `_advance`, which steps some lanes.
    A constructor, where one is needed, names the settings that a JSON file may give in
    `env_params`, passes the rest on as `**settings`, and makes arrays for `num_envs` lanes after
    `super().__init__`. Everything else has a default: the attributes of `TaskDistribution`,
    `speed`, `success`, `describe_task`, `draw`, `_select_tasks` and `close`.

    """

    def __init__(
        self,
        n_tasks: int,
        *,
        task_seed: int = 1337,
        num_envs: int = 1,
        dtype: DTypeLike = np.float32,
    ) -> None:
        """Draw the task set.

        Args:
            n_tasks: size of the task set.
            task_seed: seed of the generator that draws the task set.
            num_envs: the greatest number of lanes that can be in use.
            dtype: of observations, outcomes, tasks and rewards.
        Raises:
            ValueError: a value out of its range, or an `n_tasks` that the distribution does not
                have.
        """
        super().__init__(num_envs=num_envs, dtype=dtype)
        self.n_tasks = at_least("n_tasks", n_tasks, 1)
        if self.fixed_n_tasks is not None and self.n_tasks != self.fixed_n_tasks:
            raise ValueError(
                f"n_tasks is {n_tasks}, but {self.name} has exactly {self.fixed_n_tasks} tasks"
            )
        drawn = self.sample_tasks(
            np.random.RandomState(at_least("task_seed", task_seed, 0)), self.n_tasks
        )
        self._tasks = np.asarray(drawn).astype(self.dtype)
        self._task_ids = np.zeros(0, np.int64)
        self._lane_tasks = self._tasks[self._task_ids]
        self._ended = np.zeros(self.num_envs, bool)  # a second divergence is not counted
        self._diverged_tasks: list[int] = []

    @property
    def unwrapped(self) -> "MetaEnv":
        """The environment itself, without wrappers."""
        return self

    @property
    def tasks(self) -> np.ndarray:
        """The task set, [n_tasks, task_dim] in `dtype`."""
        return self._tasks

    @property
    def task_ids(self) -> np.ndarray:
        """Task of each lane in use, int64 [num_lanes]."""
        return self._task_ids

    def success(self, outcome: Any, task: Any) -> Any:
        """Whether a step has reached what the task asks for, bool [...]; None if undefined."""
        return None

    @property
    def knows_success(self) -> bool:
        """Whether `success` is defined, so that success rates are worth columns."""
        return type(self).success is not MetaEnv.success

    def state_dict(self) -> dict[str, Any]:
        """State of the environment for a checkpoint: what it has found out about its class."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""

    def _begin(self, lanes: np.ndarray) -> None:
        super()._begin(lanes)
        self._ended[lanes] = False

    @abc.abstractmethod
    def _advance(self, action: np.ndarray, lanes: Lanes) -> Advance:
        """Step these lanes; the others are idle and must not be changed.

        Args:
            action: within the action box, float64 [n, act_dim].
            lanes: the n lanes, as an index into arrays with a row per lane.
        """

    def _select_tasks(self, lanes: np.ndarray) -> None:
        """Prepare lanes that have changed task; for bodies whose model depends on the task."""

    def _set_tasks(self, tasks: np.ndarray) -> None:
        self._tasks = tasks
        self._lane_tasks = self.tasks[self.task_ids]
        self._select_tasks(np.arange(self.num_lanes))

    def reset_task(self, task_ids: ArrayLike, lanes: ArrayLike | None = None) -> None:
        """Give lanes their tasks; these lanes must be reset before the next step.

        Args:
            task_ids: task of each lane, integers [n].
            lanes: None: from now on the n lanes 0 … n-1 are in use; otherwise the n lanes in use
                that change their task.
        Raises:
            ValueError: task or lane out of range, more than `num_envs` lanes, or different
                lengths.
        """
        selected = as_indices("task_ids", task_ids)
        if ((selected < 0) | (selected >= self.n_tasks)).any():
            raise ValueError(
                f"{self.name}: task_ids are {selected.tolist()}, expected numbers from 0 to "
                f"{self.n_tasks - 1}"
            )
        if lanes is None:
            if not 1 <= len(selected) <= self.num_envs:
                raise ValueError(
                    f"{self.name}: {len(selected)} lanes asked for, expected 1 to num_envs = "
                    f"{self.num_envs}"
                )
            self._num_lanes = len(selected)
            self._task_ids = np.empty(self.num_lanes, np.int64)
        changed = self.check_lanes(lanes)
        if len(changed) != len(selected):
            raise ValueError(f"{self.name}: {len(selected)} task_ids for {len(changed)} lanes")
        self._task_ids[changed] = selected
        self._lane_tasks = self.tasks[self.task_ids]
        self._stop(changed)
        self._select_tasks(changed)

    def _step_lanes(self, action: np.ndarray, lanes: Lanes) -> StepResult:
        """Step lanes that have not ended; the rows of the result are theirs."""
        advance = self._advance(action, lanes)
        # Rewards are computed from the numbers that are stored, so that a recomputed reward
        # equals the stored one.
        obs, outcome = advance.obs.astype(self.dtype), advance.outcome.astype(self.dtype)
        reward, sparse_reward, terminated = self.compute_reward(outcome, self._lane_tasks[lanes])
        diverged, truncated = (
            np.zeros(len(obs), bool) if flags is None else flags
            for flags in (advance.diverged, advance.truncated)
        )
        ended = self._ended[lanes]
        if diverged.any():
            terminated = terminated | diverged
            self._diverged_tasks += self.task_ids[lanes][diverged & ~ended].tolist()
        self._ended[lanes] = ended | terminated
        info = {"outcome": outcome, "sparse_reward": sparse_reward, "diverged": diverged}
        return obs, reward, terminated, truncated, info

    def pop_diverged_tasks(self) -> list[int]:
        """Task of each episode that ended because the physics failed, since the last call."""
        popped, self._diverged_tasks = self._diverged_tasks, []
        return popped

    def divergence_message(self) -> str:
        """Message: how many episodes diverged since the last call, and in which tasks; "" if none."""
        tasks = self.pop_diverged_tasks()
        if not tasks:
            return ""
        numbers = sorted(set(tasks))
        where = f"task{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
        return (
            f"{len(tasks)} episode{'s' * (len(tasks) > 1)} ended because the simulation diverged, "
            f"in {where}"
        )
