"""Trajectories as NPZ files."""

from pathlib import Path
from typing import IO

import numpy as np

from rlkit.data_management.paths import FIELDS, Paths


def save_paths(file: str | Path | IO[bytes], paths: Paths) -> None:
    """Write all arrays to an uncompressed NPZ file, under the names of the fields."""
    np.savez(file, **{name: getattr(paths, name) for name in FIELDS})


def load_paths(file: str | Path | IO[bytes]) -> Paths:
    """Read a file that `save_paths` wrote.

    Raises:
        ValueError: an array is missing, pickled, or its shape does not fit the others.
    """
    with np.load(file, allow_pickle=False) as arrays:
        missing = [name for name in FIELDS if name not in arrays]
        if missing:
            raise ValueError(f"{file} does not hold paths: it lacks {', '.join(missing)}")
        return Paths(**{name: arrays[name] for name in FIELDS})
