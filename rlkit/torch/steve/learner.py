"""The schedule of a learner: updates per frame, logs, checkpoints and backups."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rlkit.torch.gradient_steps import GradientSteps


class Stopwatch:
    """Measures the time spent learning, including the time before a resume."""

    def __init__(self) -> None:
        self._before = 0.0
        self._began: float | None = None

    def start(self) -> None:
        """Start counting, unless already started."""
        if self._began is None:
            self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self._before + (0 if self._began is None else time.perf_counter() - self._began)

    @property
    def hours(self) -> float:
        """Hours so far."""
        return self.seconds / 3600

    def restore(self, seconds: float) -> None:
        """Continue from the seconds that an earlier process measured."""
        self._before, self._began = seconds, None


class Sums:
    """Sums of statistics, for means over any number of updates."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.values, self.count = [0.0] * len(self.names), 0

    def add(self, means: Mapping[str, float], count: int) -> None:
        """Add the means over `count` updates."""
        pairs = zip(self.names, self.values, strict=True)
        self.values = [value + count * means[name] for name, value in pairs]
        self.count += count

    def take(self) -> dict[str, float]:
        """Return the means since the last call, empty without updates, and reset."""
        count = self.count
        pairs = zip(self.names, self.values, strict=True)
        found = {name: value / count for name, value in pairs} if count else {}
        self.values, self.count = [0.0] * len(self.names), 0
        return found

    def state_dict(self) -> dict[str, Any]:
        """The sums and the number of updates."""
        return {"values": list(self.values), "count": self.count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""
        self.values, self.count = [float(v) for v in state["values"]], state["count"]


class Learner:
    """Takes one learner's updates at a fixed ratio to the frames.

    With an interval of n updates, logs, checkpoints and backups are made just before the updates
    n, 2n, ...

    Args:
        steps: take the updates and report the means of `columns`.
        columns: names of an update's statistics.
        cadence: frames per update, and updates between logs, checkpoints and backups.
        watch: measures the time.
        checkpoint: publishes the learned networks.
        backup: called with the epoch; stores the networks under that number.
    Attributes:
        updates: number of updates so far; restarts after pretraining.
        epoch: number of checkpoints so far.
        rows: lines of the log. Each holds the seconds since the previous line, hours, epoch,
            updates, frames, and the means since the previous line.
    Source: tensorflow/models, research/steve, learner.py.
    """

    def __init__(
        self,
        steps: GradientSteps,
        columns: Sequence[str],
        cadence: tuple[float, int, int, int],
        watch: Stopwatch,
        checkpoint: Callable[[], None],
        backup: Callable[[int], None],
    ) -> None:
        self.steps, self.columns, self.watch = steps, tuple(columns), watch
        self.frames_per_update, self.log_every, self.epoch_every, self.backup_every = cadence
        self._checkpoint, self._backup = checkpoint, backup
        self.updates = self.epoch = 0
        self.rows: list[list[float]] = []
        self._logged_at = 0.0
        self._log, self._row = Sums(columns), Sums(columns)

    def may_update(self, frames: int) -> bool:
        """Whether the frames since the start of learning allow another update."""
        return frames > self.frames_per_update * self.updates

    def update(self, total_frames: int, *, hand_over: bool = True) -> None:
        """Take an update, after any log, checkpoint or backup that is due.

        Args:
            total_frames: frames so far, for the log.
            hand_over: also make checkpoints and backups; false during pretraining.
        """
        number = self.updates + 1
        if number % self.log_every == 0:
            self._write_log(total_frames)
        if hand_over and number % self.epoch_every == 0:
            self.checkpoint()
        if hand_over and number % self.backup_every == 0:
            self._backup(self.epoch)
        self.steps.take(1)
        self.updates = number

    def checkpoint(self) -> None:
        """Publish the learned networks and count the checkpoint."""
        self._checkpoint()
        self.epoch += 1

    def restart(self) -> None:
        """Restart the count of updates at 0, after pretraining."""
        self.updates = 0

    def statistics(self) -> dict[str, float]:
        """Means of `columns` since the last call, by name; empty if there was no update."""
        self._drain()
        return self._row.take()

    def _write_log(self, total_frames: int) -> None:
        self._drain()
        means, seconds = self._log.take(), self.watch.seconds
        values = [means.get(name, float("nan")) for name in self.columns]
        counts = self.epoch, self.updates, total_frames
        self.rows.append([seconds - self._logged_at, self.watch.hours, *counts, *values])
        self._logged_at = seconds

    def _drain(self) -> None:
        """Read the statistics of the updates since the last read, in one transfer."""
        if count := self.steps.num_taken:
            found = self.steps.fetch()
            means = {name: found[f"{name} (mean)"] for name in self.columns}
            self._log.add(means, count)
            self._row.add(means, count)

    def state_dict(self) -> dict[str, Any]:
        """Counters, sums and log lines."""
        return {
            "updates": self.updates,
            "epoch": self.epoch,
            "rows": [list(row) for row in self.rows],
            "logged_at": self._logged_at,
            "log": self._log.state_dict(),
            "row": self._row.state_dict(),
            "steps": self.steps.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""
        self.updates, self.epoch = state["updates"], state["epoch"]
        self.rows = [list(row) for row in state["rows"]]
        self._logged_at = state["logged_at"]
        self._log.load_state_dict(state["log"])
        self._row.load_state_dict(state["row"])
        self.steps.load_state_dict(state["steps"])
