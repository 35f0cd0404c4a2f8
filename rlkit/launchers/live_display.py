"""Progress of a run on a terminal: a bar and a table of the last iterations, redrawn in place."""

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rlkit.launchers.display import STEPS, LineDisplay, Seconds, Write, duration, shown_value

ROWS_SHOWN = 8


class LiveDisplay(LineDisplay):
    """A bar, the phase and a table of the last iterations, redrawn in place.

    Args:
        write: receives the lines that the terminal does not show.
        headline: columns of a row to show, label -> column.
        console: a terminal.
        title: shown above the table, such as the run folder.
        units, iteration_seconds: see `LineDisplay`.
    """

    def __init__(
        self,
        write: Write,
        headline: Mapping[str, str],
        console: Console,
        title: str,
        units: Mapping[str, str] | None = None,
        iteration_seconds: Seconds | None = None,
    ) -> None:
        """Start with an empty table, which is shown from `start` to `stop`."""
        super().__init__(write, headline, units, iteration_seconds)
        self._title, self._progress = title, ""
        self._rows: deque[tuple[str, ...]] = deque(maxlen=ROWS_SHOWN)
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=2)

    def start(self, num_iterations: int, start_iteration: int) -> None:
        """Start drawing."""
        super().start(num_iterations, start_iteration)
        self._live.start()

    def phase(self, iteration: int, name: str) -> None:
        """Show a new phase."""
        super().phase(iteration, name)
        self._progress = ""

    def progress(self, done: int, total: int, note: str) -> None:
        """Show the progress of the phase."""
        super().progress(done, total, note)
        self._progress = self._in_words(done, total, note)

    def iteration_done(self, iteration: int, row: dict[str, float], seconds: float) -> None:
        """Add a row to the table."""
        super().iteration_done(iteration, row, seconds)
        returns = [shown_value(row, column) for column in self._headline.values()]
        steps = f"{row.get(STEPS, 0):,.0f}"
        self._rows.append((str(iteration), steps, *returns, duration(seconds)))

    def stop(self) -> None:
        """Draw once more and release the terminal, if it still exists."""
        with suppress(OSError):
            self._live.stop()

    def _render(self) -> Group:
        table = Table(title=self._title, title_justify="left")
        labels = (f"return, {label}" for label in self._headline)
        for heading in ("iteration", "env steps", *labels, "time"):
            table.add_column(heading, justify="right")
        for cells in self._rows:
            table.add_row(*cells)
        status = f"{self._done} of {self._num_iterations} iterations, time left {self.time_left}"
        if self._done < self._num_iterations:
            since = duration(monotonic() - self._phase_began)
            doing = self._progress or f"{self._phase}, {since}"
            status += f" | iteration {self._iteration}: {doing}"
        below = Table.grid()
        below.add_row(ProgressBar(total=self._num_iterations, completed=self._done, width=60))
        below.add_row(Text(status))
        return Group(table, below)


def make_display(
    console: Console,
    title: str,
    headline: Mapping[str, str],
    say: Write,
    log: Write,
    units: Mapping[str, str] | None = None,
    iteration_seconds: Seconds | None = None,
) -> LineDisplay:
    """Make a live display for a terminal, or plain lines for any other output.

    Args:
        console: where the run is watched.
        title: of the live table.
        headline: columns of a row to show, label -> column.
        say: writes a line to the console and to debug.log.
        log: writes a line to debug.log only.
        units, iteration_seconds: see `LineDisplay`.
    """
    if console.is_terminal:
        return LiveDisplay(log, headline, console, title, units, iteration_seconds)
    return LineDisplay(say, headline, units, iteration_seconds)
