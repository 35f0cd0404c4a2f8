"""Evaluation, row and checkpoint of an iteration in a thread, during the next iteration.

The next iteration reads none of them, so the numbers stay the same. Everything they need is copied
before the algorithm continues. Then a separate outer loop finishes the iteration and writes in the
usual order: row, tables, kept weights, checkpoint. A run that is killed loses at most one more
iteration than usual, which the resumed run repeats with the same numbers.
"""

import copy
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self, cast

import numpy as np

from rlkit.core.algorithm import Beside, Loop, RLAlgorithm, Save, Statistics
from rlkit.core.checkpoint import Checkpoint
from rlkit.core.logger import Table
from rlkit.core.outer_loop import OuterLoop
from rlkit.core.saving import plain
from rlkit.data_management.saved_rows import SavedRows


class FrozenWeights:
    """Stands in for a network when its weights are saved: a copy of its current weights."""

    def __init__(self, network: Any, name: str) -> None:
        """Copy the weights to the CPU."""
        self._state: Mapping[str, Any] = plain(network.state_dict(), name)

    def state_dict(self) -> Mapping[str, Any]:
        """The copied weights."""
        return self._state


class FrozenRows:
    """Stands in for a buffer when the next checkpoint is written: a copy of its new rows.

    Args:
        name: of the buffer.
        buffer: its rows that no checkpoint has yet are copied.
        checkpoint: of the run; no other checkpoint may be written before this copy is.
    """

    def __init__(self, name: str, buffer: SavedRows, checkpoint: Checkpoint) -> None:
        self._counters: dict[str, Any] = plain(buffer.state_dict(), name)
        self.num_rows = buffer.num_rows
        totals = self._counters["totals"]
        self._rows = buffer.segment(checkpoint.totals.get(name, totals * 0))
        written = (segment.entries for segment in checkpoint.segments.get(name, ()))
        self._valid = {id(entries): buffer.count_valid(entries) for entries in written}

    def state_dict(self) -> dict[str, Any]:
        """The copied counters."""
        return self._counters

    def segment(self, since_totals: Any) -> Any:
        """The copied rows, which are those added since the previous checkpoint."""
        return self._rows

    def count_valid(self, entries: np.ndarray) -> int:
        """How many rows of an earlier segment the buffer still had when it was copied."""
        return self._valid[id(entries)]


class Frozen:
    """Stands in for an algorithm while its iteration is finished: a copy that no longer changes.

    Args:
        algorithm: about to continue learning.
        evaluate: evaluates the algorithm as it is now.
        checkpoint: writes the copy; None: no checkpoint is due.
        with_weights: whether weights are written, with or without a checkpoint.
    """

    collect_data = do_training = None  # both are done

    def __init__(
        self,
        algorithm: RLAlgorithm,
        evaluate: "Callable[[Loop], tuple[Statistics, Mapping[str, Table]]]",
        checkpoint: Checkpoint | None,
        with_weights: bool,
    ) -> None:
        self.columns, self._evaluate = algorithm.columns, evaluate
        self._state: dict[str, Any] = {}
        self.networks: dict[str, FrozenWeights] = {}
        self.buffers: dict[str, FrozenRows] = {}
        if with_weights:
            for name, network in algorithm.networks.items():
                self.networks[name] = FrozenWeights(network, name)
        if checkpoint is not None:
            self._state = plain(algorithm.state_dict(), "state")
            for name, buffer in algorithm.buffers.items():
                self.buffers[name] = FrozenRows(name, buffer, checkpoint)

    def evaluate(self, iteration: int, loop: Loop) -> Statistics:
        """Evaluate, and keep the tables."""
        statistics, self._tables = self._evaluate(loop)
        return statistics

    def tables(self, iteration: int) -> Mapping[str, Table]:
        """The tables of the evaluation."""
        return self._tables

    def state_dict(self) -> dict[str, Any]:
        """The copied state."""
        return self._state


