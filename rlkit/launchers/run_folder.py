"""Reads task sets and weights from run folders of this package or of oyster; read-only."""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from rlkit.core.errors import UserError, first_line
from rlkit.core.found_files import obstacle

FOLDER = 0x10  # MS-DOS folder attribute of a zip archive's members
OYSTER_RECURRENT = ("lstm.", "hidden")  # parameters that only its recurrent encoder has


def load_tasks(run_dir: str | Path) -> np.ndarray | None:
    """Read the task set of a run, [n_tasks, task_dim]; None if the folder has none (oyster's).

    Raises:
        UserError: `tasks.npz` cannot be read.
    """
    path = Path(run_dir) / "tasks.npz"
    return read_tasks(path) if os.path.lexists(path) else None


def read_tasks(path: Path) -> np.ndarray:
    """Read the array `tasks` of an NPZ file, [n_tasks, task_dim].

    Raises:
        UserError: the file cannot be read, or holds no task set.
    """
    if reason := obstacle(path):
        raise UserError(f"{path} {reason}")
    try:
        _check_sums(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            tasks = np.array(arrays["tasks"])
    except Exception as error:  # anything that a damaged archive causes
        reason = str(error) or type(error).__name__
        raise UserError(f"{path}: damaged, or not a task set ({reason})") from error
    if tasks.ndim != 2 or tasks.dtype.kind not in "fiu" or not np.isfinite(tasks).all():
        found = f"{tasks.dtype} {list(tasks.shape)}"
        raise UserError(f"{path}: not a task set (expected finite numbers, 2 axes; found {found})")
    return tasks


def load_weights(run_dir: str | Path, networks: Mapping[str, nn.Module]) -> None:
    """Load `<name>.pth` of a run folder into each network.

    Either all are loaded or none.

    Args:
        run_dir: a run folder of this package or of oyster.
        networks: by the names of their weight files, such as "policy" and "context_encoder"; on any
            device.
    Raises:
        UserError: a file is missing, damaged, or does not fit its network; gives names and shapes.
    """
    run_dir = Path(run_dir)
    if run_dir.exists() and not run_dir.is_dir():
        raise UserError(f"{run_dir}: {obstacle(run_dir) or 'is a file'}; expected a run folder")
    for path in (run_dir / f"{name}.pth" for name in networks):
        if os.path.lexists(path) and (reason := obstacle(path)):
            raise UserError(f"{path} {reason}")
    missing = [f"{name}.pth" for name in networks if not (run_dir / f"{name}.pth").is_file()]
    if missing:
        there = ", ".join(sorted(path.name for path in run_dir.glob("*.pth"))) or "none"
        raise UserError(
            f"{run_dir}: missing weight files {', '.join(missing)}; weight files there: {there}"
        )
    states = {}
    for name, network in networks.items():
        path = run_dir / f"{name}.pth"
        states[name] = read_state_dict(path)
        recurrent = [key for key in states[name] if key.startswith(OYSTER_RECURRENT)]
        if recurrent:
            raise UserError(
                f"{path} holds oyster's recurrent encoder ({', '.join(recurrent)}), which carries "
                "its state from one task to the next and sees no episode boundaries; its weights "
                'fit no encoder here: train one with "encoder": "lstm"'
            )
        problems = _misfits(states[name], network.state_dict())
        if problems:
            lines = "\n  ".join(problems)
            raise UserError(
                f"{path} does not fit this configuration (weights of another environment, or "
                f"of other sizes):\n  {lines}"
            )
    for name, network in networks.items():
        try:
            network.load_state_dict(states[name])
        except Exception as error:  # such as tensors without numbers
            raise UserError(f"{run_dir / name}.pth cannot be used ({error})") from error


def read_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """Read a weight file, of any device and version of torch, into CPU tensors.

    Since version 1.6 torch's files are zip archives with checksums, which `torch.load` ignores.

    Raises:
        UserError: the file is damaged, or does not hold named tensors.
    """
    try:
        if zipfile.is_zipfile(path):
            _check_sums(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can cause almost anything
        reason = first_line(error)
        raise UserError(f"{path}: damaged, or not a weight file ({reason})") from error
    if not isinstance(state, dict) or not all(
        isinstance(value, torch.Tensor) for value in state.values()
    ):
        raise UserError(f"{path}: not a weight file (expected named tensors)")
    return state


def _check_sums(path: str | Path) -> None:
    """Check a zip archive's checksums, and the fields of its directory that affect reading.

    The directory of an archive has no checksum. Changed names, sizes and offsets are detected, but
    PyTorch fills a member that is marked as a folder with uninitialised memory, and a comment can
    hide the members that follow it.

    Raises:
        ValueError: a member was altered; also any exception of `zipfile`.
    """
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            folder = member.external_attr & FOLDER and not member.is_dir()
            if member.comment or folder:
                raise ValueError(f"the entry of {member.filename} has been altered")
        if altered := archive.testzip():
            raise ValueError(f"the checksum of {altered} differs")


def _misfits(found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> list[str]:
    """List the parameters that are missing, unexpected or of another shape."""
    problems = []
    for name in {**expected, **found}:
        if name not in found:
            problems.append(f"{name} {list(expected[name].shape)} is missing")
        elif name not in expected:
            problems.append(f"{name} {list(found[name].shape)} is not expected")
        elif found[name].dtype.is_floating_point != expected[name].dtype.is_floating_point:
            problems.append(f"{name} is {found[name].dtype}, expected {expected[name].dtype}")
        elif found[name].shape != expected[name].shape:
            problems.append(
                f"{name} is {list(found[name].shape)}, expected {list(expected[name].shape)}"
            )
    return problems


def has_rows(run_dir: Path) -> bool:
    """Whether progress.csv has more than a header."""
    path = run_dir / "progress.csv"
    return path.is_file() and len(path.read_bytes().splitlines()) > 1
