"""Progress of a run: a live table on a terminal, plain lines elsewhere; the lines are in debug.log too."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic

STEPS = "Number of env steps total"
ROWS_SHOWN = 8
ITERATIONS_AVERAGED = 20
NOT_EVALUATED = "not evaluated"
SECONDS_BETWEEN_LINES = 60.0

Write = Callable[[str], None]


def duration(seconds: float) -> str:
    """Write a time span as "1 h 05 min", "3 min 20 s" or "12 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def shown_value(row: Mapping[str, float], column: str) -> str:
    """A return as text; "not evaluated" where the row has none."""
    value = row.get(column, math.nan)
    return NOT_EVALUATED if math.isnan(value) else f"{value:.2f}"


class LineDisplay:
    """One line per iteration, and one per minute inside a long iteration.

    Args:
        write: takes the lines.
        headline: what is shown of a row, label -> column.
    """

    def __init__(self, write: Write, headline: Mapping[str, str]) -> None:
        """Begin with nothing done."""
        self._write, self._headline = write, headline
        self._num_iterations = self._done = 0
        self._seconds: deque[float] = deque(maxlen=ITERATIONS_AVERAGED)
        self._iteration, self._phase = 0, "preparing"
        self._phase_began = self._line_at = monotonic()

    def start(self, num_iterations: int, start_iteration: int) -> None:
        """Say where the run begins or resumes."""
        self._num_iterations, self._done = num_iterations, start_iteration
        self._write(f"iterations {start_iteration} to {num_iterations - 1}")
        self._line_at = monotonic()

    def phase(self, iteration: int, name: str) -> None:
        """Remember what the progress is of."""
        self._iteration, self._phase, self._phase_began = iteration, name, monotonic()

    def progress(self, done: int, total: int, note: str) -> None:
        """Write a line if none has been written for a minute."""
        if monotonic() - self._line_at >= SECONDS_BETWEEN_LINES:
            self._write(f"iteration {self._iteration}: {self._in_words(done, total, note)}")
            self._line_at = monotonic()

    def iteration_done(self, iteration: int, row: dict[str, float], seconds: float) -> None:
        """Write the iteration, the environment steps, the returns, its time and the time left."""
        if iteration == 1:
            self._seconds.clear()  # iteration 0, with its initial pool, is unlike the others
        self._done = iteration + 1
        self._seconds.append(seconds)
        shown = {label: shown_value(row, column) for label, column in self._headline.items()}
        returns = ", ".join(f"{label} {text}" for label, text in shown.items())
        if set(shown.values()) <= {NOT_EVALUATED}:
            returns = NOT_EVALUATED
        cells = (
            f"iteration {iteration}",
            f"env steps {row.get(STEPS, 0):,.0f}",
            f"return: {returns}",
            duration(seconds),
            f"left {self.time_left}",
        )
        self._write(" | ".join(cells))
        self._line_at = monotonic()

    def stop(self) -> None:
        """Nothing to clean up."""

    @property
    def time_left(self) -> str:
        """Time left in words, judged by the last iterations; "unknown" before the first is done."""
        if not self._seconds:
            return "unknown"
        mean = sum(self._seconds) / len(self._seconds)
        return duration((self._num_iterations - self._done) * mean)

    def _in_words(self, done: int, total: int, note: str) -> str:
        """Progress of a phase, such as "training 812 of 2,000, 4 min 02 s left"."""
        text = f"{self._phase} {done:,} of {total:,}"
        if 0 < done <= total:
            elapsed = monotonic() - self._phase_began
            text += f", {duration(elapsed * (total - done) / done)} left"
        return f"{text}, {note}" if note else text
