"""Estimated cost of a run as text: environment and gradient steps, memory, disk, time."""

from rlkit.launchers.display import duration
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.launcher import Requirements, launcher_for


def estimates(config: ExperimentConfig, device: str = "cpu", *, timed: bool = True) -> list[str]:
    """Describe the estimated cost of a run, one quantity per line.

    Args:
        config: checked.
        device: name of the torch device used for training.
        timed: also time a few steps to estimate the duration; the run must fit on this machine.
    """
    launcher, lines = launcher_for(config), []
    needed = launcher.requirements(config)
    if needed is not None:
        lines += in_words(config, needed)
    seconds = launcher.iteration_seconds(config, device) if timed else None
    if seconds is not None:
        iterations = config.algo_params.num_iterations
        time = duration(iterations * seconds)
        lines.append(f"time: about {time} on this machine ({iterations:,} iterations)")
    return lines or [f"no estimates for the algorithm {config.algorithm}"]


def in_words(config: ExperimentConfig, needed: Requirements) -> list[str]:
    """Describe the requirements of a run, one quantity per line."""
    iterations = config.algo_params.num_iterations
    total = needed.initial_steps + iterations * needed.iteration_steps
    parts = f"{needed.initial_steps:,} at first, {needed.iteration_steps:,} per iteration"
    updates = f"{iterations * needed.gradient_steps:,} ({needed.gradient_steps:,} per iteration)"
    replay = f"of which replay data {size_in_words(needed.replay)} ({needed.row} bytes per row)"
    return [
        f"environment steps: {total:,} ({parts}), plus {needed.evaluation_steps:,} per evaluation",
        f"gradient steps: {updates}",
        f"memory: about {size_in_words(needed.memory)}, {replay}",
        f"disk: about {size_in_words(needed.disk)} in a folder under "
        f"{config.util_params.base_log_dir}",
    ]


def size_in_words(num_bytes: float) -> str:
    """Format a number of bytes in MB or GB, with an exponent if it is unrealistically large."""
    if num_bytes >= 1e15:
        return f"{num_bytes / 1e9:.1e} GB"
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"
