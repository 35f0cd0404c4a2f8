"""Progress of work outside a training run: an evaluation, a video, a published page."""

from time import monotonic
from typing import Self

from rich.console import Console
from rich.status import Status

from rlkit.launchers.display import SECONDS_BETWEEN_LINES, LineDisplay


class WorkDisplay(LineDisplay):
    """Shows messages, and the progress of one piece of work.

    On a terminal, progress is a line that is redrawn in place; elsewhere it is one line per minute.
    Use it as a context manager, which releases the terminal.

    Args:
        unit: what `progress` counts, in the singular, such as "frame".
        console: where to show it; default: standard error, so that standard output has only the
            command's results.
    """

    def __init__(self, unit: str, console: Console | None = None) -> None:
        """Start with nothing done."""
        self._console = console or Console(stderr=True, highlight=False)
        super().__init__(self.line, {})
        self._status: Status | None = None
        self.phase(0, unit)

    def line(self, text: str) -> None:
        """Write a message, such as "filming task 3 (1 of 3)"."""
        self._console.print(text, markup=False, soft_wrap=True)

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Show how far the work has come."""
        now = monotonic()
        self._first_tick = self._first_tick or (now, done)
        if self._console.is_terminal:
            words = self._in_words(done, total, note)
            if self._status is None:
                self._status = self._console.status(words)
                self._status.start()
            self._status.update(words)
        elif now - self._line_at >= SECONDS_BETWEEN_LINES:
            self._write(self._in_words(done, total, note))
            self._line_at = now

    def stop(self) -> None:
        """Clear the line that is redrawn."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __enter__(self) -> Self:
        """Show progress from here on."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Release the terminal."""
        self.stop()
