"""Runs an experiment: builds it from a checked configuration, opens its folder, trains."""

import io
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from rlkit.core import config as config_lib
from rlkit.core.algorithm import Display
from rlkit.core.checkpoint import Checkpoint
from rlkit.core.errors import ResourceError, UserError
from rlkit.core.files import replace_file
from rlkit.core.logger import Logger
from rlkit.core.outer_loop import Schedule
from rlkit.core.restored_tables import truncate_tables
from rlkit.core.rl_algorithm import train
from rlkit.core.saving import save_weights
from rlkit.envs.class_lanes import ClassEnv
from rlkit.envs.lane_check import compare_lanes
from rlkit.launchers.choices import Choices, choose, device_of, resolve
from rlkit.launchers.exit_codes import exit_codes
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.folders import lock_run_folder, new_run_folder
from rlkit.launchers.identity import (
    IDENTITY,
    NOT_RECORDED,
    check_state,
    check_tasks,
    identity_record,
    new_identity,
)
from rlkit.launchers.launcher import Experiment, launcher_for
from rlkit.launchers.load_config import refused_if_new
from rlkit.launchers.machine import keep_freed_memory
from rlkit.launchers.record import (
    changes_since,
    decisions,
    other_versions,
    variant_record,
    write_variant,
)
from rlkit.launchers.restore import restore_state
from rlkit.launchers.resume_hint import resume_hint
from rlkit.launchers.run_display import run_display
from rlkit.launchers.run_files import RunFiles
from rlkit.launchers.run_folder import has_rows, load_tasks, load_weights
from rlkit.launchers.trackers import run_logger
from rlkit.torch.execution import torch_threads

Protect = Callable[[], AbstractContextManager[None]]
BUILDING = threading.Lock()  # threads of a process build one after another
TABLES_OF_OLD_CHECKPOINTS = ("online_returns",)  # those checkpoints do not name their tables


def start_run(
    config: ExperimentConfig,
    exp_name: str,
    console: Console,
    protect: Protect,
    *,
    name: str | None = None,
    need_gpu: bool = False,
    choices: Choices | None = None,
) -> Path:
    """Run an experiment from the beginning.

    Args:
        config: checked; its open settings are chosen here and recorded. That of a smoke run is
            already reduced (`load_config.cut_for_debug`).
        exp_name: name of the experiment, for viskit.
        console: receives messages and the progress.
        protect: context manager that holds signals back during writes.
        name: name of the run folder; None: the time, or "debug".
        need_gpu: if `use_gpu` is set, fail instead of falling back to the CPU.
        choices: the choices for this run if they have been made already; None: make them here.
    Returns:
        The run folder, which is created only after everything else has been checked.
    Raises:
        UserError: bad input.
        SystemExit: the run was stopped; with the exit codes of `exit_codes`.
    """
    requested = config
    config, device = choices or choose(requested, console, need_gpu)
    files = RunFiles()
    with _closing(_build(config, device, files), files) as experiment:
        loaded = _load_initial_weights(config, experiment)
        own = experiment.env.unwrapped
        loaded += compare_lanes(own, own.num_envs) if isinstance(own, ClassEnv) else []
        with new_run_folder(config, datetime.now(), name) as run_dir:
            files.run_dir = run_dir
            logger, checkpoint = run_logger(config, run_dir, console.print), Checkpoint(run_dir)
            identity = new_identity()
            record = variant_record(config, requested, exp_name, device) | {IDENTITY: identity}
            with protect():
                _write_tasks(run_dir, experiment, identity)
                write_variant(run_dir, record)
            message = f"run folder {run_dir}, seed {config.seed}, device {device}"
            for line in [decisions(config, requested, device), *loaded]:
                logger.say(line)
            run = identity_record(config, identity, run_dir)
            display = run_display(config, device, console, logger)
            _train(config, experiment, logger, checkpoint, display, protect, message, run)
    return run_dir


