"""What a run shows while it goes: a live table on a terminal, plain lines elsewhere; the lines stand in debug.log as well."""

from collections import deque
from collections.abc import Callable
from time import monotonic

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

STEPS = "Number of env steps total"
RETURNS = {
    "train": "AverageReturn_all_train_tasks",
    "test": "AverageReturn_all_test_tasks",
    "test before adaptation": "AverageReturn_prior_test_tasks",
}
ROWS_SHOWN = 8
ITERATIONS_AVERAGED = 20

Write = Callable[[str], None]


def duration(seconds: float) -> str:
    """Write a time span as "1 h 05 min", "3 min 20 s" or "12 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class LineDisplay:
    """One line per iteration.

    Args:
        write: takes the lines.
    """

    def __init__(self, write: Write) -> None:
        """Begin with nothing done."""
        self._write = write
        self._num_iterations = self._done = 0
        self._seconds: deque[float] = deque(maxlen=ITERATIONS_AVERAGED)

    def start(self, num_iterations: int, start_iteration: int) -> None:
        """Say where the run begins, or goes on."""
        self._num_iterations, self._done = num_iterations, start_iteration
        self._write(f"iterations {start_iteration} to {num_iterations - 1}")

    def phase(self, iteration: int, name: str) -> None:
        """Phases are not shown."""

    def progress(self, done: int, total: int, note: str) -> None:
        """Progress is not shown."""

    def iteration_done(self, iteration: int, row: dict[str, float], seconds: float) -> None:
        """Write the iteration, the environment steps, the returns, the time it took and the time left."""
        if iteration == 1:
            self._seconds.clear()  # the first iteration, with its initial pool, says little about the others
        self._done = iteration + 1
        self._seconds.append(seconds)
        returns = ", ".join(
            f"{name} {row[column]:.2f}" for name, column in RETURNS.items() if column in row
        )
        returns = returns or "not evaluated"
        cells = (
            f"env steps {row.get(STEPS, 0):,.0f}",
            f"return: {returns}",
            duration(seconds),
            f"left {self.time_left}",
        )
        self._write(" | ".join([f"iteration {iteration}", *cells]))

    def stop(self) -> None:
        """Nothing to put away."""

    @property
    def time_left(self) -> str:
        """Time left in words, judged by the last iterations; "unknown" before the first is done."""
        if not self._seconds:
            return "unknown"
        return duration(
            (self._num_iterations - self._done) * sum(self._seconds) / len(self._seconds)
        )


class LiveDisplay(LineDisplay):
    """A bar, the phase and a table of the last iterations, drawn over and over in place.

    Args:
        write: takes the lines that the terminal does not show.
        console: a terminal.
        title: stands above the table, such as the run folder.
    """

    def __init__(self, write: Write, console: Console, title: str) -> None:
        """Begin with an empty table; drawn from `start` to `stop`."""
        super().__init__(write)
        self._title, self._phase, self._since = title, "preparing", monotonic()
        self._rows: deque[tuple[str, ...]] = deque(maxlen=ROWS_SHOWN)
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=2)

    def start(self, num_iterations: int, start_iteration: int) -> None:
        """Begin to draw."""
        super().start(num_iterations, start_iteration)
        self._live.start()

    def phase(self, iteration: int, name: str) -> None:
        """Show what is going on."""
        self._phase, self._since = f"iteration {iteration}: {name}", monotonic()

    def iteration_done(self, iteration: int, row: dict[str, float], seconds: float) -> None:
        """Add a row to the table."""
        super().iteration_done(iteration, row, seconds)
        returns = [f"{row[column]:.2f}" if column in row else "" for column in RETURNS.values()]
        self._rows.append(
            (str(iteration), f"{row.get(STEPS, 0):,.0f}", *returns, duration(seconds))
        )

    def stop(self) -> None:
        """Draw for the last time and give the terminal back."""
        self._live.stop()

    def _render(self) -> Group:
        table = Table(title=self._title, title_justify="left")
        for heading in ("iteration", "env steps", *(f"return, {name}" for name in RETURNS), "time"):
            table.add_column(heading, justify="right")
        for cells in self._rows:
            table.add_row(*cells)
        status = f"{self._done} of {self._num_iterations} iterations, left {self.time_left}"
        if self._done < self._num_iterations:
            status += f" | {self._phase}, {duration(monotonic() - self._since)}"
        below = Table.grid()
        below.add_row(ProgressBar(total=self._num_iterations, completed=self._done, width=60))
        below.add_row(Text(status))
        return Group(table, below)


def make_display(console: Console, title: str, say: Write, log: Write) -> LineDisplay:
    """Choose the live display on a terminal, plain lines elsewhere.

    Args:
        console: where the run is watched.
        title: of the live table.
        say: writes a line to the console and to debug.log.
        log: writes a line to debug.log only.
    """
    return LiveDisplay(log, console, title) if console.is_terminal else LineDisplay(say)
