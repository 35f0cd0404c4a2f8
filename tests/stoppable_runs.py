"""Runs of an experiment that can be stopped at a tick of the loop, and resumed."""

from pathlib import Path
from typing import Any

from rlkit.core.checkpoint import Checkpoint
from rlkit.core.logger import Logger
from rlkit.core.restored_tables import truncate_tables
from rlkit.core.rl_algorithm import Schedule, train
from rlkit.launchers.launcher import Launcher
from rlkit.launchers.restore import restore_state
from rlkit.launchers.run_files import RunFiles
from tests.core.loop_toys import RecordingDisplay


class Stopped(Exception):
    """Raised by the display at the tick where the run is stopped."""


def run_stoppable(
    launcher: Launcher[Any],
    settings: Any,
    folder: Path,
    schedule: Schedule,
    *,
    stop_at: tuple[int, int] | None = None,
    resume: bool = False,
) -> list:
    """Run an experiment with seed 3 on the CPU, from the start or from its newest checkpoint.

    Args:
        launcher: builds the experiment.
        settings: its configuration.
        folder: run folder; created if missing.
        schedule: of the outer loop.
        stop_at: (iteration, progress of the verb) at which `Stopped` is raised; None: never.
        resume: continue from the newest checkpoint in `folder`.
    Returns:
        What the display has shown.
    """
    folder.mkdir(exist_ok=True)
    files = RunFiles()
    files.run_dir = folder
    experiment = launcher.build(settings, "cpu", 3, files=files)
    logger, checkpoint = Logger(folder), Checkpoint(folder)
    display = RecordingDisplay(stop_at, Stopped())
    start, state = 0, None
    try:
        if resume:
            iteration, state = checkpoint.load(experiment.algorithm.buffers, warn=print)
            restore_state(experiment.algorithm, state, folder)
            start = iteration + 1
            truncate_tables(logger, iteration, [])
        train(
            experiment.algorithm,
            logger,
            checkpoint,
            schedule,
            display=display,
            start_iteration=start,
            resumed=state,
        )
    finally:
        experiment.close()
    return display.shown
