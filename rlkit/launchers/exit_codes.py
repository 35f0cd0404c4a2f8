"""How a program of this repository ends: one message on standard error, and an exit code."""

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rlkit.core.errors import NonFiniteError, ResourceError, StopRequested, UserError
from rlkit.core.files import disk_failure
from rlkit.envs.faults import EnvironmentFault

OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
)  # how torch's RuntimeErrors say it


@contextmanager
def exit_codes(last_words: Callable[[str], str | None] = lambda message: None) -> Iterator[None]:
    """Turn the expected ways to end into messages and exit codes; any other exception passes.

    Args:
        last_words: called with the message when a run is stopped; may return one more line to
            print, for example how to resume.
    Raises:
        SystemExit: with 2 (bad input), 3 (not finite), 4 (disk or memory exhausted or lost), 130 or
            143 (signals).
    """
    try:
        yield
    except UserError as error:
        _leave(error.exit_code, str(error), None)
    except EnvironmentFault as error:
        _leave(UserError.exit_code, str(error), last_words(str(error)))
    except (NonFiniteError, ResourceError, StopRequested) as error:
        _leave(error.exit_code, str(error), last_words(str(error)))
    except (MemoryError, OSError, RuntimeError) as error:
        message = _exhaustion(error)
        if message is None:
            raise
        _leave(ResourceError.exit_code, message, last_words(message))


def _exhaustion(error: Exception) -> str | None:
    """Say what is exhausted or lost, None if the error is of another kind."""
    if isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno == errno.ENOMEM
    ):
        return f"memory exhausted: {error}"
    if isinstance(error, OSError):
        failed = disk_failure(error)
        return None if failed is None else f"{failed}: {error}"
    told = any(words in str(error).lower() for words in OUT_OF_MEMORY)
    return f"memory exhausted: {str(error).splitlines()[0]}" if told else None


def _leave(code: int, message: str, hint: str | None) -> None:
    print(message if not hint else f"{message}\n{hint}", file=sys.stderr, flush=True)
    sys.exit(code)
