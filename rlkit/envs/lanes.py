"""Arguments and results of a step of many lanes."""

from typing import Any, NamedTuple

import numpy as np

StepResult = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]
Lanes = slice | np.ndarray  # indexes the rows of some lanes: slice(n) for the first n, or numbers


class Advance(NamedTuple):
    """Result of stepping n lanes.

    Attributes:
        obs: observations after the step, [n, obs_dim].
        outcome: what the reward depends on, [n, outcome_dim].
        diverged: lanes whose physics failed, bool [n]; this terminates them. None: no lane.
        truncated: lanes that the class cuts off although the task is not over, bool [n]; None: no
            lane. The horizon of training is the sampler's, not the environment's.
    """

    obs: np.ndarray
    outcome: np.ndarray
    diverged: np.ndarray | None = None
    truncated: np.ndarray | None = None


def at_least(name: str, value: int, smallest: int) -> int:
    """Check that a setting is an integer not below `smallest`; ValueError naming it otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < smallest:
        raise ValueError(f"{name} is {value!r}, expected an integer of at least {smallest}")
    return int(value)
