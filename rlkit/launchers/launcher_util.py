"""Around a run: the algorithm's builder, what the machine chooses, the run folder and the record in it."""

import fcntl
import importlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from rlkit.core import config as settings_of
from rlkit.core.errors import UserError
from rlkit.launchers import ALGORITHMS
from rlkit.launchers.calibrate import choose_rollout_device, choose_route
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.machine import default_threads, machine, versions

TIME_FORMAT = "%Y_%m_%d_%H_%M_%S"


def algorithm_module(name: str) -> tuple[ModuleType, Callable[..., Any]]:
    """Import the builder of an algorithm.

    Args:
        name: a key of `ALGORITHMS`.
    Returns:
        The module and its build function.
    """
    module_name, function = ALGORITHMS[name].split(":")
    module = importlib.import_module(module_name)
    return module, getattr(module, function)


def resolve(config: ExperimentConfig, device: str = "cpu") -> ExperimentConfig:
    """Choose what the configuration leaves to the moment of starting (null, "auto"): seed, lanes, threads, route of products.

    Args:
        config: checked.
        device: name of the torch device of networks and buffers.
    Returns:
        The configuration with every choice made; from it the run can be repeated.
    Raises:
        UserError: `rollout_device` asks for a GPU, and `device` is none.
    """
    util, threads = config.util_params, default_threads()
    module, _ = algorithm_module(config.algorithm)
    matmul, slice_rows = choose_route(util.matmul, util.slice_rows, util.torch_threads or threads)
    num_envs = util.num_envs or module.default_num_envs(config)
    widths = [min(width, num_envs) for width in module.rollout_widths(config)]
    wanted = util.rollout_device
    if config.obs_mode == "image" and wanted == "auto" and device != "cpu":
        wanted = "gpu"  # convolutions are no work for the host
    chosen = replace(
        util,
        matmul=matmul,
        slice_rows=slice_rows,
        num_envs=num_envs,
        torch_threads=util.torch_threads or threads,
        physics_threads=util.physics_threads or threads,
        rollout_device=choose_rollout_device(wanted, device, matmul, widths),
    )
    seed = secrets.randbelow(2**31) if config.seed is None else config.seed
    return replace(config, util_params=chosen, seed=seed)


def experiment_name(path: str | Path) -> str:
    """Name an experiment after its JSON file, such as "quick-point-robot"; viskit groups runs by it.

    A variant.json gives the name that it carries.
    """
    path = Path(path)
    if path.name == "variant.json":
        name = settings_of.read_json(path).get("exp_name")
        return str(name) if name else path.parent.name
    parts = path.resolve().with_suffix("").parts
    return "-".join(parts[parts.index("configs") + 1 :] if "configs" in parts[:-1] else parts[-1:])


def variant_record(
    config: ExperimentConfig, requested: ExperimentConfig, exp_name: str, device: str
) -> dict[str, Any]:
    """Put together variant.json: the complete configuration, and beside it what it ran with.

    Args:
        config: with every choice made.
        requested: before `resolve`; what it left open stands under "requested".
        exp_name: name of the experiment, for viskit.
        device: name of the torch device.
    """
    complete, before = (
        settings_of.to_dict(config),
        settings_of.flatten(settings_of.to_dict(requested)),
    )
    left_open = {
        key: before.get(key)
        for key, value in settings_of.flatten(complete).items()
        if before.get(key) != value
    }
    record = {
        "exp_name": exp_name,
        "requested": left_open,
        "versions": versions(),
        "machine": machine(device),
    }
    return {**complete, **record}


def create_run_folder(config: ExperimentConfig, now: datetime) -> Path:
    """Create `<base_log_dir>/<env_name>/<time>`, or `.../debug`, which replaces an earlier one.

    Args:
        config: names the environment and the base folder.
        now: the time that names the folder; a folder of that name gets a suffix (_2, _3...).
    Returns:
        The new, empty folder.
    Raises:
        UserError: it cannot be created, or "debug" is not a run folder.
    """
    parent = Path(config.util_params.base_log_dir) / config.env_name.replace("_", "-").replace(
        ":", "."
    )
    name = "debug" if config.util_params.debug else now.strftime(TIME_FORMAT)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        if config.util_params.debug:
            _remove_debug_run(parent / name)
        return _make_unique(parent, name)
    except OSError as error:
        reason = f"{parent / name} cannot be created ({error.strerror or error}); expected a writable folder"
        raise UserError(f"util_params.base_log_dir: {reason}") from error


@contextmanager
def lock_run_folder(run_dir: Path) -> Iterator[None]:
    """Make this process the only one that runs in a folder while the body runs; nothing is written, and a killed process
    leaves no lock behind.

    Raises:
        UserError: another process runs in the folder.
    """
    descriptor = os.open(run_dir, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise UserError(
            f"{run_dir}: another process is running in this folder; expected a run that has stopped"
        ) from error
    except OSError:
        pass  # a file system without locks; the run goes on unguarded
    try:
        yield
    finally:
        os.close(descriptor)


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
    """Remove the run folder of an earlier --debug; moved aside first, so that a half-removed one is never found."""
    if not run_dir.exists():
        return
    if not run_dir.is_dir() or (any(run_dir.iterdir()) and not (run_dir / "variant.json").exists()):
        raise UserError(
            f"{run_dir}: expected an earlier run, which --debug replaces; this holds something else"
        )
    with lock_run_folder(run_dir):
        pass
    aside = Path(tempfile.mkdtemp(prefix=".removed-", dir=run_dir.parent))
    run_dir.rename(aside / run_dir.name)
    shutil.rmtree(aside)
