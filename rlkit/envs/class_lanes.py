"""Lanes of a class of one's own: an instance for each lane. Its outcome is what `step` returned."""

import abc
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from rlkit.envs.base import Advance, MetaEnv
from rlkit.envs.batched import Lanes, at_least
from rlkit.envs.class_parts import Step, bounds_of, info_of, task_numbers
from rlkit.envs.faults import (
    EnvironmentFault,
    answering,
    brief,
    close_in_time,
    fits,
    number,
    numbers,
    said,
)
from rlkit.envs.legacy_random import legacy_random_numbers, legacy_source

TRIAL_STEPS = 20  # in which a class that has a sparse reward is expected to give it


class ClassEnv(MetaEnv):
    """Lanes of a class, an instance each; `class_adapter` makes the subclass for a class.

    The task is its number. The outcome is (reward, sparse reward, terminated, success) as the class
    returned them; `info` may hold "sparse_reward", and "success" or "is_success". A lane that has
    ended stands still until its reset, so that a class is never stepped beyond an end.

    Random numbers: an instance is constructed while `numpy.random` is seeded with `task_seed`, so
    that all lanes have the same tasks. At each reset of a lane, `numpy.random` and the instance are
    seeded from the lane's generator; later steps of the lane go on with its own numbers.

    Attributes:
        own_class: makes an instance.
        handed: keywords that the class names, of those that it shares with this one.
        left_out: keywords for which None means the class's own default, which JSON cannot hold.
        one_task: whether it is an ordinary environment, without `reset_task`.
    """

    own_class: ClassVar[Any]
    handed: ClassVar[frozenset[str]] = frozenset({"n_tasks"})
    left_out: ClassVar[frozenset[str]] = frozenset()
    one_task: ClassVar[bool] = False
    relabelable = False  # the class gives the reward of its own task only
    outcome_dim = 4
    task_dim = 1
    max_episode_steps = 200

    def __init__(
        self,
        n_tasks: int | None = None,
        *,
        task_seed: int = 1337,
        num_envs: int = 1,
        dtype: DTypeLike = np.float32,
        **settings: Any,
    ) -> None:
        """Construct the first instance; others follow when their lanes are used.

        Args:
            n_tasks: size of the task set, if the class is to be told.
            task_seed: seeds `numpy.random` while an instance is constructed.
            num_envs: the most lanes that can be in use.
            dtype: of observations, outcomes, tasks and rewards.
            **settings: handed to the class.
        Raises:
            EnvironmentFault: the class does not do what is expected of it.
        """
        self._task_seed = at_least("task_seed", task_seed, 0)
        shared = {"n_tasks": n_tasks, "task_seed": self._task_seed}
        self._settings = {
            key: value
            for key, value in {**shared, **settings}.items()
            if (key in self.handed or key not in shared)
            and not (value is None and (key in self.left_out or key == "n_tasks"))
        }
        if n_tasks is not None:
            at_least("n_tasks", n_tasks, 1)
        self._instances: list[Any] = []
        first = self._instance(0)
        self.obs_dim = bounds_of(self.name, first, "observation_space")[0].size
        self.action_box = low, high = bounds_of(self.name, first, "action_space")
        self.act_dim, self._action_shape = low.size, first.action_space.shape
        if not fits(np.concatenate([low, high]), np.float32):
            raise EnvironmentFault(
                f"{self.name}: the bounds of action_space are {low} and {high}, expected finite "
                "numbers"
            )
        given = self._settings.get("n_tasks")
        self._numbers = [0] if self.one_task else task_numbers(self.name, first, given)
        count = len(self._numbers)
        if n_tasks not in (None, count):
            raise EnvironmentFault(
                f"{self.name}: n_tasks is {n_tasks}, but the class has {count} tasks; set n_tasks "
                "to that"
            )
        super().__init__(count, task_seed=task_seed, num_envs=num_envs, dtype=dtype)
        self._streams: dict[int, np.random.BitGenerator] = {}
        self._obs = np.zeros((self.num_envs, self.obs_dim))
        self._outcomes = np.zeros((self.num_envs, self.outcome_dim))
        self._truncated = np.zeros(self.num_envs, bool)
        self._clock = np.zeros(self.num_envs, int)
        self._tells_success = self._tells_sparse = False
        self._try(first)

    @abc.abstractmethod
    def _start(self, instance: Any, task: object, seed: int, where: str) -> object:
        """Start an episode of a task, the instance's own generator seeded; give the observation."""

    @abc.abstractmethod
    def _split(self, result: object, where: str) -> Step:
        """Take apart what `step` returned."""

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Number the tasks, [num_tasks, 1]; the class itself draws what they are."""
        return np.arange(num_tasks)[:, None]

    def set_tasks(self, tasks: ArrayLike) -> None:
        """Accept the numbers of the tasks, which is all that is known of them.

        Raises:
            ValueError: anything else.
        """
        if not np.array_equal(tasks, self.tasks):
            raise ValueError(
                f"{self.name}: tasks live in the class and cannot be replaced; expected the "
                f"numbers 0 to {self.n_tasks - 1}"
            )

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """What the class returned, whatever the task."""
        nothing = 0 * task[..., 0]  # gives the result the task's leading axes
        return outcome[..., 0] + nothing, outcome[..., 1] + nothing, outcome[..., 2] + nothing > 0.5

    def success(self, outcome: Any, task: Any) -> Any:
        """What the class says in `info`; None as long as it never has."""
        return outcome[..., 3] + 0 * task[..., 0] > 0.5 if self._tells_success else None

    def construct(self) -> Any:
        """Make an instance; all have the same tasks.

        Raises:
            EnvironmentFault: the class raised.
        """
        with legacy_random_numbers(legacy_source(self._task_seed)):
            try:
                return self.own_class(**self._settings)
            except (Exception, SystemExit) as error:  # whatever the class raises
                if isinstance(error, MemoryError):
                    raise
                given = ", ".join(f"{key}={value!r}" for key, value in self._settings.items())
                raise EnvironmentFault(
                    f"{self.name}: cannot be constructed with {given or 'no arguments'} "
                    f"({said(error)})"
                ) from error

    def begin(self, instance: Any, task_id: int, seed: int, where: str = "") -> np.ndarray:
        """Start an episode of an instance; the observation, float64 [obs_dim].

        Raises:
            EnvironmentFault: the class raised, or gave no such observation.
        """
        obs = self._start(instance, self._numbers[task_id], seed, where)
        return self._as_obs(obs, "reset", where)

    def advance_one(
        self, instance: Any, action: np.ndarray, where: str = ""
    ) -> tuple[np.ndarray, np.ndarray, bool]:
        """Step an instance; observation [obs_dim], outcome [outcome_dim] and truncated.

        Raises:
            EnvironmentFault: the class raised, or gave something that cannot be used.
        """
        with answering(self.name, "step", where):
            result = instance.step(action.reshape(self._action_shape).copy())
        step = self._split(result, where)
        info = info_of(self.name, step, where)
        rewards = step.reward, info.get("sparse_reward", 0.0)
        reward, sparse = (number(value, self.dtype) for value in rewards)
        if reward is None or sparse is None:
            raise EnvironmentFault(
                f"{self.name}: step returned the reward {brief(rewards[0])} (sparse "
                f"{brief(rewards[1])}), expected finite numbers of {self.dtype}{where}"
            )
        told = info.get("success", info.get("is_success"))
        self._tells_success |= told is not None
        self._tells_sparse |= "sparse_reward" in info
        flags = {"an end": step.terminated, "a truncation": step.truncated, "a success": told}
        checked = {key: number(False if flag is None and key == "a success" else flag)
                   for key, flag in flags.items()}  # fmt: skip
        for key, flag in checked.items():
            if flag is None:
                raise EnvironmentFault(
                    f"{self.name}: step returned {brief(flags[key])} for {key}, expected true or "
                    f"false{where}"
                )
        terminated, truncated, success = (bool(flag) for flag in checked.values())
        obs = self._as_obs(step.obs, "step", where)
        outcome = np.array([reward, sparse, terminated, success], np.float64)
        return obs, outcome, truncated and not terminated

    def _instance(self, lane: int) -> Any:
        """The instance of a lane, constructed when it is first asked for."""
        while len(self._instances) <= lane:
            self._instances.append(self.construct())
        return self._instances[lane]

    def _try(self, instance: Any) -> None:
        """Reset an instance and step it once, so that a class that does not fit fails early."""
        spaces = {
            space: np.copy(bounds_of(self.name, instance, space))
            for space in ("observation_space", "action_space")
        }
        with legacy_random_numbers(legacy_source(0)):
            self.begin(instance, 0, 0, " (lane 0)")
            middle = 0.5 * (self.action_low + self.action_high)
            self.advance_one(instance, middle, " (lane 0, step 1)")
        for space, before in spaces.items():
            if not np.array_equal(before, bounds_of(self.name, instance, space)):
                raise EnvironmentFault(
                    f"{self.name}: {space} is another one after reset, expected the same"
                )

    def sparse_form(self) -> bool:
        """Whether the info of trial steps, on a further instance, holds "sparse_reward"."""
        instance, middle = self.construct(), 0.5 * (self.action_low + self.action_high)
        with legacy_random_numbers(legacy_source(self._task_seed)):
            self.begin(instance, 0, 0)
            for n in range(TRIAL_STEPS):
                _, outcome, truncated = self.advance_one(instance, middle)
                if self._tells_sparse:
                    break
                if outcome[2] or truncated:
                    self.begin(instance, 0, n + 1)
        self.close_one(instance)
        return self._tells_sparse

    def _as_obs(self, obs: object, method: str, where: str) -> np.ndarray:
        """Take an observation as a finite array [obs_dim]."""
        array = None if isinstance(obs, tuple) else numbers(obs)
        if array is None or array.size != self.obs_dim:
            raise EnvironmentFault(
                f"{self.name}: {method} gave an observation {brief(obs)}, expected an array of "
                f"{self.obs_dim} numbers as observation_space says{self._hint()}{where}"
            )
        if not fits(array, self.dtype):
            raise EnvironmentFault(
                f"{self.name}: {method} gave an observation that is not finite: {brief(array)}, "
                f"expected finite numbers of {self.dtype}{where}"
            )
        return array.astype(np.float64).ravel()

    def _hint(self) -> str:
        """What the kind of class returns, where an observation does not fit."""
        return ""

    def _reset_lanes(
        self, generators: Sequence[np.random.Generator], lanes: np.ndarray
    ) -> np.ndarray:
        for generator, lane in zip(generators, lanes.tolist(), strict=True):
            instance, task_id = self._instance(lane), int(self.task_ids[lane])
            seed, own_seed = generator.integers(2**31, size=2).tolist()
            self._streams[lane] = legacy_source(seed)
            with legacy_random_numbers(self._streams[lane]):
                self._obs[lane] = self.begin(instance, task_id, own_seed, f" (lane {lane})")
            self._outcomes[lane], self._truncated[lane], self._clock[lane] = 0, False, 0
        return self._obs[lanes]

    def _advance(self, action: np.ndarray, lanes: Lanes) -> Advance:
        for row, lane in enumerate(np.arange(self.num_lanes)[lanes].tolist()):
            if self._outcomes[lane, 2] or self._truncated[lane]:
                continue  # a class is never stepped beyond an end
            self._clock[lane] += 1
            where = f" (lane {lane}, step {self._clock[lane]})"
            with legacy_random_numbers(self._streams[lane]):
                self._obs[lane], self._outcomes[lane], self._truncated[lane] = self.advance_one(
                    self._instances[lane], action[row], where
                )
        truncated = self._truncated[lanes].copy()
        return Advance(self._obs[lanes], self._outcomes[lanes], truncated=truncated)

    def close(self) -> None:
        """Take all lanes out of use and close the instances; may be called twice."""
        super().close()
        instances, self._instances = self._instances, []
        for instance in instances:
            self.close_one(instance)

    def close_one(self, instance: Any) -> None:
        """Close an instance, if it can be closed."""
        if callable(getattr(instance, "close", None)):
            close_in_time(self.name, instance.close)
