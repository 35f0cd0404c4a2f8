"""Progress of a sweep: a live table on a terminal, lines elsewhere."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic, time

from rich.console import Console
from rich.live import Live
from rich.table import Table

from rlkit.core.errors import UserError
from rlkit.launchers.display import SECONDS_BETWEEN_LINES, duration, shown_value
from rlkit.launchers.launcher import launcher_for
from rlkit.launchers.signals import SIGNALS
from rlkit.launchers.sweep_plan import Planned
from rlkit.launchers.sweep_process import Job
from rlkit.launchers.sweep_run import outcome_in_words
from rlkit.visualization.runs import read_progress

ROWS_SHOWN = 30
ORDER = ("running", "failed", "stopped", "waiting", "complete")


def last_row(run: Planned) -> tuple[int, dict[str, float]]:
    """Number of finished iterations of a run, and the last row of its progress.csv."""
    try:
        columns = read_progress(run.folder / "progress.csv")
        count = len(next(iter(columns.values()), ()))
        return count, {name: values[-1] for name, values in columns.items()} if count else {}
    except (UserError, OSError):
        return 0, {}


class SweepDisplay:
    """Shows the state of each run.

    Args:
        runs: of the sweep.
        console: where to show them.
    """

    def __init__(self, runs: Sequence[Planned], console: Console) -> None:
        """Start with runs marked as complete or waiting."""
        self.runs = {run.name: run for run in runs}
        self._console = console
        self.states = {
            run.name: "complete" if run.is_complete else "waiting" for run in self.runs.values()
        }
        self._codes: dict[str, int] = {}
        self._since: dict[str, float] = {}
        self._over, self._started = threading.Event(), time()

    def begun(self, job: Job) -> None:
        """Called when a process of this run has started."""
        self.states[job.name], self._since[job.name] = "running", monotonic()
        self._line(f"{job.name}: started")

    def ended(self, job: Job, code: int) -> None:
        """Called when the process has ended."""
        stopped = abs(code) % 128 in SIGNALS  # by a signal that it handled
        self.states[job.name] = "complete" if code == 0 else "stopped" if stopped else "failed"
        self._codes[job.name] = code
        took = duration(monotonic() - self._since.get(job.name, monotonic()))
        words = "complete" if code == 0 else outcome_in_words(code)
        self._line(f"{job.name}: {words} ({took})")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the table while the body runs; without a terminal, print one line per minute."""
        if self._console.is_terminal:
            live = Live(console=self._console, get_renderable=self.table, refresh_per_second=1)
            live.start()
            try:
                yield
            finally:
                with suppress(OSError):
                    live.stop()
            return
        lines = threading.Thread(target=self._lines, daemon=True)
        lines.start()
        try:
            yield
        finally:
            self._over.set()
            lines.join()

    def summary(self) -> str:
        """How many runs are in each state."""
        counts = Counter(self.states.values())
        parts = [f"{counts[state]} {state}" for state in ORDER if counts[state]]
        return f"{len(self.runs)} runs: {', '.join(parts)}"

    def table(self) -> Table:
        """The runs, active ones first; the title counts those that do not fit."""
        self._look()
        table = Table(title=self.summary(), title_justify="left")
        for heading in ("run", "state", "iteration", "return", "time"):
            table.add_column(heading, justify="left" if heading == "run" else "right")
        names = sorted(self.runs, key=lambda name: ORDER.index(self.states[name]))
        for name in names[:ROWS_SHOWN]:
            run, state = self.runs[name], self.states[name]
            count, row = (0, {}) if state == "waiting" else last_row(run)
            shown = shown_value(row, main_column(run)) if row else ""
            since = self._since.get(name)
            spent = duration(monotonic() - since) if since and state == "running" else ""
            what = outcome_in_words(self._codes[name]) if state in ("failed", "stopped") else state
            table.add_row(name, what, f"{count} of {run.num_iterations}", shown, spent)
        return table

    def _look(self) -> None:
        """Mark waiting runs as running once another machine has written to their logs."""
        for name, run in self.runs.items():
            if self.states[name] == "waiting":
                with suppress(OSError):
                    if run.log.stat().st_mtime >= self._started:
                        self.states[name] = "running"

    def _lines(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN_LINES):
            self._look()
            running = [name for name, state in self.states.items() if state == "running"]
            words = [f"{name} {self._iteration(name)}" for name in running]
            self._console.print("; ".join([self.summary(), *words]))

    def _iteration(self, name: str) -> str:
        run = self.runs[name]
        return f"{last_row(run)[0]} of {run.num_iterations}"

    def _line(self, text: str) -> None:
        if not self._console.is_terminal:
            self._console.print(text)


def main_column(run: Planned) -> str:
    """The column of the main result: returns on test tasks, if the algorithm reports them."""
    headline = launcher_for(run.config).headline
    return headline.get("test") or next(iter(headline.values()), "")