def resume_run(
    run_dir: Path,
    config: ExperimentConfig,
    console: Console,
    protect: Protect,
    *,
    need_gpu: bool = False,
    device: str | None = None,
) -> None:
    """Resume a stopped run from its newest whole checkpoint; without one, from the beginning.

    Args:
        run_dir: the run folder.
        config: the run's configuration, with the changes that are allowed (see `resumed_config`).
        console, protect, need_gpu: as for `start_run`.
        device: name of the torch device, if it has been chosen already.
    Raises:
        UserError: bad input.
        SystemExit: the run was stopped; with the exit codes of `exit_codes`.
    """
    if not os.access(run_dir, os.W_OK | os.X_OK):
        raise UserError(f"--resume {run_dir}: the folder is not writable")
    for line in refused_if_new(config):
        console.print(line)
    device = device or device_of(config, console, need_gpu)
    config = resolve(config, device)
    record, tasks = config_lib.read_json(run_dir / "variant.json"), load_tasks(run_dir)
    if tasks is None:
        raise UserError(f"--resume {run_dir}: there is no tasks.npz, the task set of the run")
    check_tasks(record, run_dir)
    if (identity := record.get(IDENTITY)) is None:
        console.print(NOT_RECORDED)
    run = identity_record(config, identity, run_dir)
    if changed := changes_since(record, device):
        effect = "so its numbers may differ from those of an uninterrupted run"
        console.print(f"changed since the run was started, {effect}: {', '.join(changed)}")
    files = RunFiles()
    files.run_dir = run_dir
    with (
        _closing(_build(config, device, files, tasks), files) as experiment,
        lock_run_folder(run_dir),
    ):
        logger, checkpoint = run_logger(config, run_dir, console.print), Checkpoint(run_dir)
        start, state, num_iterations = 0, None, config.algo_params.num_iterations
        tables: list[str] = []
        contents = None
        if not checkpoint.exists and not has_rows(run_dir):
            for line in _load_initial_weights(config, experiment):
                logger.say(line)  # stopped before its first checkpoint
        else:
            iteration, state = checkpoint.load(experiment.algorithm.buffers, warn=logger.say)
            check_state(run, state, run_dir)
            restore_state(experiment.algorithm, state, run_dir)
            start, tables = iteration + 1, state.get("tables", TABLES_OF_OLD_CHECKPOINTS)
            contents = state.get("contents")
        if num_iterations < start:
            expected = f"expected at least the {start} iterations that {run_dir} already has"
            raise UserError(f"algo_params.num_iterations = {num_iterations}: {expected}")
        with protect():
            truncate_tables(logger, start - 1, tables, contents)
            save_weights(run_dir, experiment.networks)
            write_variant(run_dir, {**record, **config_lib.to_dict(config)})
        if num_iterations == start:
            more = "to extend it: --set algo_params.num_iterations=N with a larger N"
            console.print(f"{run_dir} is complete ({start} iterations); {more}")
        else:
            place = f"iteration {start}, seed {config.seed}, device {device}"
            message = f"{run_dir} resumes at {place}"
            display = run_display(config, device, console, logger)
            _train(
                config, experiment, logger, checkpoint, display, protect, message, run, start, state
            )


def _build(
    config: ExperimentConfig, device: str, files: RunFiles, tasks: np.ndarray | None = None
) -> Experiment:
    try:
        launcher = launcher_for(config)
        with BUILDING:
            return launcher.build(config, device, config.seed or 0, tasks=tasks, files=files)
    except ValueError as error:
        raise UserError(f"the experiment cannot be built: {error}") from error


@contextmanager
def _closing(experiment: Experiment, files: RunFiles) -> Iterator[Experiment]:
    """Close an experiment at the end; a user's own environment class may fail to."""

    def log(message: str) -> None:
        if run_dir := vars(files).get("run_dir"):  # None if no folder was made
            Logger(run_dir).log(message)

    try:
        yield experiment
    finally:
        with exit_codes(log):
            experiment.close()


def _write_tasks(run_dir: Path, experiment: Experiment, identity: str) -> None:
    """Write the task set, which a resumed run and `sim_policy.py` read."""
    tasks = io.BytesIO()
    np.savez(tasks, tasks=experiment.env.tasks, log_dir_id=np.array(identity))  # IDENTITY
    replace_file(run_dir / "tasks.npz", tasks.getvalue())


def _load_initial_weights(config: ExperimentConfig, experiment: Experiment) -> list[str]:
    """Load the weights that a run starts with, if any; returns lines that describe them."""
    folder = config.path_to_weights
    if folder is None:
        return []
    load_weights(folder, experiment.networks)
    words = [f"initial weights of {', '.join(experiment.networks)} loaded from {folder}"]
    return words + ([line] if (line := other_versions(folder)) else [])


def _train(
    config: ExperimentConfig,
    experiment: Experiment,
    logger: Logger,
    checkpoint: Checkpoint,
    display: Display,
    protect: Protect,
    first_words: str,
    run: Mapping[str, Any],
    start_iteration: int = 0,
    resumed: Mapping[str, Any] | None = None,
) -> None:
    def last_words(message: str) -> str:
        hint = resume_hint(logger.run_dir)
        with suppress(ResourceError):  # a failing disk may be what ended the run
            logger.log(f"{message}\n{hint}")
        return hint

    keep_freed_memory()
    schedule = Schedule(
        config.algo_params.num_iterations,
        eval_every=config.algo_params.eval_every,
        checkpoint_every=config.util_params.checkpoint_every,
        checkpoint_minutes=config.util_params.checkpoint_minutes,
        save_every=config.util_params.save_every,
    )
    # Rollouts use one thread; the updates set their own number.
    with exit_codes(last_words), torch_threads(1):
        logger.say(first_words)
        train(
            experiment.algorithm,
            logger,
            checkpoint,
            schedule,
            display=display,
            start_iteration=start_iteration,
            resumed=resumed,
            protect=protect,
            remark=experiment.env.divergence_message,
            say=logger.say,
            run=run,
        )
        logger.say(f"done: {logger.run_dir}")
