"""Errors of user-defined classes as one message: method, lane, step and what was expected."""

import contextlib
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

CLOSE_SECONDS = 10.0  # the longest that a class may take to close
LARGEST = {np.dtype(kind): np.float64(np.finfo(kind).max) for kind in (np.float32, np.float64)}


class EnvironmentFault(ValueError):
    """A user-defined class raised, or returned an invalid value; the message is complete."""


@contextlib.contextmanager
def answering(name: str, method: str, where: str = "") -> Iterator[None]:
    """Turn any exception of a class, `sys.exit` included, into an `EnvironmentFault`.

    Exhausted memory and signals are not caught.

    Args:
        name: of the class, as in `env_name`.
        method: the call that is made, for the message.
        where: lane and step, for the message.
    """
    try:
        yield
    except (EnvironmentFault, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise EnvironmentFault(f"{name}: {method} failed ({said(error)}){where}") from error


def close_in_time(name: str, close: Callable[[], object], seconds: float | None = None) -> None:
    """Call the `close` of a class, which may take `seconds` (None: `CLOSE_SECONDS`).

    Raises:
        EnvironmentFault: it raised, or took longer; in that case it is left running.
    """
    limit = CLOSE_SECONDS if seconds is None else seconds
    raised: list[BaseException] = []

    def run() -> None:
        try:
            close()
        except BaseException as error:  # handed to the thread that waits
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit)
    if thread.is_alive():
        raise EnvironmentFault(f"{name}: close took more than {limit:g} s, expected it to return")
    if raised:
        with answering(name, "close"):
            raise raised[0]


def number(value: object, dtype: DTypeLike = np.float64) -> float | None:
    """A number, or an array of one; None if it is neither, or not finite in `dtype`."""
    if isinstance(value, bool | int | float):  # most are, and this is called often
        return float(value) if abs(value) <= LARGEST[np.dtype(dtype)] else None
    array = numbers(value)
    if array is None or array.size != 1 or not fits(array, dtype):
        return None
    return float(array.ravel()[0])


def numbers(value: object) -> np.ndarray | None:
    """A value as an array of real numbers or booleans; None if it is something else."""
    try:
        array = np.asarray(value)
    except Exception:  # whatever the conversion of the class's own type raises
        return None
    return array if array.dtype.kind in "biuf" else None


def fits(array: np.ndarray, dtype: DTypeLike) -> bool:
    """Whether all numbers are finite and stay so in `dtype`."""
    if array.dtype.kind != "f":
        return True
    return bool((np.abs(array) <= LARGEST[np.dtype(dtype)]).all())  # NaN is not


def said(error: BaseException) -> str:
    """The message of a class's exception, and where it was raised."""
    lines = str(error).strip().splitlines() or [""]
    frames = traceback.extract_tb(error.__traceback__)
    place = f", {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""
    kind = "sys.exit" if isinstance(error, SystemExit) else type(error).__name__
    return f"{kind}: {lines[0][:200]}{place}"


def brief(value: object) -> str:
    """A value as text of at most 80 characters."""
    try:
        text = " ".join(repr(value)[:1000].split())
    except Exception as error:  # whatever the class raises
        text = f"a {type(value).__name__} whose repr fails ({type(error).__name__})"
    return text if len(text) <= 80 else f"{text[:77]}..."


def kind_of(value: object) -> str:
    """Type and shape of an array; `brief` of anything else."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}, shape {value.shape}"
    return brief(value)
