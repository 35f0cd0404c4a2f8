"""Checks the files of a run folder before a run is resumed in it."""

import os
from pathlib import Path

from rlkit.core.errors import UserError
from rlkit.core.found_files import obstacle

WRITTEN = (".json", ".csv", ".log", ".npz", ".pth", ".tmp")  # suffixes of the files of a run
FOLDERS = ("checkpoint", "snapshots", "eval_trajectories")


def check_run_folder(run_dir: Path) -> None:
    """Check that the paths a run writes to are regular files and folders.

    A pipe named debug.log, for example, would block the run forever. The content of files is
    checked when they are loaded; an invalid table is renamed (rlkit/core/restored_tables.py).

    Raises:
        UserError: names the first path that is not.
    """
    if not run_dir.is_dir():
        return  # the missing variant.json is reported instead
    for path in sorted(run_dir.iterdir()):
        if path.name in FOLDERS:
            if not path.is_dir():
                raise UserError(f"{path} {obstacle(path) or 'is a file'}, expected a folder")
        elif path.suffix in WRITTEN and (reason := obstacle(path)):
            raise UserError(f"{path} {reason}")
    checkpoint = run_dir / "checkpoint"
    for path in sorted(checkpoint.iterdir()) if checkpoint.is_dir() else []:
        reason = obstacle(path)
        if reason and (path.is_dir() or path.suffix == ".tmp"):
            raise UserError(f"{path} {reason}")
    if not os.access(run_dir, os.R_OK):
        raise UserError(f"{run_dir}: the folder is not readable")
