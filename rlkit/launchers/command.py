"""What the train command does once its arguments are read."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from rlkit.core.config import to_dict
from rlkit.core.errors import UserError
from rlkit.launchers.estimate import estimates
from rlkit.launchers.exit_codes import exit_codes
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.load_config import load_config
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
    console = Console(soft_wrap=True, markup=False, emoji=False, highlight=False)
    with exit_codes(), SignalGuard() as guard:
        if run_dir is not None:
            config = resumed_config(run_dir, config_path, settings)
            if print_config:
                _print(config)
            else:
                resume_run(run_dir, config, console, guard.protect)
        elif config_path is not None:
            config_path = find_config(config_path)
            config = load_config(config_path, settings)
            if print_config:
                _print(config.cut_for_debug() if config.util_params.debug else config)
            else:
                start_run(config, experiment_name(config_path), console, guard.protect)
        else:
            raise UserError("nothing to run: expected a configuration or the folder of a run")


def _print(config: ExperimentConfig) -> None:
    print(json.dumps(to_dict(config), indent=2), flush=True)
    print("\n".join(estimates(config)), file=sys.stderr)
