"""Restores an algorithm from a checkpoint's state, after checking that it fits the run."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from rlkit.core.algorithm import RLAlgorithm
from rlkit.core.errors import UserError

TABLE_NAME = re.compile(r"[\w-]+")


def restore_state(algorithm: RLAlgorithm, state: Any, run_dir: Path) -> None:
    """Check a state and load it.

    Args:
        algorithm: receives its part of the state.
        state: as `Checkpoint.load` returned it.
        run_dir: names the run in messages.
    Raises:
        UserError: the state does not fit the run, for example because the encoder differs.
    """
    place = f"the checkpoint in {run_dir / 'checkpoint'} does not fit this run"
    problems = list(state_problems(state))
    if not problems:
        problems = list(differences(state["algorithm"], algorithm.state_dict(), "algorithm"))
    if problems:
        raise UserError(f"{place}: {'; '.join(problems[:3])}")
    try:
        algorithm.load_state_dict(state["algorithm"])
    except Exception as error:  # anything that a foreign state causes
        reason = (str(error).splitlines() or [""])[0]
        raise UserError(f"{place} ({type(error).__name__}: {reason})") from error


def state_problems(state: Any) -> Iterator[str]:
    """Yield problems in the parts of a state that the outer loop reads."""
    if not isinstance(state, Mapping) or not isinstance(state.get("algorithm"), Mapping):
        yield "it has no state of an algorithm"
        return
    if not _numbers(state.get("clock")):
        yield "its clock does not map names to seconds"
    tables = state.get("tables", [])
    if not isinstance(tables, list | tuple) or not all(
        isinstance(name, str) and TABLE_NAME.fullmatch(name) for name in tables
    ):
        yield "its tables are not a list of names"
    contents = state.get("contents")
    if contents is not None and not (
        isinstance(contents, Mapping)
        and all(isinstance(name, str) and isinstance(t, str) for name, t in contents.items())
    ):
        yield "its table contents are not text"
    unfinished = state.get("unfinished")
    if unfinished is not None and not (
        isinstance(unfinished, Mapping)
        and _numbers(unfinished.get("seconds", {}))
        and isinstance(statistics := unfinished.get("statistics", {}), Mapping)
        and all(_numbers(values) for values in statistics.values())
    ):
        yield "its unfinished iteration has invalid statistics or times"


def differences(found: Any, expected: Any, where: str) -> Iterator[str]:
    """Yield tensors of unexpected shape and values of unexpected type in a state.

    Keys present on only one side are left to the algorithm: some appear with the first update, and
    checkpoints of earlier versions lack others.
    """
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        for name in expected:
            if name in found:
                yield from differences(found[name], expected[name], f"{where}.{name}")
    elif isinstance(expected, Tensor) and isinstance(found, Tensor):
        if found.shape != expected.shape:
            yield f"{where} is {list(found.shape)}, expected {list(expected.shape)}"
        elif found.dtype.is_floating_point != expected.dtype.is_floating_point:
            yield f"{where} is {found.dtype}, expected {expected.dtype}"
    elif type(expected) is int:
        if type(found) is not int or found < 0:
            yield f"{where} is {_short(found)}, expected a count"
    elif isinstance(expected, float):
        if not isinstance(found, int | float):
            yield f"{where} is {_short(found)}, expected a number"
    elif isinstance(expected, Mapping | Tensor) and found is not None:
        yield f"{where} is {_short(found)}, expected a {type(expected).__name__}"


def _numbers(values: Any) -> bool:
    """Whether this is a dictionary that maps names to numbers."""
    return isinstance(values, Mapping) and all(
        isinstance(name, str) and isinstance(value, int | float) for name, value in values.items()
    )


def _short(value: Any) -> str:
    return repr(value)[:40]
