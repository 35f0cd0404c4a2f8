"""What the train command does once its arguments are read."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rlkit.core.config import given_keys, to_dict
from rlkit.core.errors import UserError
from rlkit.launchers.estimate import estimates
from rlkit.launchers.exit_codes import StoppableConsole, exit_codes
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.load_config import cut_for_debug, load_config, read_variant
from rlkit.launchers.record import experiment_name
from rlkit.launchers.run import resume_run, start_run
from rlkit.launchers.run_config import resumed_config
from rlkit.launchers.shipped import find_config
from rlkit.launchers.signals import SignalGuard


def launch(
    config_path: Path | None, settings: Sequence[str], run_dir: Path | None, print_config: bool
) -> None:
    """Start a run, resume one, or print what it would be.

    Args:
        config_path: the experiment's JSON, or the name of a shipped one; may be None with `run_dir`.
        settings: `key=value` changes of the configuration.
        run_dir: the folder of a run to be resumed, None for a new run.
        print_config: print the configuration (standard output) and what the run needs (standard
            error), and run nothing.
    Raises:
        SystemExit: with the exit codes of `exit_codes`.
    """
    console = StoppableConsole(soft_wrap=True, markup=False, emoji=False, highlight=False)
    with exit_codes(), SignalGuard() as guard:
        # From a JSON, a GPU is a wish; asked for on the command line, it is wanted for this run.
        needs_gpu = "util_params.use_gpu" in given_keys(settings)
        if run_dir is not None:
            config = resumed_config(run_dir, config_path, settings)
            if print_config:
                _print(config)
            else:
                resume_run(run_dir, config, console, guard.protect, need_gpu=needs_gpu)
        elif config_path is not None:
            config_path = find_config(config_path)
            config = load_config(config_path, settings)
            if config.util_params.debug and not _is_cut(config_path):
                config = cut_for_debug(config, settings)
            if print_config:
                _print(config)
            else:
                name = experiment_name(config_path)
                start_run(config, name, console, guard.protect, need_gpu=needs_gpu)
        else:
            raise UserError("nothing to run: expected a configuration or the folder of a run")


def _is_cut(config_path: Path) -> bool:
    """Whether this is the record of a smoke run, whose counts are as they ran."""
    if config_path.name != "variant.json":
        return False
    util = read_variant(config_path).get("util_params")
    return isinstance(util, dict) and util.get("debug") is True


def _print(config: ExperimentConfig) -> None:
    print(json.dumps(to_dict(config), indent=2), flush=True)
    print("\n".join(estimates(config)), file=sys.stderr, flush=True)
