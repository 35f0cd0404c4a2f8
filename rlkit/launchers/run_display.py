"""Chooses the progress display of a run."""

from functools import partial

from rich.console import Console

from rlkit.core.logger import Logger
from rlkit.launchers.display import LineDisplay
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.launcher import launcher_for
from rlkit.launchers.live_display import make_display


def run_display(
    config: ExperimentConfig, device: str, console: Console, logger: Logger
) -> LineDisplay:
    """Construct the display of a run.

    Args:
        config: the resolved configuration.
        device: name of the torch device; a short iteration is timed on the CPU only, since a
            second experiment may not fit on the GPU.
        console: where the run is watched.
        logger: of the run.
    """
    launcher = launcher_for(config)
    estimate = partial(launcher.iteration_seconds, config, device) if device == "cpu" else None
    return make_display(
        console,
        str(logger.run_dir),
        launcher.headline,
        logger.say,
        logger.log,
        launcher.units,
        estimate,
    )
