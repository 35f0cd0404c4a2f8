"""Trains any algorithm from its first iteration, or from a checkpoint, to its last."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rlkit.core.algorithm import Display, RLAlgorithm
from rlkit.core.checkpoint import Checkpoint
from rlkit.core.logger import Logger
from rlkit.core.outer_loop import OuterLoop, Schedule


def train(
    algorithm: RLAlgorithm,
    logger: Logger,
    checkpoint: Checkpoint,
    schedule: Schedule,
    *,
    display: Display,
    start_iteration: int = 0,
    resumed: Mapping[str, Any] | None = None,
    protect: Callable[[], AbstractContextManager[None]] = nullcontext,
    remark: Callable[[], str] = str,
    say: Callable[[str], None] = print,
    run: Mapping[str, Any] | None = None,
) -> None:
    """Run iterations `start_iteration` to `schedule.num_iterations - 1`.

    Args:
        algorithm: learns; a resumed one has its state already. With a `Beside` as its attribute
            `beside`, an iteration is evaluated and saved while the next one runs.
        logger: gets one row per iteration.
        checkpoint: stores the run's state; before the first iteration, with index -1.
        schedule: length of the run, evaluations and checkpoints.
        display: shows the progress.
        start_iteration: 0, or one more than the iteration of the checkpoint that was loaded.
        resumed: the state of the checkpoint that was loaded.
        protect: context manager around every write, inside which signals wait.
        remark: called after the collection and after the evaluation of each iteration; returns a
            line on what is unusual, or "".
        say: receives these lines.
        run: identifies the run; stored as `run` in the state of each checkpoint.
    Raises:
        NonFiniteError: a loss or a weight is not finite; no checkpoint holds it.
    """
    rest = display, protect, remark, say, run
    loop = OuterLoop(algorithm, logger, checkpoint, schedule, *rest)
    finishing: AbstractContextManager[object] = nullcontext()
    if getattr(algorithm, "beside", None) is not None:
        from rlkit.core.beside import BesideLoop

        loop = finishing = BesideLoop(algorithm, logger, checkpoint, schedule, *rest)
    if resumed is not None:
        loop.restore(resumed)
    display.start(schedule.num_iterations, start_iteration)
    try:
        with finishing:
            if resumed is None:
                loop.save(-1)
            for iteration in range(start_iteration, schedule.num_iterations):
                loop.run_iteration(iteration)
    finally:
        display.stop()
