"""Describes the estimated cost of a run: environment steps, gradient steps, memory, disk, hours."""

from rlkit.launchers.display import duration
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.launcher import Requirements, launcher_for


def estimates(config: ExperimentConfig, device: str = "cpu", *, timed: bool = True) -> list[str]:
    """Lines on what a run will take, as far as its algorithm estimates it.

    Args:
        config: checked.
        device: name of the torch device that would be trained on.
        timed: take a few steps and tell the time; the run must fit into this machine.
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
    """The requirements of a run as lines of text."""
    iterations = config.algo_params.num_iterations
    total = needed.initial_steps + iterations * needed.iteration_steps
    parts = f"{needed.initial_steps:,} at first, {needed.iteration_steps:,} per iteration"
    updates = f"{iterations * needed.gradient_steps:,} ({needed.gradient_steps:,} per iteration)"
    replay = f"of which replay data {size_in_words(needed.replay)} ({needed.row} bytes a row)"
    return [
        f"environment steps: {total:,} ({parts}), "
        f"in addition to {needed.evaluation_steps:,} per evaluation",
        f"gradient steps: {updates}",
        f"memory: about {size_in_words(needed.memory)}, {replay}",
        f"disk: about {size_in_words(needed.disk)} in a folder under {config.util_params.base_log_dir}",
    ]


def size_in_words(num_bytes: float) -> str:
    """A number of bytes in MB, GB or, beyond all machines, powers of ten."""
    if num_bytes >= 1e15:
        return f"{num_bytes / 1e9:.1e} GB"
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"
