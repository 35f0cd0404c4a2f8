"""Meta-reinforcement learning with PEARL and its relatives, batched over tasks and trajectories."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlkit.launchers.trained import TrainedAgent

__version__ = "0.2.0"


def load(
    run_dir: str | os.PathLike[str],
    config: str | os.PathLike[str] | None = None,
    *,
    device: str = "cpu",
    seed: int | None = None,
) -> "TrainedAgent":
    """Load the trained agent of a run folder, of any algorithm.

    Args:
        run_dir: the run folder.
        config: the experiment's JSON; needed only for a folder without variant.json.
        device: name of the torch device that the agent acts on.
        seed: of exploration and action noise; None: the run's own.
    Returns:
        An agent that acts and adapts.
    Raises:
        rlkit.core.errors.UserError: files are missing, damaged or of another environment.
    """
    from rlkit.launchers.trained import load_agent  # here, so that importing rlkit is cheap

    return load_agent(run_dir, config, device=device, seed=seed)
