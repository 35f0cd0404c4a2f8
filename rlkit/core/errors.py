"""Exceptions that end a run early, each with its own exit code.

Any other exception is a bug.
"""

import signal


class UserError(Exception):
    """Bad input: a setting, a file or a folder. The message is complete. Exit code 2."""

    exit_code = 2


class NonFiniteError(Exception):
    """A loss or a parameter is NaN or infinite.

    The message names it and the iteration. Exit code 3.
    """

    exit_code = 3


class ResourceError(Exception):
    """Disk or memory is exhausted or fails; the last whole checkpoint is intact. Exit code 4."""

    exit_code = 4


class StopRequested(BaseException):
    """A signal asked the run to stop. Exit code 128 + signum.

    It does not derive from `Exception`, so that no error handler swallows it.
    """

    def __init__(self, signum: int) -> None:
        """Remember the signal.

        Args:
            signum: number of the signal that was received (SIGHUP 1, SIGINT 2, SIGPIPE 13: standard
                output was closed, SIGTERM 15).
        """
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum

    @property
    def exit_code(self) -> int:
        """Exit code of a process that a signal ended: 130 for SIGINT."""
        return 128 + self.signum


def first_line(error: Exception) -> str:
    """The first line of an error message; of an error without one, the name of its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
