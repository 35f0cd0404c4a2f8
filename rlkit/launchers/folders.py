"""Creation and locking of run folders."""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from rlkit.core.csv_content import TIME_FORMAT
from rlkit.core.errors import UserError
from rlkit.launchers.experiment_config import ExperimentConfig

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,=+@-]{0,199}")


def create_run_folder(config: ExperimentConfig, now: datetime, name: str | None = None) -> Path:
    """Create `<base_log_dir>/<env_name>/<time>`, or replace the debug folder.

    Args:
        config: gives the environment's name and the base folder.
        now: time used as the folder's name; a suffix (_2, _3...) is added if that name is taken.
        name: name of the folder, instead of the time or "debug".
    Returns:
        The new folder, empty except that a named one may hold leftovers of a killed start.
    Raises:
        UserError: it cannot be created, the debug folder is not a run folder, or the name is taken.
    """
    parent = _parent(config)
    debug = config.util_params.debug
    folder = parent / (debug_name(config.algorithm) if debug else now.strftime(TIME_FORMAT))
    folder = folder if name is None else named_folder(config, name)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        if name is not None:
            check_name_is_free(folder)
            folder.mkdir(exist_ok=True)
            return folder
        if debug:
            _remove_debug_run(folder)
        return _make_unique(parent, folder.name)
    except OSError as error:
        reason = f"{folder} cannot be created ({error.strerror or error})"
        raise UserError(
            f"util_params.base_log_dir: {reason}; expected a writable folder"
        ) from error


def named_folder(config: ExperimentConfig, name: str) -> Path:
    """The folder of a run with this name, `<base_log_dir>/<env_name>/<name>`; it need not exist.

    Raises:
        UserError: the name is not a valid folder name, or is reserved for smoke runs.
    """
    if not NAME.fullmatch(name):
        expected = "letters, digits and any of _ . , = + @ -, starting with a letter, digit or _"
        raise UserError(f"--name {name}: expected at most 200 characters: {expected}")
    if name == "debug" or name.startswith("debug-"):
        raise UserError(f"--name {name}: this name is reserved for smoke runs (--debug)")
    return _parent(config) / name


def check_name_is_free(folder: Path) -> None:
    """Check that a folder holds no run: it does not exist, or was left by a killed start.

    Raises:
        UserError: it holds a run.
    """
    if not os.path.lexists(folder):
        return
    if folder.is_dir() and all(
        path.name == "tasks.npz" or path.suffix == ".tmp" for path in folder.iterdir()
    ):
        return
    expected = "expected a new name, or --start-or-resume to resume the run with this name"
    raise UserError(f"--name {folder.name}: {folder} already exists; {expected}")


@contextmanager
def new_run_folder(
    config: ExperimentConfig, now: datetime, name: str | None = None
) -> Iterator[Path]:
    """Create a run folder (see `create_run_folder`) and lock it while the body runs.

    Smoke runs of one environment create and lock their folder one at a time, so that none removes
    the folder of another that has just started.

    Raises:
        UserError: it cannot be created, or another smoke run is running in it.
    """
    with ExitStack() as running:
        with ExitStack() as turn:
            parent = _parent(config)
            with suppress(OSError):  # reported below
                parent.mkdir(parents=True, exist_ok=True)
            if config.util_params.debug and parent.is_dir():
                turn.enter_context(lock_run_folder(parent, wait=True))
            run_dir = create_run_folder(config, now, name)
            running.enter_context(lock_run_folder(run_dir))
        yield run_dir


def debug_name(algorithm: str) -> str:
    """Name of the folder of smoke runs: "debug" for the default algorithm, "debug-<algorithm>"."""
    default = ExperimentConfig.algorithm
    return "debug" if algorithm == default else f"debug-{algorithm.replace(':', '.')}"


@contextmanager
def lock_run_folder(run_dir: Path, *, wait: bool = False) -> Iterator[None]:
    """Lock a run folder against other processes while the body runs.

    Nothing is written, and a killed process leaves no lock behind.

    Args:
        run_dir: the folder.
        wait: wait until another process releases it.
    Raises:
        UserError: another process is running in the folder.
    """
    descriptor = os.open(run_dir, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError as error:
        os.close(descriptor)
        reason = "another process is running in this folder; expected a run that has stopped"
        raise UserError(f"{run_dir}: {reason}") from error
    except OSError:
        pass  # the file system has no locks; run without one
    try:
        yield
    finally:
        os.close(descriptor)


def _parent(config: ExperimentConfig) -> Path:
    env_folder = config.env_name.replace("_", "-").replace(":", ".").replace("/", ".")
    return Path(config.util_params.base_log_dir) / env_folder


def _make_unique(parent: Path, name: str) -> Path:
    count = 1
    while True:
        run_dir = parent / (name if count == 1 else f"{name}_{count}")
        try:
            run_dir.mkdir()
            return run_dir
        except FileExistsError:
            count += 1


def _remove_debug_run(run_dir: Path) -> None:
    """Remove the folder of an earlier smoke run.

    It is renamed first, so that nobody ever finds a partly removed one.
    """
    if not run_dir.exists():
        return
    if not run_dir.is_dir() or (any(run_dir.iterdir()) and not (run_dir / "variant.json").exists()):
        expected = "expected an earlier run, which --debug replaces; this folder holds no run"
        raise UserError(f"{run_dir}: {expected}")
    with lock_run_folder(run_dir):
        pass
    aside = Path(tempfile.mkdtemp(prefix=".removed-", dir=run_dir.parent))
    run_dir.rename(aside / run_dir.name)
    shutil.rmtree(aside)
