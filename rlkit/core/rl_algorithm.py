"""The outer loop that every algorithm shares: collect, train, evaluate, log, save; resume from any checkpoint."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from rlkit.core.checkpoint import Checkpoint, save_weights
from rlkit.core.errors import NonFiniteError
from rlkit.core.logger import Logger
from rlkit.core.timer import Timer


class RLAlgorithm(Protocol):
    """Three verbs and a state. The dictionaries are ordered statistics; the loop joins them into a row of progress.csv."""

    buffers: dict[str, Any]
    networks: dict[str, Any]

    def collect_data(self, iteration: int) -> dict[str, float]:
        """Gather experience."""

    def do_training(self, iteration: int) -> dict[str, float]:
        """Update the networks; the statistics are oyster's first columns."""

    def evaluate(self, iteration: int) -> dict[str, float]:
        """Measure returns."""

    def online_returns(self) -> list[tuple]:
        """Of this iteration's evaluation: (split, means, stds, counts), each a list over trajectories; empty if none."""

    def diagnostics(self) -> dict[str, float]:
        """Statistics that come after the time columns; without those of the evaluation if there was none."""

    def state_dict(self) -> dict:
        """All that the next iteration depends on, beside the buffers' rows."""

    def load_state_dict(self, state: dict) -> None:
        """Take over a state."""


class Display(Protocol):
    """Shows how a run goes."""

    def start(self, num_iterations: int, start_iteration: int) -> None:
        """The run begins."""

    def phase(self, iteration: int, name: str) -> None:
        """A phase begins."""

    def iteration_done(self, iteration: int, row: dict[str, float], seconds: float) -> None:
        """A row was written."""

    def stop(self) -> None:
        """The run ends."""


def train(
    algorithm: RLAlgorithm,
    logger: Logger,
    checkpoint: Checkpoint,
    num_iterations: int,
    *,
    display: Display,
    start_iteration: int = 0,
    clock: dict[str, float] | None = None,
    checkpoint_every: int = 1,
    eval_every: int = 1,
    save_every: int | None = None,
    protect: Callable[[], AbstractContextManager] = nullcontext,
    remark: Callable[[], None] = lambda: None,
) -> None:
    """Run iterations `start_iteration` to `num_iterations - 1`.

    Args:
        algorithm: learns.
        logger: gets a row an iteration.
        checkpoint: gets the run's state; before the first iteration with index -1.
        num_iterations: total of the run, counted from 0.
        display: is told what happens.
        start_iteration: 0, or one more than the iteration of the checkpoint that was loaded.
        clock: {"eval", "total"} seconds of the checkpoint that was loaded.
        checkpoint_every: iterations between checkpoints; the last iteration always gets one.
        eval_every: the iterations that it divides are evaluated, and the last; others have `nan` in its columns.
        save_every: the weights after each iteration that it divides are kept in `snapshots/<iteration>`; None: of none.
        protect: context manager around every write, inside which signals wait.
        remark: called after the collection and after the evaluation of each iteration; tells the user what is unusual.
    Raises:
        NonFiniteError: a loss or a weight is not finite after training; nothing of that iteration is saved.
    """
    timer, clock = Timer(), {"eval": 0.0, "total": 0.0, "save": 0.0, **(clock or {})}

    def weights() -> dict[str, Any]:
        return {name: network.state_dict() for name, network in algorithm.networks.items()}

    def save(iteration: int) -> None:
        with timer.phase("save"), protect():
            checkpoint.save(
                iteration,
                {"algorithm": algorithm.state_dict(), "clock": dict(clock)},
                algorithm.buffers,
            )
            save_weights(logger.run_dir, weights())
        clock["save"] = timer.seconds["save"]

    display.start(num_iterations, start_iteration)
    try:
        if start_iteration == 0:
            save(-1)
        for iteration in range(start_iteration, num_iterations):
            timer.reset()
            logger.iteration = iteration
            display.phase(iteration, "collecting")
            with timer.phase("sample"):
                collected = algorithm.collect_data(iteration)
            remark()
            display.phase(iteration, "training")
            with timer.phase("train"):
                trained = algorithm.do_training(iteration)
            require_finite(iteration, trained)
            require_finite_weights(iteration, algorithm.networks)
            evaluated: dict[str, float] = {}
            with timer.phase("eval"):
                if iteration % eval_every == 0 or iteration + 1 == num_iterations:
                    display.phase(iteration, "evaluating")
                    evaluated = algorithm.evaluate(iteration)
            remark()
            times = _time_columns(timer, clock, iteration)
            row = {**trained, **evaluated, **collected, **times, **algorithm.diagnostics()}
            row["(Previous) Save Time (s)"] = clock["save"]
            with protect():
                logger.record_row(row)
                for split, means, stds, counts in algorithm.online_returns():
                    logger.record_online_returns(iteration, split, means, stds, counts)
            if save_every is not None and iteration % save_every == 0:
                with timer.phase("save"), protect():
                    save_weights(logger.run_dir / "snapshots" / str(iteration), weights())
            if (iteration + 1) % checkpoint_every == 0 or iteration + 1 == num_iterations:
                display.phase(iteration, "saving")
                save(iteration)
            display.iteration_done(iteration, row, sum(timer.seconds.values()))
    finally:
        display.stop()


def _time_columns(timer: Timer, clock: dict[str, float], iteration: int) -> dict[str, float]:
    """Oyster's six last columns. It logs before this iteration's evaluation is counted: the previous one stands there."""
    previous_eval, seconds = clock["eval"], timer.seconds
    epoch = seconds["train"] + previous_eval + seconds["sample"]
    clock["eval"] = seconds["eval"]
    clock["total"] += epoch
    return {
        "Train Time (s)": seconds["train"],
        "(Previous) Eval Time (s)": previous_eval,
        "Sample Time (s)": seconds["sample"],
        "Epoch Time (s)": epoch,
        "Total Train Time (s)": clock["total"],
        "Epoch": iteration,
    }


def require_finite(iteration: int, statistics: dict[str, float]) -> None:
    """Stop the run at the first loss that is not finite (`nan` stands for a posterior that does not exist).

    Raises:
        NonFiniteError: names iteration, statistic and value.
    """
    for name in (
        "QF Loss (mean)",
        "VF Loss (mean)",
        "Policy Loss (mean)",
        "QF Loss",
        "VF Loss",
        "Policy Loss",
    ):
        if name in statistics and not math.isfinite(statistics[name]):
            raise NonFiniteError(
                f"iteration {iteration}: {name} is {statistics[name]}; the last good checkpoint is kept"
            )


def require_finite_weights(iteration: int, networks: dict[str, Any]) -> None:
    """Stop the run when the last step of an iteration left weights that are not finite, whatever its losses were.

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