class Unseen:
    """A display that shows nothing and remembers the row."""

    row: Statistics

    def start(self, num_iterations: int, start_iteration: int) -> None:
        """Show nothing."""

    def phase(self, iteration: int, name: str) -> None:
        """Show nothing."""

    def progress(self, done: int, total: int, note: str) -> None:
        """Show nothing."""

    def iteration_done(self, iteration: int, row: Statistics, seconds: float) -> None:
        """Remember the row."""
        self.row = row

    def stop(self) -> None:
        """Do nothing."""


class BesideLoop(OuterLoop):
    """Runs iterations, each of which is evaluated and saved while the next one runs.

    Use it as a context manager, which waits for the last iteration at its end. The algorithm has a
    `Beside` as its attribute `beside`; other arguments as for `OuterLoop`.
    """

    def __init__(self, algorithm: RLAlgorithm, *arguments: Any) -> None:
        super().__init__(algorithm, *arguments)
        self._beside: Beside = cast(Any, algorithm).beside
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._pending: Future[None] | None = None
        self._finisher: OuterLoop = self
        self._seen = Unseen()
        self._handed_over, self._seconds = time.perf_counter(), 0.0

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Wait until the last iteration is evaluated and saved, whatever ends the run."""
        waiting: AbstractContextManager[None] = nullcontext()
        if kind is None:
            self._display.phase(self._iteration, "evaluating")
            waiting = self._protect()
        try:
            with waiting:
                self._wait()
        finally:
            self._thread.shutdown()

    def tick(self, done: int, total: int, note: str = "", save: Save | None = None) -> None:
        """As `Loop.tick`; also shows the previous iteration once finished, or raises its error."""
        if self._pending is not None and self._pending.done():
            self._wait()
        super().tick(done, total, note, save)

    def run_iteration(self, iteration: int) -> None:
        """Collect and train; then hand over the rest, once that of the previous one is done."""
        self._iteration = self._logger.iteration = iteration
        self._timer.reset(self._seconds_before)
        algorithm = self._algorithm
        self._run("collect_data", "sample", "collecting", algorithm.collect_data)
        self._remark()
        self._run("do_training", "train", "training", algorithm.do_training)
        with self._protect():
            self._wait()
        evaluate: Any = None
        if self._schedule.evaluates(iteration):
            evaluate = self._beside.begin(iteration)
        self._finisher = self._loop_of_its_end(iteration, evaluate)
        self._finished, self._seconds_before = {}, {}
        now = time.perf_counter()
        self._seconds, self._handed_over = now - self._handed_over, now
        self._pending = self._thread.submit(self._finisher.run_iteration, iteration)

    def _loop_of_its_end(self, iteration: int, evaluate: Any) -> OuterLoop:
        """Make the loop that evaluates and saves a trained iteration, from copies."""
        schedule = self._schedule
        saves, every = schedule.saves(iteration), schedule.save_every
        keeps = every is not None and iteration % every == 0
        checkpoint = self._checkpoint if saves else None
        frozen: Any = Frozen(self._algorithm, evaluate, checkpoint, saves or keeps)
        logger = copy.copy(self._logger)  # shares the tables, but has an `iteration` of its own
        rest = self._seen, nullcontext, self._beside.remark, self._say, self._run_record
        loop = OuterLoop(frozen, logger, self._checkpoint, schedule, *rest)
        loop._iteration, loop._clock, loop._started = iteration, self._clock, self._started
        loop._saved_at = self._saved_at
        loop._finished, loop._seconds_before = self._finished, self._timer.so_far()
        return loop

    def _wait(self) -> None:
        """Wait until row and checkpoint of the previous iteration are written, and show it."""
        if (pending := self._pending) is None:
            return
        try:
            with self._timer.phase("waiting"):
                pending.result()
        finally:
            if pending.done():
                self._pending = None
        self._saved_at = self._finisher._saved_at
        iteration = self._finisher._iteration
        self._display.iteration_done(iteration, self._seen.row, self._seconds)

    def _save_inside(self, *, now: bool) -> None:
        """Write a checkpoint that is due, after row and checkpoint of the previous iteration."""
        elapsed = time.monotonic() - self._saved_at
        if now or elapsed >= 60 * self._schedule.checkpoint_minutes:
            self._wait()
            super()._save_inside(now=now)
