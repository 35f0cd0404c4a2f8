"""Looks at the files of a run folder before a run resumes in it."""

import os
from pathlib import Path

from rlkit.core.errors import UserError
from rlkit.core.found_files import obstacle

WRITTEN = (".json", ".csv", ".log", ".npz", ".pth", ".tmp")  # suffixes of the files of a run
FOLDERS = ("checkpoint", "snapshots", "eval_trajectories")


def check_run_folder(run_dir: Path) -> None:
    """Check that what a run writes to are files and folders.

    A pipe in the place of debug.log, say, would make the run wait forever. What the files hold is
    checked when they are loaded; a table that is none is put aside (rlkit/core/restored_tables.py).

    Raises:
        UserError: names the first that is something else.
    """
    if not run_dir.is_dir():
        return  # reported with what is missing
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
