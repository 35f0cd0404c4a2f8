"""Runs one experiment from a checked configuration: builds it, makes or reopens its folder, trains it."""

import csv
import io
import os
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from rlkit.core import config as settings_of
from rlkit.core.checkpoint import Checkpoint, save_weights
from rlkit.core.errors import ResourceError, UserError
from rlkit.core.files import replace_file
from rlkit.core.logger import Logger
from rlkit.core.rl_algorithm import train
from rlkit.data_management.paths import Paths
from rlkit.launchers.display import make_display
from rlkit.launchers.exit_codes import exit_codes
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.launcher_util import (
    algorithm_module,
    create_run_folder,
    lock_run_folder,
    resolve,
    variant_record,
)
from rlkit.launchers.machine import (
    check_precision,
    choose_device,
    keep_freed_memory,
    machine,
    versions,
)
from rlkit.launchers.run_folder import load_tasks, load_weights
from rlkit.torch.execution import torch_threads

Protect = Callable[[], AbstractContextManager[None]]


class EvalPathFiles:
    """Writes evaluation trajectories to `<run_dir>/eval_trajectories/<name>.npz`; the folder is named once it exists."""

    run_dir: Path

    def __call__(self, name: str, paths: Paths) -> None:
        """Write one file."""
        folder = self.run_dir / "eval_trajectories"
        folder.mkdir(exist_ok=True)
        paths.save_npz(folder / f"{name}.npz")


def start_run(config: ExperimentConfig, exp_name: str, console: Console, protect: Protect) -> Path:
    """Run an experiment from the beginning.

    Args:
        config: checked; what it leaves open is chosen here and recorded.
        exp_name: name of the experiment, for viskit.
        console: where messages and the progress go.
        protect: context manager that holds signals back during writes.
    Returns:
        The run folder; it is created only when everything else has been found in order.
    Raises:
        UserError: bad input.
        SystemExit: the run was stopped; with the exit codes of `exit_codes`.
    """
    requested = config.cut_for_debug() if config.util_params.debug else config
    device = _device(requested, console)
    config = resolve(requested, device)
    files = EvalPathFiles()
    experiment = _build(config, device, files)
    with closing(experiment.env):
        _load_initial_weights(config, experiment)
        files.run_dir = run_dir = create_run_folder(config, datetime.now())
        with lock_run_folder(run_dir):
            logger = Logger(run_dir)
            with protect():
                tasks = io.BytesIO()
                np.savez(tasks, tasks=experiment.env.tasks)
                replace_file(run_dir / "tasks.npz", tasks.getvalue())
                logger.write_variant(variant_record(config, requested, exp_name, device))
            message = f"run folder {run_dir}, seed {config.seed}, device {device}"
            _train(config, experiment, logger, Checkpoint(run_dir), console, protect, message)
    return run_dir


def resume_run(run_dir: Path, config: ExperimentConfig, console: Console, protect: Protect) -> None:
    """Let a stopped run go on from its newest whole checkpoint, or from the beginning if it was stopped before its first.

    Args:
        run_dir: the run folder.
        config: the run's configuration, with the changes that are allowed (see `resumed_config`).
        console, protect: as for `start_run`.
    Raises:
        UserError: bad input.
        SystemExit: the run was stopped; with the exit codes of `exit_codes`.
    """
    if not os.access(run_dir, os.W_OK | os.X_OK):
        raise UserError(f"--resume {run_dir}: the folder is not writable")
    device = _device(config, console)
    config = resolve(config, device)
    record, tasks = settings_of.read_json(run_dir / "variant.json"), load_tasks(run_dir)
    if tasks is None:
        raise UserError(f"--resume {run_dir}: there is no tasks.npz, the task set of the run")
    _report_changes(record, device, console)
    files = EvalPathFiles()
    files.run_dir = run_dir
    experiment = _build(config, device, files, tasks)
    with closing(experiment.env), lock_run_folder(run_dir):
        logger, checkpoint = Logger(run_dir), Checkpoint(run_dir)
        start, clock, num_iterations = 0, None, config.algo_params.num_iterations
        if not any(checkpoint.folder.glob("manifest*")) and not _has_rows(run_dir):
            _load_initial_weights(
                config, experiment
            )  # stopped before its first checkpoint: it begins anew
        else:
            say = _speaker(console, logger)
            iteration, state = checkpoint.load(experiment.algorithm.buffers, warn=say)
            experiment.algorithm.load_state_dict(state["algorithm"])
            start, clock = iteration + 1, state["clock"]
        if num_iterations < start:
            expected = f"expected at least the {start} iterations that {run_dir} already has"
            raise UserError(f"algo_params.num_iterations = {num_iterations}: {expected}")
        with protect():
            logger.truncate_to(start - 1)
            save_weights(
                run_dir,
                {name: network.state_dict() for name, network in experiment.networks.items()},
            )
            logger.write_variant({**record, **settings_of.to_dict(config)})
        if num_iterations == start:
            more = "it goes on with --set algo_params.num_iterations=N and a larger N"
            console.print(f"{run_dir} is complete, {start} iterations; {more}")
        else:
            message = (
                f"{run_dir} goes on with iteration {start}, seed {config.seed}, device {device}"
            )
            _train(config, experiment, logger, checkpoint, console, protect, message, start, clock)


