"""Rejects runs that need more memory or disk than this machine has."""

import os
import shutil
from pathlib import Path

from rlkit.core.errors import UserError
from rlkit.launchers.estimate import size_in_words
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.launcher import launcher_for
from rlkit.launchers.machine import CGROUP


def check_it_fits(
    config: ExperimentConfig, device: str = "cpu", *, num_runs: int = 1, at_once: int = 1
) -> None:
    """Compare the estimated cost of new runs with the available memory and disk.

    Args:
        config: checked.
        device: name of the torch device; a GPU's memory is added to the machine's.
        num_runs: number of equal runs, whose folders share the disk.
        at_once: number of them that run at the same time and share the memory.
    Raises:
        UserError: memory or disk is insufficient; names both numbers.
    """
    try:
        needed = launcher_for(config).requirements(config)
    except (MemoryError, OverflowError, RuntimeError, ValueError) as error:
        raise UserError(f"this configuration is too large to be estimated ({error})") from error
    if needed is None:
        return
    folder = Path(config.util_params.base_log_dir)
    subject = "this run needs" if num_runs == 1 else f"these {num_runs} runs need"
    limits = (
        ("memory", at_once * needed.memory, memory_bytes(device), "this machine has"),
        ("disk", num_runs * needed.disk, free_bytes(folder), f"the free space at {folder} is"),
    )
    for name, wanted, there, has in limits:
        if there is not None and wanted > there:
            what = f"about {size_in_words(wanted)} of {name}, but {has} {size_in_words(there)}"
            advice = "lower its counts, such as algo_params.num_iterations (see --print-config)"
            raise UserError(f"{subject} {what}; {advice}")


def memory_bytes(device: str = "cpu", cgroup: Path = CGROUP) -> int | None:
    """Bytes of memory of this machine or control group, plus the GPU's; None if unknown."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            total = min(total, int((cgroup / name).read_text()))
        except (OSError, ValueError):
            pass  # no such group, or no limit
    if device.startswith("cuda"):
        import torch

        total += torch.cuda.get_device_properties(device).total_memory
    return total


def free_bytes(folder: Path) -> int | None:
    """Free bytes on the disk of a folder that may not exist yet; None if unknown."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
