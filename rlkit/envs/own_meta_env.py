"""Checks a user-defined `MetaEnv`: each error is reported in one message."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rlkit.envs.base import Advance, MetaEnv
from rlkit.envs.faults import (
    EnvironmentFault,
    answering,
    brief,
    close_in_time,
    fits,
    kind_of,
    numbers,
)
from rlkit.envs.lanes import Lanes


def watched(found: type[MetaEnv], name: str, settings: Mapping[str, Any]) -> MetaEnv:
    """Construct an environment of a user-defined class with every method checked.

    Args:
        found: the class.
        name: `module:Class`, for messages.
        settings: keywords of its constructor.
    Raises:
        EnvironmentFault: the constructor raised, or attributes are missing or invalid.
    """
    given = ", ".join(f"{key}={value!r}" for key, value in settings.items())
    with answering(name, f"constructor with {given or 'no arguments'}"):
        env: MetaEnv = _watched_class(found, name)(**settings)
    _check_attributes(env, name)
    return env


def try_out(env: MetaEnv) -> None:
    """Reset the first lane and step it once, so that an unsuitable class fails early."""
    env.reset_task([0])
    env.reset([np.random.default_rng(0)])
    env.step(0.5 * (env.action_low + env.action_high)[None])


def _check_attributes(env: MetaEnv, name: str) -> None:
    smallest = {"obs_dim": 1, "act_dim": 1, "outcome_dim": 1, "task_dim": 0, "max_episode_steps": 1}
    for attribute, least in smallest.items():
        value = getattr(env, attribute, None)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise EnvironmentFault(
                f"{name}: {attribute} is {brief(value)}, expected an integer of at least {least}"
            )
    low, high = env.action_low, env.action_high
    if not (np.isfinite(low) & np.isfinite(high) & (low < high)).all():
        raise EnvironmentFault(
            f"{name}: action_box is {low} and {high}, expected finite numbers, the lower first"
        )


def _watched_class(found: type[MetaEnv], name: str) -> Any:
    """Derive a class that checks the results of the methods of `found`."""

    class Watched(found):  # type: ignore[valid-type, misc]
        def __init__(self, **settings: Any) -> None:
            self._clock = np.zeros(0, int)
            super().__init__(**settings)
            self._clock = np.zeros(self.num_envs, int)  # steps of the episode of each lane

        def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
            with answering(name, "sample_tasks"):
                drawn = super().sample_tasks(rng, num_tasks)
            shape = num_tasks, self.task_dim
            return _array(name, "sample_tasks gave tasks", drawn, shape, dtype=self.dtype)

        def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
            with answering(name, "compute_reward"):
                result = super().compute_reward(outcome, task)
            if not isinstance(result, tuple) or len(result) != 3:
                raise EnvironmentFault(
                    f"{name}: compute_reward gave {brief(result)}, expected 3 values: reward, "
                    "sparse reward, terminated"
                )
            if isinstance(outcome, np.ndarray):
                shape = np.broadcast_shapes(outcome.shape[:-1], np.shape(task)[:-1])
                for what, value in zip(("rewards", "sparse rewards", "ends"), result, strict=True):
                    _array(name, f"compute_reward gave {what}", value, shape, dtype=self.dtype)
            return result

        def _select_tasks(self, lanes: np.ndarray) -> None:
            with answering(name, "_select_tasks"):
                super()._select_tasks(lanes)

        def _reset_lanes(
            self, generators: Sequence[np.random.Generator], lanes: np.ndarray
        ) -> np.ndarray:
            with answering(name, "_reset_lanes", f" (lanes {_some(lanes)})"):
                obs = super()._reset_lanes(generators, lanes)
            self._clock[lanes] = 0
            shape = len(lanes), self.obs_dim
            where = "_reset_lanes gave observations"
            return _array(name, where, obs, shape, lanes, self._clock, self.dtype)

        def _advance(self, action: np.ndarray, lanes: Lanes) -> Advance:
            numbered = np.arange(self.num_lanes)[lanes]
            self._clock[numbered] += 1
            with answering(name, "_advance", _at(numbered, self._clock)):
                advance = super()._advance(action, lanes)
            return _checked(name, self, advance, numbered, self._clock)

        @property
        def can_be_drawn(self) -> bool:
            return self.has_simulation or found.draw is not MetaEnv.draw

        def draw(self, lanes: np.ndarray, size: int) -> np.ndarray:
            if not self.can_be_drawn:
                return super().draw(lanes, size)
            with answering(name, "draw", _at(lanes, self._clock)):
                pictures = super().draw(lanes, size)
            shape = len(lanes), size, size, 3
            if np.shape(pictures) != shape or np.asarray(pictures).dtype != np.uint8:
                raise EnvironmentFault(
                    f"{name}: draw gave {kind_of(pictures)}, expected uint8 pictures of shape "
                    f"{shape}{_at(lanes, self._clock)}"
                )
            return pictures

        def close(self) -> None:
            close_in_time(name, super().close)

    Watched.__name__, Watched.__qualname__ = found.__name__, found.__qualname__
    Watched.__doc__ = found.__doc__
    return Watched


def _checked(
    name: str, env: MetaEnv, advance: object, lanes: np.ndarray, clock: np.ndarray
) -> Advance:
    """Check the result of `_advance` for some lanes, [n], and convert it to arrays."""
    if not isinstance(advance, Advance):
        raise EnvironmentFault(
            f"{name}: _advance gave {brief(advance)}, expected an Advance{_at(lanes, clock)}"
        )

    def part(what: str, value: object, *width: int) -> np.ndarray:
        shape = len(lanes), *width
        return _array(name, f"_advance gave {what}", value, shape, lanes, clock, env.dtype)

    flags = {"diverged": advance.diverged, "truncated": advance.truncated}
    return Advance(
        part("obs", advance.obs, env.obs_dim),
        part("outcome", advance.outcome, env.outcome_dim),
        **{key: None if flag is None else part(key, flag) for key, flag in flags.items()},
    )


def _array(
    name: str,
    what: str,
    value: object,
    shape: tuple[int, ...],
    lanes: np.ndarray | None = None,
    clock: np.ndarray | None = None,
    dtype: np.dtype[Any] | None = None,
) -> np.ndarray:
    """Convert the result of a method to an array of finite numbers of a given shape.

    Args:
        name: of the class.
        what: method and meaning, for the message.
        value: the result.
        shape: expected.
        lanes: the lane of each row, where rows are lanes.
        clock: step of each lane in its episode.
        dtype: type in which the numbers must be finite.
    """
    array = numbers(value)
    where = "" if lanes is None or clock is None else _at(lanes, clock)
    if array is None or array.shape != shape:
        found = brief(value) if array is None else f"of shape {array.shape}"
        raise EnvironmentFault(
            f"{name}: {what} {found}, expected an array of numbers of shape {shape}{where}"
        )
    if not fits(array, np.float64 if dtype is None else dtype):
        if lanes is not None and clock is not None:
            rows = array.reshape(len(array), -1)
            bad = np.flatnonzero([not fits(row, dtype or np.float64) for row in rows])
            where, array = _at(lanes[bad], clock), array[bad[0]]
        raise EnvironmentFault(
            f"{name}: {what} {brief(array)}, expected finite numbers of {dtype or 'float64'}{where}"
        )
    return array


def _at(lanes: np.ndarray, clock: np.ndarray) -> str:
    return f" (lanes {_some(lanes)}, step {clock[lanes[0]]} of lane {lanes[0]})"


def _some(lanes: np.ndarray) -> str:
    more = ", ..." if len(lanes) > 4 else ""
    return ", ".join(map(str, lanes[:4].tolist())) + more
