"""Reads the spaces and tasks of an instance of a user-defined class."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from rlkit.envs.faults import EnvironmentFault, answering, brief, numbers


class Step(NamedTuple):
    """Result of a class's `step`, with terminated and truncated separated; not yet checked."""

    obs: object
    reward: object
    terminated: object
    truncated: object
    info: object


def bounds_of(name: str, instance: Any, space_name: str) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of a space of an instance, flat and float64.

    Raises:
        EnvironmentFault: the space is not a box.
    """
    with answering(name, space_name):
        space = getattr(instance, space_name, None)
        shape = getattr(space, "shape", None)
        low, high = (numbers(getattr(space, bound, None)) for bound in ("low", "high"))
    if not isinstance(shape, tuple) or not shape or low is None or high is None:
        raise EnvironmentFault(
            f"{name}: {space_name} is {brief(space)}, expected something with shape, low and high"
        )
    if not low.shape == high.shape == shape or low.size == 0:
        raise EnvironmentFault(
            f"{name}: {space_name} has shape {shape}, but bounds of shapes {low.shape} and "
            f"{high.shape}; expected equal ones, not empty"
        )
    low, high = low.astype(np.float64).ravel(), high.astype(np.float64).ravel()
    if not (low <= high).all():
        raise EnvironmentFault(
            f"{name}: the bounds of {space_name} are {brief(low)} and {brief(high)}, expected "
            "lower ones first"
        )
    return low, high


def task_numbers(name: str, instance: Any, given: int | None) -> list[object]:
    """Task indices to call `reset_task` with.

    Args:
        name: of the class, as in `env_name`.
        instance: declares its tasks by `get_all_task_idx`, `n_tasks` or `num_tasks`.
        given: the number of tasks the class was constructed with, used if it declares none.
    Raises:
        EnvironmentFault: there is no such number.
    """
    if callable(getattr(instance, "get_all_task_idx", None)):
        with answering(name, "get_all_task_idx", "; expected the numbers of the tasks"):
            found = list(instance.get_all_task_idx())
    else:
        counts = getattr(instance, "n_tasks", None), getattr(instance, "num_tasks", None), given
        told = [count for count in counts if _is_integer(count)]
        found = list(range(told[0])) if told else []
    if not found or not all(_is_integer(task) for task in found):
        raise EnvironmentFault(
            f"{name} does not say how many tasks it has; expected a method get_all_task_idx that "
            "gives at least one number, or an attribute n_tasks or num_tasks of at least 1"
        )
    return found


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def info_of(name: str, step: Step, where: str) -> Mapping[str, object]:
    """The info of a step, empty where the class gave None.

    Raises:
        EnvironmentFault: the info is not a dictionary.
    """
    info = {} if step.info is None else step.info
    if not isinstance(info, Mapping):
        raise EnvironmentFault(
            f"{name}: step returned the info {brief(info)}, expected a dictionary{where}"
        )
    return info
