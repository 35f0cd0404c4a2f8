"""Handling of SIGINT, SIGTERM and SIGHUP in a run.

The first signal stops it between two writes, the second immediately.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rlkit.core.errors import StopRequested

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalGuard:
    """Turns the first signal into `StopRequested`, delayed while something is being written.

    Use as a context manager in the main thread; the previous handlers are restored at the end.

    Args:
        abort: called with the exit code at the second signal; the default ends the process without
            cleanup.
    """

    def __init__(self, abort: Callable[[int], None] = os._exit) -> None:
        self._abort = abort
        self._signum: int | None = None  # of the first signal
        self._raised = False
        self._depth = 0  # of nested protected sections
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "SignalGuard":
        """Install the handlers; SIGHUP stays ignored if it is, as with nohup."""
        nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        taken = [signum for signum in SIGNALS if not (nohup and signum == signal.SIGHUP)]
        self._previous = {signum: signal.signal(signum, self._handle) for signum in taken}
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Restore the previous handlers; raise for a signal that has not been reported yet."""
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        if kind is None:
            self._raise_if_requested()

    @contextmanager
    def protect(self) -> Iterator[None]:
        """Delay signals while the body runs.

        A signal received meanwhile raises `StopRequested` at the end.

        If an earlier exception was lost, because it cannot leave a callback of a C library, it is
        raised again at the beginning.
        """
        if self._depth == 0 and self._signum is not None:
            raise StopRequested(self._signum)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
        if self._depth == 0:
            self._raise_if_requested()

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self._signum is not None:
            self._abort(128 + signum)
            return
        self._signum = signum
        if self._depth == 0:
            self._raise_if_requested()

    def _raise_if_requested(self) -> None:
        if self._signum is not None and not self._raised:
            self._raised = True
            raise StopRequested(self._signum)