def _device(config: ExperimentConfig, console: Console) -> str:
    util = config.util_params
    device = choose_device(util.use_gpu, util.gpu_id, console.print)
    check_precision(util.precision, device, console.print)
    return device


def _build(
    config: ExperimentConfig, device: str, files: EvalPathFiles, tasks: np.ndarray | None = None
) -> Any:
    _, build = algorithm_module(config.algorithm)
    try:
        return build(config, device, config.seed, tasks=tasks, save_eval_paths=files)
    except ValueError as error:
        raise UserError(f"the experiment cannot be built: {error}") from error


def _load_initial_weights(config: ExperimentConfig, experiment: Any) -> None:
    if config.path_to_weights is not None:
        load_weights(config.path_to_weights, experiment.networks)


def _train(
    config: ExperimentConfig,
    experiment: Any,
    logger: Logger,
    checkpoint: Checkpoint,
    console: Console,
    protect: Protect,
    first_words: str,
    start_iteration: int = 0,
    clock: dict[str, float] | None = None,
) -> None:
    say = _speaker(console, logger)

    def remark() -> None:
        if text := experiment.env.divergence_message():
            say(f"iteration {logger.iteration}: {text}")

    def last_words(message: str) -> str:
        with suppress(ResourceError):  # the disk may be what ended the run
            logger.log(message)
        return f"to go on: python launch_experiment.py --resume {shlex.quote(str(logger.run_dir))}"

    keep_freed_memory()
    with (
        exit_codes(last_words),
        torch_threads(1),
    ):  # rollouts take one thread; the updates ask for theirs
        say(first_words)
        train(
            experiment.algorithm,
            logger,
            checkpoint,
            config.algo_params.num_iterations,
            display=make_display(console, str(logger.run_dir), say, logger.log),
            start_iteration=start_iteration,
            clock=clock,
            checkpoint_every=config.util_params.checkpoint_every,
            eval_every=config.algo_params.eval_every,
            save_every=config.util_params.save_every,
            protect=protect,
            remark=remark,
        )
        say(f"done: {logger.run_dir}")


def _speaker(console: Console, logger: Logger) -> Callable[[str], None]:
    """Make a function that writes a line to the console and to debug.log."""

    def say(text: str) -> None:
        console.print(text)
        logger.log(text)

    return say


def _has_rows(run_dir: Path) -> bool:
    """Tell whether progress.csv has a row below its header."""
    try:
        with (run_dir / "progress.csv").open(newline="") as file:
            return len(list(csv.reader(file))) > 1
    except FileNotFoundError:
        return False


def _report_changes(record: dict[str, Any], device: str, console: Console) -> None:
    """Say what is not as it was when the run began, so that its numbers need not continue bit for bit."""
    then = settings_of.flatten(
        {"versions": record.get("versions", {}), "machine": record.get("machine", {})}
    )
    now = settings_of.flatten({"versions": versions(), "machine": machine(device)})
    relevant = [key for key in now if key not in ("machine.cpus", "machine.platform")]
    changed = [
        f"{key} {then[key]} -> {now[key]}"
        for key in relevant
        if key in then and then[key] != now[key]
    ]
    if changed:
        console.print(
            f"not as at the start of this run, so that it need not go on bit for bit: {', '.join(changed)}"
        )
