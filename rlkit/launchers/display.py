"""Progress display as plain lines, which also go to debug.log."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic

STEPS = "Number of env steps total"
ITERATIONS_AVERAGED = 20
NOT_EVALUATED = "not evaluated"
SECONDS_BETWEEN_LINES = 60.0
SECONDS_TO_FIRST_LINE = 5.0

Write = Callable[[str], None]
Seconds = Callable[[], float | None]


def duration(seconds: float) -> str:
    """Format a duration as "1 h 05 min", "3 min 20 s" or "12 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def shown_value(row: Mapping[str, float], column: str) -> str:
    """A return as text; "not evaluated" if the row has none."""
    value = row.get(column, math.nan)
    return NOT_EVALUATED if math.isnan(value) else f"{value:.2f}"


class LineDisplay:
    """Writes a line per iteration, one after 5 seconds, and one per minute of a long iteration.

    Args:
        write: receives the lines.
        headline: columns of a row to show, label -> column.
        units: phase -> what its ticks count, in the singular, such as "gradient step".
        iteration_seconds: estimates an iteration; called once, if none is done after a minute.
    """

    def __init__(
        self,
        write: Write,
        headline: Mapping[str, str],
        units: Mapping[str, str] | None = None,
        iteration_seconds: Seconds | None = None,
    ) -> None:
        """Start before the first iteration."""
        self._write, self._headline, self._units = write, headline, units or {}
        self._iteration_seconds, self._began = iteration_seconds, monotonic()
        self._estimate: float | None = None  # estimated seconds per iteration, until one is done
        self._first_tick: tuple[float, int] | None = None  # of the phase: time, steps done by then
        self._num_iterations = self._done = 0
        self._seconds: deque[float] = deque(maxlen=ITERATIONS_AVERAGED)
        self._iteration, self._phase = 0, "preparing"
        self._phase_began = self._line_at = monotonic()

    def start(self, num_iterations: int, start_iteration: int) -> None:
        """Report where the run starts or resumes."""
        self._num_iterations, self._done = num_iterations, start_iteration
        self._write(f"iterations {start_iteration} to {num_iterations - 1}")
        self._began = monotonic()
        self._line_at = self._began - SECONDS_BETWEEN_LINES + SECONDS_TO_FIRST_LINE

    def phase(self, iteration: int, name: str) -> None:
        """Store the current phase."""
        self._iteration, self._phase, self._phase_began = iteration, name, monotonic()
        self._first_tick = None

    def progress(self, done: int, total: int, note: str) -> None:
        """Write a line if a minute has passed since the last one."""
        now = monotonic()
        self._first_tick = self._first_tick or (now, done)
        if now - self._line_at >= SECONDS_BETWEEN_LINES:
            self._write(f"iteration {self._iteration}: {self._in_words(done, total, note)}")
            self._line_at = now
        if self._iteration_seconds is not None and now - self._began >= SECONDS_BETWEEN_LINES:
            self._estimate, self._iteration_seconds = self._iteration_seconds(), None
            if self._estimate is not None:
                self._write(f"the run will take {self.time_left}, estimated from a short iteration")

    def iteration_done(self, iteration: int, row: dict[str, float], seconds: float) -> None:
        """Write iteration, environment steps, returns, duration and time left."""
        self._iteration_seconds = None  # no estimate is needed once an iteration has been timed
        if iteration == 1:
            self._seconds.clear()  # iteration 0 also collects the initial pool
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
            f"time left {self.time_left}",
        )
        self._write(" | ".join(cells))
        self._line_at = monotonic()

    def stop(self) -> None:
        """Do nothing."""

    @property
    def time_left(self) -> str:
        """Time left, from the last iterations or, before any, from the estimate; or "unknown"."""
        rest = self._num_iterations - self._done
        if self._seconds:
            return duration(rest * sum(self._seconds) / len(self._seconds))
        return "unknown" if self._estimate is None else f"about {duration(rest * self._estimate)}"

    def _in_words(self, done: int, total: int, note: str) -> str:
        """Progress of a phase, such as "gradient step 812 of 2,000, 4 min 02 s left"."""
        text = f"{self._units.get(self._phase, self._phase)} {done:,} of {total:,}"
        began, before = self._first_tick or (self._phase_began, 0)
        if before < done <= total:
            left = (monotonic() - began) * (total - done) / (done - before)
            text += f", {duration(left)} left"
        return f"{text}, {note}" if note else text
