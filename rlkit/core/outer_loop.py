"""An iteration of every algorithm: collect, train, evaluate, log, save."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from rlkit.core.algorithm import Display, Loop, RLAlgorithm, Save, Statistics
from rlkit.core.checkpoint import Checkpoint
from rlkit.core.errors import NonFiniteError
from rlkit.core.logger import Logger
from rlkit.core.loop import Timer
from rlkit.core.saving import Networks, save_weights


@dataclass(frozen=True)
class Schedule:
    """How long a run is, and when it evaluates and saves.

    Attributes:
        num_iterations: total of the run, counted from 0.
        eval_every: evaluate the iterations that it divides, and the last; others have `nan` in
            these columns.
        checkpoint_every: iterations between checkpoints; the last iteration always gets one.
        checkpoint_minutes: minutes after which `Loop.tick` with save="due" writes a checkpoint.
        save_every: keep the weights of the iterations that it divides in `snapshots/<iteration>`;
            None: keep none.
    """

    num_iterations: int
    eval_every: int = 1
    checkpoint_every: int = 1
    checkpoint_minutes: float = 10.0
    save_every: int | None = None

    def evaluates(self, iteration: int) -> bool:
        """Whether an iteration is evaluated."""
        return iteration % self.eval_every == 0 or iteration + 1 == self.num_iterations

    def saves(self, iteration: int) -> bool:
        """Whether an iteration ends with a checkpoint."""
        return (iteration + 1) % self.checkpoint_every == 0 or iteration + 1 == self.num_iterations


class OuterLoop:
    """Runs iterations, and is the `Loop` that the verbs see."""

    def __init__(
        self,
        algorithm: RLAlgorithm,
        logger: Logger,
        checkpoint: Checkpoint,
        schedule: Schedule,
        display: Display,
        protect: Callable[[], AbstractContextManager[None]],
        remark: Callable[[], str],
        say: Callable[[str], None],
        run: Mapping[str, Any] | None,
    ) -> None:
        self._algorithm, self._logger, self._checkpoint = algorithm, logger, checkpoint
        self._schedule, self._display = schedule, display
        self._protect, self._ask_remark, self._say = protect, remark, say
        self._run_record = run
        self._timer = Timer()
        self._clock = {"eval": 0.0, "total": 0.0, "save": 0.0}
        self._started = time.perf_counter()
        self._saved_at = time.monotonic()
        self._iteration = -1
        self._finished: dict[str, Statistics] = {}  # verbs of this iteration that are done
        self._saves_after = False  # whether the running verb has requested a checkpoint after it
        self._seconds_before: dict[str, float] = {}  # of this iteration, in an earlier process

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the state of a checkpoint, perhaps inside an iteration."""
        self._clock |= state["clock"]
        unfinished = state.get("unfinished") or {}
        self._finished = dict(unfinished.get("statistics", {}))
        self._seconds_before = dict(unfinished.get("seconds", {}))

    # What the verbs see

    def tick(self, done: int, total: int, note: str = "", save: Save | None = None) -> None:
        """Serve signals, show progress, write a checkpoint if one is due."""
        with self._protect():
            pass  # a signal that arrived meanwhile stops the run here
        self._display.progress(done, total, note)
        if save == "after":
            self._saves_after = True
        elif save is not None:
            self._save_inside(now=save == "now")

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Time a block under its own name."""
        return self._timer.phase(name)

    # An iteration

    def run_iteration(self, iteration: int) -> None:
        """Collect, train and evaluate, write the row, save."""
        self._iteration = self._logger.iteration = iteration
        self._timer.reset(self._seconds_before)
        algorithm, schedule = self._algorithm, self._schedule
        collected = self._run("collect_data", "sample", "collecting", algorithm.collect_data)
        self._remark()
        trained = self._run("do_training", "train", "training", algorithm.do_training)
        evaluated: Statistics = {}
        if schedule.evaluates(iteration):
            evaluated = self._run("evaluate", "eval", "evaluating", algorithm.evaluate)
        self._remark()
        row = dict.fromkeys(algorithm.columns, math.nan)
        row |= {**trained, **evaluated, **collected, **self._time_columns()}
        row["(Previous) Save Time (s)"] = self._clock["save"]
        with self._protect():
            self._logger.record_row(row)
            if schedule.evaluates(iteration):
                for name, rows in algorithm.tables(iteration).items():
                    self._logger.record_table(name, rows)
        self._finished, self._seconds_before = {}, {}
        if schedule.save_every is not None and iteration % schedule.save_every == 0:
            with self._timer.phase("save"), self._protect():
                save_weights(
                    self._logger.run_dir / "snapshots" / str(iteration), algorithm.networks
                )
        if schedule.saves(iteration):
            self._display.phase(iteration, "saving")
            self.save(iteration)
        self._clock["eval"] = self._evaluation_seconds()
        self._display.iteration_done(iteration, row, sum(self._timer.seconds.values()))

    def _save_inside(self, *, now: bool) -> None:
        """Write a checkpoint inside an iteration, now or if the last was long ago."""
        elapsed = time.monotonic() - self._saved_at
        if now or elapsed >= 60 * self._schedule.checkpoint_minutes:
            require_finite_weights(self._iteration, self._algorithm.networks)
            unfinished = {"statistics": self._finished, "seconds": self._timer.so_far()}
            self.save(self._iteration - 1, unfinished)

    def save(self, iteration: int, unfinished: Mapping[str, Any] | None = None) -> None:
        """Write a checkpoint and the weight files.

        Args:
            iteration: the last finished one.
            unfinished: statistics and seconds of the one after it, if that has begun.
        """
        with self._timer.phase("save"), self._protect():
            state = {
                "algorithm": self._algorithm.state_dict(),
                "clock": {**self._clock, "total": self._total_seconds()},
                "run": None if self._run_record is None else dict(self._run_record),
                "tables": self._logger.table_names,
                "contents": self._logger.contents,
                "unfinished": None if unfinished is None else dict(unfinished),
            }
            self._checkpoint.save(iteration, state, self._algorithm.buffers)
            save_weights(self._logger.run_dir, self._algorithm.networks)
        self._clock["save"] = self._timer.seconds["save"]
        self._saved_at = time.monotonic()

    def _run(
        self, name: str, phase: str, title: str, verb: Callable[[int, Loop], Statistics]
    ) -> Statistics:
        """Call a verb and time it, unless it was done before the run was stopped.

        A verb that asks for a checkpoint after it gets one if one is due, and always in iteration
        0, whose first collection takes longer than any later one.
        """
        if name not in self._finished:
            self._display.phase(self._iteration, title)
            self._saves_after = False
            with self._timer.phase(phase):
                statistics = verb(self._iteration, self)
            if name == "do_training":
                require_finite(self._iteration, statistics)
                require_finite_weights(self._iteration, self._algorithm.networks)
            self._finished[name] = statistics
            if self._saves_after:
                self._save_inside(now=self._iteration == 0)
        return self._finished[name]

    def _remark(self) -> None:
        if text := self._ask_remark():
            self._say(f"iteration {self._iteration}: {text}")

    def _time_columns(self) -> Statistics:
        """Compute the columns of times.

        The evaluation time is that of the previous evaluation, including the saving after it. The
        total is the wall-clock time since the start, without pauses before a run was resumed.

        Source: katerakelly/oyster, which writes its row before the current evaluation has been
        timed.
        """
        previous_eval, seconds = self._clock["eval"], self._timer.seconds
        train, sample = seconds.get("train", 0.0), seconds.get("sample", 0.0)
        epoch = train + previous_eval + sample
        self._clock["eval"] = self._evaluation_seconds()  # for a checkpoint; more saving follows
        return {
            "Train Time (s)": train,
            "(Previous) Eval Time (s)": previous_eval,
            "Sample Time (s)": sample,
            "Epoch Time (s)": epoch,
            "Total Train Time (s)": self._total_seconds(),
            "Epoch": self._iteration,
        }

    def _evaluation_seconds(self) -> float:
        """Seconds of this iteration's evaluation and of all its saving."""
        return sum(self._timer.seconds.get(phase, 0.0) for phase in ("eval", "save"))

    def _total_seconds(self) -> float:
        """Seconds since the start of the run, those of earlier processes included."""
        return self._clock["total"] + time.perf_counter() - self._started


def require_finite(iteration: int, trained: Mapping[str, float]) -> None:
    """Stop the run at a loss that is not finite: a statistic with "Loss" in its name.

    Raises:
        NonFiniteError: names iteration, statistic and value.
    """
    for name, value in trained.items():
        if "Loss" in name and not math.isfinite(value):
            raise NonFiniteError(
                f"iteration {iteration}: {name} is {value}; the last good checkpoint is kept"
            )


def require_finite_weights(iteration: int, networks: Networks) -> None:
    """Stop the run when a step left weights that are not finite, whatever its losses were.

    Raises:
        NonFiniteError: names iteration, network and parameter.
    """
    for network, module in networks.items():
        for name, value in module.state_dict().items():
            if not bool(value.isfinite().all()):
                where = f"weights {name} of {network} are not finite after training"
                raise NonFiniteError(
                    f"iteration {iteration}: {where}; the last good checkpoint is kept"
                )
