"""Turns expected exceptions into exit codes, each with one message on standard error."""

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from rich.console import Console

from rlkit.core.errors import (
    NonFiniteError,
    ResourceError,
    StopRequested,
    UserError,
    first_line,
)
from rlkit.envs.faults import EnvironmentFault

SOME_FAILED = 1  # of several runs
SIGNALLED = 128  # an exit code above it is 128 + the signal
OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
)  # wordings in torch's RuntimeErrors

DISK_EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# The disk became read-only, failed, or disappeared (network and user-space file systems).
DISK_LOST = (
    errno.EROFS,
    errno.EIO,
    errno.ESTALE,
    errno.ENOTCONN,
    errno.ENODEV,
    errno.ENXIO,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
    errno.ECONNABORTED,
)


@contextmanager
def exit_codes(last_words: Callable[[str], str | None] = lambda message: None) -> Iterator[None]:
    """Convert expected exceptions to messages and exit codes; others propagate.

    Args:
        last_words: called with the message when a run is stopped; may return one more line to
            print, for example how to resume.
    Raises:
        SystemExit: with 2 (bad input), 3 (not finite), 4 (disk or memory exhausted or lost), or
            128 + the signal: 129 (SIGHUP), 130 (SIGINT), 141 (standard output was closed), 143
            (SIGTERM).
    """
    try:
        yield
    except UserError as error:
        _leave(error.exit_code, str(error), None)
    except EnvironmentFault as error:
        _leave(UserError.exit_code, str(error), last_words(str(error)))
    except (NonFiniteError, ResourceError, StopRequested) as error:
        _leave(error.exit_code, str(error), last_words(str(error)))
    except BrokenPipeError:
        abandon(sys.stdout)
        closed = StopRequested(signal.SIGPIPE)
        _leave(closed.exit_code, str(closed), last_words(str(closed)))
    except (MemoryError, OSError, RuntimeError) as error:
        message = _exhaustion(error)
        if message is None:
            raise
        _leave(ResourceError.exit_code, message, last_words(message))


def _exhaustion(error: Exception) -> str | None:
    """Describe which resource is exhausted or lost; None for other errors."""
    if isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno == errno.ENOMEM
    ):
        return f"memory exhausted: {error}"
    if isinstance(error, OSError):
        failed = disk_failure(error)
        return None if failed is None else f"{failed}: {error}"
    out_of_memory = any(words in str(error).lower() for words in OUT_OF_MEMORY)
    return f"memory exhausted: {first_line(error)}" if out_of_memory else None


def disk_failure(error: OSError) -> str | None:
    """Describe a disk failure (full or lost); None for other errors."""
    if error.errno in DISK_EXHAUSTED:
        return "disk exhausted"
    return "disk lost" if error.errno in DISK_LOST else None


class StoppableConsole(Console):
    """A console that stops the run when its output is closed, as SIGPIPE would."""

    def on_broken_pipe(self) -> None:
        """Stop writing, and stop the run with the exit code of SIGPIPE."""
        self.quiet = True
        abandon(sys.stdout)
        raise StopRequested(signal.SIGPIPE)


def abandon(stream: TextIO) -> None:
    """Redirect a closed stream to the null device, so that our exit code is kept."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _leave(code: int, message: str, hint: str | None) -> None:
    try:
        print(message if not hint else f"{message}\n{hint}", file=sys.stderr, flush=True)
    except OSError:  # also closed, or the terminal is gone
        abandon(sys.stderr)
    if code > SIGNALLED:  # whatever reads standard output may have been stopped too
        try:
            sys.stdout.flush()
        except OSError:
            abandon(sys.stdout)
    sys.exit(code)
