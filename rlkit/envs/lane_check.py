"""Compares instances of a class at the start of a run: whether all lanes have the same tasks.

An instance is first compared with itself, so that its internal noise is not mistaken for different
tasks.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rlkit.envs.class_lanes import ClassEnv
from rlkit.envs.faults import EnvironmentFault, answering, numbers
from rlkit.envs.legacy_random import legacy_random_numbers, legacy_source

TASKS, STEPS = 20, 20
ATTRIBUTES = ("tasks", "_tasks", "goals", "_goals")  # of the whole set
SELECTED = ("goal", "_goal", "task", "_task")  # of the current task


class Record(NamedTuple):
    """Behaviour of an instance in some tasks, under given random numbers and actions.

    Attributes:
        observations, rewards: by task and step.
        attributes: numbers of `ATTRIBUTES`, and of `SELECTED` in each task.
    """

    observations: list[np.ndarray]
    rewards: list[np.ndarray]
    attributes: list[np.ndarray | None]


def compare_lanes(env: ClassEnv, num_lanes: int) -> list[str]:
    """Compare fresh instances of the class over random steps in up to 20 tasks.

    Args:
        env: provides the class; its own instances are not used.
        num_lanes: lanes that a run will use.
    Returns:
        Messages for the user, if the class has internal noise.
    Raises:
        EnvironmentFault: instances have different tasks, or share the current task; the message
            says how to fix it.
    """
    tasks = np.unique(np.linspace(0, env.n_tasks - 1, TASKS).astype(int)).tolist()
    one, other = env.construct(), env.construct()
    try:
        first, again, second = (_record(env, instance, tasks) for instance in (one, one, other))
        noisy = _differences(first, again)
        if different := sorted(_differences(first, second) - noisy):
            raise EnvironmentFault(
                f"{env.name}: two instances have different tasks, they differ in "
                f"{' and '.join(different)}; expected the same tasks in every lane: draw them from "
                "numpy.random, or from the seed that the constructor is given (task_seed)"
            )
        if num_lanes > 1 and len(tasks) > 1:
            disturbed = _record(env, one, tasks, beside=other)
            if shared := sorted(_differences(first, disturbed) - noisy):
                raise EnvironmentFault(
                    f"{env.name}: a task that is selected in one instance changes "
                    f"{' and '.join(shared)} of another, as if it were kept in the module or the "
                    "class; expected one for each instance: keep it in self, or set "
                    "util_params.num_envs = 1"
                )
    finally:
        for instance in (one, other):
            env.close_one(instance)
    if noisy - {"attributes"}:
        what = " and ".join(sorted(noisy - {"attributes"}))
        return [
            f"{env.name}: one instance under one seed gave different {what}: random numbers of its "
            "own, so that runs do not repeat"
        ]
    return []


def _record(env: ClassEnv, instance: Any, tasks: list[int], beside: Any = None) -> Record:
    """Run an episode of each task; `beside` is an instance that starts another one in between."""
    record = Record([], [], [_numbers(env, instance, key) for key in ATTRIBUTES])
    for number, task in enumerate(tasks):
        generator = np.random.default_rng(number)
        source, others = legacy_source(number), legacy_source(number)
        where = f" (task {task}, while instances are compared)"
        ended = True
        for _ in range(STEPS):
            if ended:
                with legacy_random_numbers(source):
                    record.observations.append(env.begin(instance, task, number, where))
                if beside is not None:
                    with legacy_random_numbers(others):
                        env.begin(beside, tasks[number - 1], number, where)
                record.attributes.extend(_numbers(env, instance, key) for key in SELECTED)
            action = generator.uniform(env.action_low, env.action_high)
            with legacy_random_numbers(source):
                obs, outcome, truncated = env.advance_one(instance, action, where)
            record.observations.append(obs)
            record.rewards.append(outcome)
            ended = bool(outcome[2]) or truncated
    return record


def _numbers(env: ClassEnv, instance: Any, attribute: str) -> np.ndarray | None:
    with answering(env.name, attribute):
        array = numbers(getattr(instance, attribute, None))
    return None if array is None else array.copy()


def _differences(one: Record, other: Record) -> set[str]:
    """The respects in which two records differ."""
    parts: dict[str, tuple[Sequence[np.ndarray | None], Sequence[np.ndarray | None]]] = {
        "observations": (one.observations, other.observations),
        "rewards": (one.rewards, other.rewards),
        "attributes": (one.attributes, other.attributes),
    }
    return {name for name, (left, right) in parts.items() if not _equal(left, right)}


def _equal(one: Sequence[np.ndarray | None], other: Sequence[np.ndarray | None]) -> bool:
    return len(one) == len(other) and all(
        (left is None) == (right is None)
        and (left is None or np.array_equal(left, np.asarray(right)))
        for left, right in zip(one, other, strict=True)
    )
