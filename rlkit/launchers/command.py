"""The train command, after its arguments have been parsed."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rlkit.core.config import flatten, given_keys, to_dict
from rlkit.core.errors import UserError
from rlkit.launchers.estimate import estimates
from rlkit.launchers.exit_codes import StoppableConsole, exit_codes
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.folders import check_name_is_free, named_folder
from rlkit.launchers.limits import check_it_fits
from rlkit.launchers.load_config import cut_for_debug, load_config, read_variant
from rlkit.launchers.machine import choose_device
from rlkit.launchers.record import experiment_name
from rlkit.launchers.run import resume_run, start_run
from rlkit.launchers.run_config import may_change, resumed_config
from rlkit.launchers.shipped import find_config
from rlkit.launchers.signals import SignalGuard
from rlkit.launchers.trackers import check_trackers


def launch(
    config_path: Path | None,
    settings: Sequence[str],
    run_dir: Path | None = None,
    *,
    name: str | None = None,
    start_or_resume: bool = False,
    print_config: bool = False,
) -> None:
    """Start a run, resume one, or print its configuration.

    Args:
        config_path: the experiment's JSON, or the name of a shipped one; may be None with
            `run_dir`.
        settings: `key=value` changes of the configuration.
        run_dir: the folder of a run to resume; None: start a new run.
        name: name of a new run's folder; None: the current time, or "debug".
        start_or_resume: resume the run with this name if it has started.
        print_config: print the configuration (standard output) and the estimated cost of the run
            (standard error) instead of running.
    Raises:
        SystemExit: with the exit codes of `exit_codes`.
    """
    console = StoppableConsole(soft_wrap=True, markup=False, emoji=False, highlight=False)
    with exit_codes(), SignalGuard() as guard:
        # In a JSON file a GPU is optional; requested on the command line, it is required.
        needs_gpu = "util_params.use_gpu" in given_keys(settings)
        if run_dir is None:
            if config_path is None:
                raise UserError("nothing to run: expected a configuration or the folder of a run")
            config_path = find_config(config_path)
            config = new_config(config_path, settings)
            exp_name = experiment_name(config_path)
            if name is not None and start_or_resume:
                run_dir = run_to_resume(config, name)
                settings = settings_to_resume(config, settings)
        if run_dir is not None:
            config = resumed_config(run_dir, config_path, settings)
        if name is not None and run_dir is None:
            check_name_is_free(named_folder(config, name))
        if print_config:
            _print(config)
            return
        check_trackers(config)
        if run_dir is not None:
            resume_run(run_dir, config, console, guard.protect, need_gpu=needs_gpu)
        else:
            start_run(config, exp_name, console, guard.protect, name=name, need_gpu=needs_gpu)


def new_config(config_path: Path, settings: Sequence[str]) -> ExperimentConfig:
    """Load the configuration of a new run; that of a smoke run is reduced.

    Args:
        config_path: a file, as `find_config` returned it.
        settings: `key=value` changes.
    Raises:
        UserError: one message that lists all errors.
    """
    config = load_config(config_path, settings)
    if config.util_params.debug and not _is_cut(config_path):
        config = cut_for_debug(config, settings)
    return config


def run_to_resume(config: ExperimentConfig, name: str) -> Path | None:
    """The folder of the run with this name; None if it has not started.

    Raises:
        UserError: the name is not a valid folder name.
    """
    folder = named_folder(config, name)
    return folder if (folder / "variant.json").exists() else None


def settings_to_resume(config: ExperimentConfig, settings: Sequence[str]) -> list[str]:
    """The settings with which a command resumes the run that it started earlier.

    Args:
        config: the command's configuration; settings that may change are taken from it.
        settings: the command's `key=value` changes, whose expanded values are in `config`.
    """
    values = flatten(to_dict(config))
    known = [key for key in given_keys(settings) if key in values]
    free = [key for key, value in values.items() if may_change(key) and value not in (None, "auto")]
    return [f"{key}={json.dumps(values[key])}" for key in dict.fromkeys([*known, *free])]


def _is_cut(config_path: Path) -> bool:
    """Whether this is the record of a smoke run, whose counts are already reduced."""
    if config_path.name != "variant.json":
        return False
    util = read_variant(config_path).get("util_params")
    return isinstance(util, dict) and util.get("debug") is True


def _print(config: ExperimentConfig) -> None:
    print(json.dumps(to_dict(config), indent=2), flush=True)
    util, device = config.util_params, "cpu"
    lines: list[str] = []
    try:
        device = choose_device(util.use_gpu, util.gpu_id, lines.append)
        check_it_fits(config, device)
        timed = True
    except UserError as error:  # the run may be meant for another machine
        lines.append(f"on this machine the run would be refused: {error}")
        timed = False
    print("\n".join([*estimates(config, device, timed=timed), *lines]), file=sys.stderr)
