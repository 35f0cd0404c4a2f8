"""One instance of a user-defined class: construction, reset, step, queries and close."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from rlkit.envs.base import MetaEnv
from rlkit.envs.class_parts import Step, bounds_of, info_of
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


class ClassInstances(MetaEnv):
    """Handles instances of a class one by one; `ClassEnv` makes lanes of them.

    Attributes:
        own_class: makes an instance.
        one_task: whether it is an ordinary environment, without `reset_task`.
    """

    own_class: ClassVar[Any]
    one_task: ClassVar[bool] = False
    outcome_dim = 4
    _settings: dict[str, Any]  # keywords of the constructor
    _task_seed: int
    _numbers: list[object]  # what `reset_task` is called with, for each task
    _action_shape: tuple[int, ...]
    _action_dtype: np.dtype[Any]
    _tells_success = False  # whether `info` has ever contained a success flag
    _tells_sparse = False

    @abc.abstractmethod
    def _start(self, instance: Any, task: object, seed: int, where: str) -> object:
        """Seed the instance, start an episode of a task, and return the observation."""

    @abc.abstractmethod
    def _split(self, result: object, where: str) -> Step:
        """Split the result of `step` into its parts."""

    def construct(self) -> Any:
        """Make an instance; all have the same tasks. EnvironmentFault if the class raises."""
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
            result = instance.step(action.reshape(self._action_shape).astype(self._action_dtype))
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
        flags = {"an end": step.terminated, "a truncation": step.truncated}
        flags["a success"] = False if told is None else told
        checked = [number(flag) for flag in flags.values()]
        if None in checked:
            meaning, flag = list(flags.items())[checked.index(None)]
            raise EnvironmentFault(
                f"{self.name}: step returned {brief(flag)} for {meaning}, expected true or false"
                f"{where}"
            )
        terminated, truncated, success = map(bool, checked)
        obs = self._as_obs(step.obs, "step", where)
        outcome = np.array([reward, sparse, terminated, success], np.float64)
        return obs, outcome, truncated and not terminated

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

    def _try(self, instance: Any) -> None:
        """Reset an instance and step it once, so that an unsuitable class fails early."""
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

    @property
    def knows_success(self) -> bool:
        """Whether the class has ever reported success or failure in `info`."""
        return self._tells_success

    def state_dict(self) -> dict[str, Any]:
        """Whether the class has said how it went; one that says so at its goal alone may not soon
        again."""
        return {"tells_success": self._tells_success}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        self._tells_success |= bool(state["tells_success"])

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

    def _type_of_actions(self, space: Any) -> np.dtype[Any]:
        return np.dtype(np.float64)

    def _hint(self) -> str:
        """Hint about the expected observation, for a message about one that does not fit."""
        return ""

    def close_one(self, instance: Any) -> None:
        """Close an instance, if it can be closed."""
        if callable(getattr(instance, "close", None)):
            close_in_time(self.name, instance.close)
