"""Task distributions written for old gym (`reset_task`, 4-tuple `step`), trained unchanged.

Gym itself is not imported.

Their rewards cannot be computed again for another task: the outcome of a step is what the class
returned.
"""

import contextlib
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from rlkit.envs.base import Advance, MetaEnv
from rlkit.envs.batched import Lanes, at_least


@contextlib.contextmanager
def legacy_random_numbers(source: np.random.BitGenerator) -> Iterator[None]:
    """Let the functions of `numpy.random`, from which old classes draw, draw from `source`.

    Then give back what was there.

    What is given back continues where it was, but for the second of a pair of normal numbers, if
    one was waiting.
    """
    ambient = np.random.get_bit_generator()  # type: ignore[attr-defined]
    np.random.set_bit_generator(source)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        np.random.set_bit_generator(ambient)  # type: ignore[attr-defined]


def legacy_source(seed: int) -> np.random.BitGenerator:
    """Make the generator that `np.random.seed(seed)` would give `numpy.random`."""
    source = np.random.MT19937(0)
    source.state = cast(Any, np.random.RandomState(seed).get_state(legacy=False))
    return source


TRIAL_STEPS = 20  # in which a class that has a sparse reward is expected to give it


class OldGymEnv(MetaEnv):
    """Lanes of a class of old gym, an instance each.

    `old_gym_adapter` makes the subclass for a class.

    The task is its number. The outcome is (reward, sparse reward, terminated) as the class returned
    them; `info` may hold "sparse_reward". A lane that has ended stands still until its reset.

    Random numbers: an instance is constructed while `numpy.random` is seeded with `task_seed`, so
    that all lanes have the same tasks. At each reset of a lane, `numpy.random` and, where there is
    a method `seed`, the instance are seeded from the lane's generator, then come `reset_task` and
    `reset`; later steps of the lane go on with its own numbers.
    """

    old_class: ClassVar[type]
    relabelable = False  # the class gives the reward of its own task only
    outcome_dim = 3
    task_dim = 1
    max_episode_steps = 200

    def __init__(
        self,
        n_tasks: int,
        *,
        task_seed: int = 1337,
        num_envs: int = 1,
        dtype: DTypeLike = np.float32,
        **settings: Any,
    ) -> None:
        """Construct the first instance; others follow when their lanes are used.

        Args:
            n_tasks: size of the task set, handed to the class.
            task_seed: seeds `numpy.random` while an instance is constructed.
            num_envs: the most lanes that can be in use.
            dtype: of observations, outcomes, tasks and rewards.
            **settings: handed to the class.
        Raises:
            ValueError: the class does not do what is expected of it.
        """
        self._settings = {"n_tasks": at_least("n_tasks", n_tasks, 1), **settings}
        self._task_seed = at_least("task_seed", task_seed, 0)
        self._instances: list[Any] = []
        first = self._instance(0)
        self.obs_dim = self._box_size(first, "observation_space")
        self.act_dim = self._box_size(first, "action_space")
        self._action_shape = first.action_space.shape
        low, high = (
            np.asarray(getattr(first.action_space, bound), np.float64).ravel()
            for bound in ("low", "high")
        )
        if not (np.isfinite(low) & np.isfinite(high)).all():
            raise ValueError(
                f"{self.name}: the bounds of action_space are {low} and {high}, expected finite "
                "numbers"
            )
        self.action_box = low, high
        super().__init__(n_tasks, task_seed=task_seed, num_envs=num_envs, dtype=dtype)
        self._numbers = list(first.get_all_task_idx())
        if len(self._numbers) != self.n_tasks:
            raise ValueError(
                f"{self.name}: n_tasks is {n_tasks}, but the class has {len(self._numbers)} tasks; "
                "set n_tasks to that"
            )
        self._try(first)
        self._streams: dict[int, np.random.BitGenerator] = {}
        self._obs = np.zeros((self.num_envs, self.obs_dim))
        self._outcomes = np.zeros((self.num_envs, self.outcome_dim))
        self._truncated = np.zeros(self.num_envs, bool)

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

    def _instance(self, lane: int) -> Any:
        """The instance of a lane, constructed when it is first asked for."""
        while len(self._instances) <= lane:
            with legacy_random_numbers(legacy_source(self._task_seed)):
                try:
                    self._instances.append(self.old_class(**self._settings))
                except Exception as error:  # whatever the class raises
                    given = ", ".join(f"{key}={value!r}" for key, value in self._settings.items())
                    raise ValueError(
                        f"{self.name}: cannot be constructed with {given} ({_said(error)})"
                    ) from error
        return self._instances[lane]

    def _try(self, instance: Any) -> None:
        """Reset an instance and step it once, so that a class that does not fit fails early."""
        try:
            with legacy_random_numbers(legacy_source(0)):
                instance.reset_task(self._numbers[0])
                obs = instance.reset()
                result = instance.step(
                    (0.5 * (self.action_low + self.action_high)).reshape(self._action_shape)
                )
        except Exception as error:  # whatever the class raises
            raise ValueError(
                f"{self.name}: reset_task, reset or step failed ({_said(error)})"
            ) from error
        self._as_obs(obs, "reset")
        self._unpack(result)

    def sparse_form(self) -> bool | None:
        """Whether the info of trial steps, on a further instance, holds "sparse_reward".

        Raises:
            ValueError: the class fails meanwhile.
        """
        middle = (0.5 * (self.action_low + self.action_high)).reshape(self._action_shape)
        try:
            with legacy_random_numbers(legacy_source(self._task_seed)):
                instance = self.old_class(**self._settings)
                instance.reset_task(self._numbers[0])
                instance.reset()
                for _ in range(TRIAL_STEPS):
                    _, _, done, info = instance.step(middle)
                    if "sparse_reward" in (info or {}):
                        return True
                    if done:
                        instance.reset()
        except Exception as error:  # whatever the class raises
            raise ValueError(f"{self.name}: a trial step failed ({_said(error)})") from error
        return False

    def _box_size(self, instance: Any, name: str) -> int:
        space = getattr(instance, name, None)
        shape = getattr(space, "shape", None)
        if not shape or not hasattr(space, "low") or not hasattr(space, "high"):
            raise ValueError(
                f"{self.name}: {name} is {space!r}, expected something with shape, low and high"
            )
        return int(np.prod(shape))

    def _as_obs(self, obs: Any, method: str) -> np.ndarray:
        """Take an observation as a finite array [obs_dim]."""
        try:
            checked = np.asarray(obs, np.float64).ravel()
        except (TypeError, ValueError):
            checked = np.zeros(0)
        if checked.size != self.obs_dim or isinstance(obs, tuple):
            raise ValueError(
                f"{self.name}: {method} gave an observation {brief(obs)}, expected an array of "
                f"{self.obs_dim} numbers "
                "as observation_space says (old gym: reset returns the observation alone)"
            )
        if not np.isfinite(checked).all():
            raise ValueError(
                f"{self.name}: {method} gave an observation that is not finite: {checked}"
            )
        return checked

    def _unpack(self, result: Any) -> tuple[np.ndarray, tuple[float, float, bool], bool]:
        """Convert what `step` returned to observation, outcome and truncated.

        An end that old gym's time limit made is a truncation.
        """
        if not isinstance(result, tuple) or len(result) != 4:
            found = f"{len(result)} values" if isinstance(result, tuple) else brief(result)
            raise ValueError(
                f"{self.name}: step returned {found}, expected 4: observation, reward, done, info"
            )
        obs, reward, done, info = result
        info = info or {}
        truncated = bool(done) and bool(info.get("TimeLimit.truncated", False))
        terminated = bool(done) and not truncated
        outcome = float(reward), float(info.get("sparse_reward", 0.0)), terminated
        if not np.isfinite(outcome[:2]).all():
            raise ValueError(
                f"{self.name}: step returned the reward {outcome[0]} (sparse {outcome[1]}), "
                "expected finite numbers"
            )
        return self._as_obs(obs, "step"), outcome, truncated

    def _reset_lanes(
        self, generators: Sequence[np.random.Generator], lanes: np.ndarray
    ) -> np.ndarray:
        for generator, lane in zip(generators, lanes.tolist(), strict=True):
            instance, number = self._instance(lane), self._numbers[self.task_ids[lane]]
            seed, own_seed = generator.integers(2**31, size=2).tolist()
            self._streams[lane] = legacy_source(seed)
            with legacy_random_numbers(self._streams[lane]):
                if callable(getattr(instance, "seed", None)):
                    instance.seed(own_seed)
                instance.reset_task(number)
                self._obs[lane] = self._as_obs(instance.reset(), "reset")
            self._outcomes[lane], self._truncated[lane] = 0, False
        return self._obs[lanes]

    def _advance(self, action: np.ndarray, lanes: Lanes) -> Advance:
        for row, lane in enumerate(np.arange(self.num_lanes)[lanes].tolist()):
            if self._outcomes[lane, 2] or self._truncated[lane]:
                continue  # a class is never stepped beyond an end
            with legacy_random_numbers(self._streams[lane]):
                result = self._instances[lane].step(action[row].reshape(self._action_shape).copy())
            self._obs[lane], self._outcomes[lane], self._truncated[lane] = self._unpack(result)
        truncated = self._truncated[lanes].copy()
        return Advance(self._obs[lanes], self._outcomes[lanes], truncated=truncated)

    def close(self) -> None:
        """Take all lanes out of use and close the instances; may be called twice."""
        super().close()
        for instance in self._instances:
            if callable(getattr(instance, "close", None)):
                instance.close()
        self._instances = []


def _said(error: Exception) -> str:
    """What an exception of the class says, and from where."""
    lines = str(error).strip().splitlines() or [""]
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {lines[0]}, {Path(place.filename).name} line {place.lineno}"


def brief(value: Any) -> str:
    """A value as text of at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
