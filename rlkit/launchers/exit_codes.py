"""How a program of this repository ends: one clear message on standard error, and an exit code that says what happened."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rlkit.core.errors import NonFiniteError, ResourceError, StopRequested, UserError
from rlkit.core.files import DISK_EXHAUSTED

OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
)  # how torch's RuntimeErrors say it


@contextmanager
def exit_codes(last_words: Callable[[str], str | None] = lambda message: None) -> Iterator[None]:
    """Turn the expected ways to end into messages and exit codes; any other exception passes, with its traceback.

    Args:
        last_words: told the message of a run that was stopped, it may give a last line, such as how to resume.
    Raises:
        SystemExit: with 2 (bad input), 3 (not finite), 4 (disk or memory exhausted), 130 or 143 (signals).
    """
    try:
        yield
    except UserError as error:
        _leave(error.exit_code, str(error), None)
    except (NonFiniteError, ResourceError, StopRequested) as error:
        _leave(error.exit_code, str(error), last_words(str(error)))
    except (MemoryError, OSError, RuntimeError) as error:
        message = _exhaustion(error)
        if message is None:
            raise
        _leave(ResourceError.exit_code, message, last_words(message))


def _exhaustion(error: Exception) -> str | None:
    """Say what is exhausted, None if the error is of another kind."""
    if isinstance(error, MemoryError):
        return f"memory exhausted: {error}"
    if isinstance(error, OSError):
        return f"disk exhausted: {error}" if error.errno in DISK_EXHAUSTED else None
    told = any(words in str(error).lower() for words in OUT_OF_MEMORY)
    return f"memory exhausted: {str(error).splitlines()[0]}" if told else None


def _leave(code: int, message: str, hint: str | None) -> None:
    print(message if not hint else f"{message}\n{hint}", file=sys.stderr, flush=True)
    sys.exit(code)
