"""Evaluation on tasks chosen by the user instead of the held-out ones."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rlkit.core.config import read_json
from rlkit.core.describe import as_json
from rlkit.core.errors import UserError
from rlkit.core.nearest import nearest
from rlkit.envs.base import MetaEnv
from rlkit.launchers.run_folder import read_tasks


def choose_tasks(env: MetaEnv, *, texts: Sequence[str] = (), file: Path | None = None) -> list[int]:
    """Replace the first tasks of an environment with chosen ones.

    Args:
        env: the environment, which is changed.
        texts: one task each, such as "velocity=3.5" or "goal_x=1,goal_y=0".
        file: further tasks: a JSON file {"tasks": [...]} of objects with all parameters or of lists
            of numbers, or an NPZ file with an array `tasks`, [num_tasks, task_dim].
    Returns:
        The indices of the chosen tasks, in the given order.
    Raises:
        UserError: a parameter is unknown, missing or not a number (the message names all
            parameters), there are too many tasks, or the environment does not accept them.
    """
    names = parameter_names(env)
    if not names:
        raise UserError(f"{env.name} has one task without parameters: there is nothing to choose")
    tasks = [_from_text(text, names) for text in texts]
    if file is not None:
        tasks += _from_file(file, names)
    if len(tasks) > env.n_tasks:
        raise UserError(
            f"{len(tasks)} tasks are too many: the run has env_params.n_tasks = {env.n_tasks}"
        )
    replaced = np.array(env.tasks)
    replaced[: len(tasks)] = tasks
    try:
        env.set_tasks(replaced)
    except ValueError as error:
        raise UserError(f"the tasks cannot be chosen: {error}") from error
    return list(range(len(tasks)))


def parameter_names(env: MetaEnv) -> tuple[str, ...]:
    """Names of a task's parameters; "0", "1", ... if the class does not name them."""
    named = env.task_names
    return named or tuple(str(number) for number in range(env.task_dim))


def _from_text(text: str, names: Sequence[str]) -> list[float]:
    source, values = f"--task {text}", dict[str, object]()
    for part in text.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise UserError(f"{source}: expected {_form(names)}")
        if key in values:
            raise UserError(f"{source}: {key} is given twice")
        try:
            values[key] = float(value)
        except ValueError:
            values[key] = value
    return _in_order(values, names, source)


def _from_file(file: Path, names: Sequence[str]) -> list[list[float]]:
    if file.suffix.lower() == ".npz":
        tasks = read_tasks(file)
        rows: Sequence[object] = tasks.astype(np.float64).tolist()
    else:
        data = read_json(file)
        found = data.get("tasks")
        if set(data) != {"tasks"} or not isinstance(found, list):
            raise UserError(f'{file}: expected {{"tasks": [...]}}, with tasks of {_form(names)}')
        rows = found
    if not rows:
        raise UserError(f"{file}: the file has no tasks")
    return [_task(row, names, f"{file}, task {number}") for number, row in enumerate(rows)]


def _task(row: object, names: Sequence[str], source: str) -> list[float]:
    if isinstance(row, list) and len(row) == len(names):
        return _in_order(dict(zip(names, row, strict=True)), names, source)
    if isinstance(row, dict):
        return _in_order(row, names, source)
    raise UserError(f"{source}: {as_json(row)} is not a task; expected {_form(names)}")


def _in_order(values: Mapping[str, object], names: Sequence[str], source: str) -> list[float]:
    """Check the parameters of a task and return them in order."""
    for key in values:
        if key not in names:
            near = nearest(key, names)
            hint = f"did you mean {near}? " if near else ""
            raise UserError(
                f"{source}: a task has no parameter {key}; {hint}expected {_form(names)}"
            )
    numbers = []
    for name in names:
        if name not in values:
            raise UserError(f"{source}: {name} is missing; expected {_form(names)}")
        value = values[name]
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise UserError(f"{source}: {name} = {value}: expected a finite number")
        numbers.append(float(value))
    return numbers


def _form(names: Sequence[str]) -> str:
    return ",".join(f"{name}=NUMBER" for name in names)
