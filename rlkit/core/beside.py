"""Evaluation, row and checkpoint of an iteration in a thread, during the next iteration.

Nothing of the next iteration reads them, so that no number changes. What they need of the algorithm
is copied before it continues; then a separate outer loop finishes the iteration, with the order on
the disk of every run: row, tables, weights that are kept, checkpoint. A run that is killed has
lost at most one iteration more, which a resumed run repeats with the same numbers.
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
    """A network as weight files see it, with the weights of now."""

    def __init__(self, network: Any, name: str) -> None:
        """Copy the weights to the CPU."""
        self._state: Mapping[str, Any] = plain(network.state_dict(), name)

    def state_dict(self) -> Mapping[str, Any]:
        """The copied weights."""
        return self._state


class FrozenRows:
    """Replay data as the next checkpoint sees them, with the rows of now.

    Args:
        name: of the buffer.
        buffer: whose rows that no checkpoint has yet are copied.
        checkpoint: of the run; no other may be written in between.
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
        """The copied rows, which are those since the checkpoint before."""
        return self._rows

    def count_valid(self, entries: np.ndarray) -> int:
        """How many rows of a segment of that checkpoint were still stored."""
        return self._valid[id(entries)]


class Frozen:
    """An algorithm as the end of its iteration sees it, which does not change any more.

    Args:
        algorithm: about to continue learning.
        evaluate: evaluates it as it is now.
        checkpoint: that is written next; None: none is.
        with_weights: weights are written, with or without a checkpoint.
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
        """Nothing to clean up."""


class BesideLoop(OuterLoop):
    """Runs iterations, each of which is evaluated and saved while the next one runs.

    Use as a context manager, whose end waits for the last one. The algorithm has a `Beside` as its
    attribute `beside`; other arguments as for `OuterLoop`.
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
        """Wait for what is still being evaluated and saved, whatever ends the run."""
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
        """As every loop's; also shows the iteration before once it is finished, or its error."""
        if self._pending is not None and self._pending.done():
            self._wait()
        super().tick(done, total, note, save)

    def run_iteration(self, iteration: int) -> None:
        """Collect and train; hand the rest over, once that of the iteration before is done."""
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
        """A loop in which an iteration is collected and trained, with copies of what it needs."""
        schedule = self._schedule
        saves, every = schedule.saves(iteration), schedule.save_every
        keeps = every is not None and iteration % every == 0
        checkpoint = self._checkpoint if saves else None
        frozen: Any = Frozen(self._algorithm, evaluate, checkpoint, saves or keeps)
        logger = copy.copy(self._logger)  # the same tables, but the iteration of its lines
        told = self._seen, nullcontext, self._beside.remark, self._say, self._run_record
        loop = OuterLoop(frozen, logger, self._checkpoint, schedule, *told)
        loop._iteration, loop._clock, loop._started = iteration, self._clock, self._started
        loop._saved_at = self._saved_at
        loop._finished, loop._seconds_before = self._finished, self._timer.so_far()
        return loop

    def _wait(self) -> None:
        """Wait until the iteration before has its row and its checkpoint, and show it."""
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
        """Write a checkpoint that is due, after row and checkpoint of the iteration before."""
        elapsed = time.monotonic() - self._saved_at
        if now or elapsed >= 60 * self._schedule.checkpoint_minutes:
            self._wait()
            super()._save_inside(now=now)
