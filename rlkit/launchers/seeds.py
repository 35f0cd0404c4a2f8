"""Trains several seeds in one process: `--seeds 1-5` of the train command.

Each run gets the same folder, files and numbers as if it were alone. On a GPU the runs train at the
same time (`seed_threads`); on a CPU one after another, since a single run uses all cores.
"""

import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from rlkit.core.config import given_keys
from rlkit.core.errors import UserError
from rlkit.launchers.choices import Choices, device_of, resolve
from rlkit.launchers.command import new_config, run_to_resume, settings_to_resume
from rlkit.launchers.exit_codes import SIGNALLED, SOME_FAILED, StoppableConsole, exit_codes
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.folders import check_name_is_free, named_folder
from rlkit.launchers.limits import check_it_fits
from rlkit.launchers.machine import default_threads
from rlkit.launchers.record import experiment_name
from rlkit.launchers.run import Protect, resume_run, start_run
from rlkit.launchers.run_config import resumed_config
from rlkit.launchers.shipped import find_config
from rlkit.launchers.signals import SignalGuard
from rlkit.launchers.sweep_plan import parse_seeds, run_name
from rlkit.launchers.trackers import check_trackers


class SeedRun(NamedTuple):
    """The planned run of one seed.

    Attributes:
        config: checked; for a resumed run, its own configuration with the changes that are allowed.
        name: name of its folder; None: the time.
        folder: the folder of a run to resume; None: start a new run.
    """

    config: ExperimentConfig
    name: str | None
    folder: Path | None


class Outcome(NamedTuple):
    """How a run ended: its exit code, and the error message ("" if there was none)."""

    code: int
    error: str = ""


@dataclass(frozen=True)
class Begin:
    """Starts or resumes a run, with choices that were made once for all runs.

    Args:
        choices: made for the first seed.
        exp_name: name of the experiment, for viskit.
    """

    choices: Choices
    exp_name: str

    def __call__(self, run: SeedRun, console: Console, protect: Protect) -> Outcome:
        """Run it to its end; an error is printed and becomes part of the outcome."""
        config, device = self.choices
        try:
            with exit_codes():
                if run.folder is not None:
                    resume_run(run.folder, run.config, console, protect, device=device)
                else:
                    own = Choices(replace(config, seed=run.config.seed), device)
                    arguments = run.config, self.exp_name, console, protect
                    start_run(*arguments, name=run.name, choices=own)
        except SystemExit as error:
            return Outcome(int(error.code or 0), str(error.__context__ or ""))
        except Exception as error:
            traceback.print_exc()
            return Outcome(SOME_FAILED, f"{type(error).__name__}: {error}")
        return Outcome(0)


def launch_seeds(
    config_path: Path,
    settings: Sequence[str],
    seeds: str,
    *,
    name: str | None = None,
    start_or_resume: bool = False,
    in_threads: bool | None = None,
) -> None:
    """Start or resume the runs of several seeds.

    Args:
        config_path: the experiment's JSON, or the name of a shipped one.
        settings: `key=value` changes of the configuration.
        seeds: such as "1-5" or "1,4,7".
        name: name of the runs, to which each appends its seed as in a sweep; None: the time.
        start_or_resume: resume those runs that have already started.
        in_threads: train all at the same time; None: do so on a GPU if `side_by_side` permits it.
    Raises:
        SystemExit: with the exit codes of `exit_codes`, and 1 if some runs are not complete.
    """
    console = StoppableConsole(soft_wrap=True, markup=False, emoji=False, highlight=False)
    with exit_codes(), SignalGuard() as guard:
        needs_gpu = "util_params.use_gpu" in given_keys(settings)
        runs = plan_seeds(config_path, settings, parse_seeds(seeds), name, start_or_resume)
        config = runs[0].config
        check_trackers(config)
        if "wandb" in (config.util_params.trackers or ()):
            expected = "expected other trackers, or rlkit sweep, which uses one process per run"
            raise UserError(f'--seeds with util_params.trackers "wandb": {expected}')
        device = device_of(config, console, needs_gpu)
        threaded = config.side_by_side()
        if in_threads is None:
            in_threads = device != "cpu" and len(runs) > 1 and not isinstance(threaded, str)
            if device != "cpu" and isinstance(threaded, str):
                console.print(f"the seeds train one after another: {threaded}")
        if in_threads and not isinstance(threaded, str):
            config = threaded
        num_new = sum(run.folder is None for run in runs)
        if num_new:
            at_once = num_new if in_threads else 1
            check_it_fits(config, device, num_runs=num_new, at_once=at_once)
        choices = Choices(resolve(_sharing(config, len(runs), in_threads), device), device)
        begin = Begin(choices, experiment_name(find_config(config_path)))
        if in_threads:
            from rlkit.launchers.seed_threads import run_in_threads

            outcomes = run_in_threads(runs, begin, device)
        else:
            outcomes = run_in_turn(runs, begin, console, guard.protect)
        _report(runs, outcomes)


def plan_seeds(
    config_path: Path,
    settings: Sequence[str],
    seeds: Sequence[int],
    name: str | None,
    start_or_resume: bool,
) -> list[SeedRun]:
    """Check the run of each seed before any starts; arguments as for `launch_seeds`.

    Raises:
        UserError: bad input.
    """
    if "seed" in given_keys(settings):
        raise UserError("--seeds and --set seed=... exclude each other")
    found = find_config(config_path)
    config = new_config(found, settings)
    debug = config.util_params.debug
    if debug and name is None:
        reason = "without a name, each smoke run replaces the previous one"
        raise UserError(f"--seeds with --debug needs --name: {reason}")
    runs: list[SeedRun] = []
    for seed in seeds:
        own, folder = replace(config, seed=seed), None
        own_name = None if name is None else run_name(name, {}, seed, debug=debug)
        if own_name is not None:
            folder = run_to_resume(own, own_name) if start_or_resume else None
            if folder is None:
                check_name_is_free(named_folder(own, own_name))
            else:
                changes = settings_to_resume(own, [*settings, f"seed={seed}"])
                own = resumed_config(folder, found, changes)
        runs.append(SeedRun(own, own_name, folder))
    return runs


def run_in_turn(
    runs: Sequence[SeedRun], begin: Begin, console: Console, protect: Protect
) -> list[Outcome]:
    """Run the seeds one after another; once a signal stops a run, the rest are not started.

    Returns:
        The outcomes of the runs that were started.
    """
    outcomes: list[Outcome] = []
    for run in runs:
        outcomes.append(begin(run, console, protect))
        if outcomes[-1].code > SIGNALLED:
            break
    return outcomes


def _sharing(config: ExperimentConfig, num_runs: int, in_threads: bool) -> ExperimentConfig:
    """Divide the CPUs among runs that train at the same time, unless `physics_threads` is set."""
    util = config.util_params
    if not in_threads or util.physics_threads is not None:
        return config
    threads = max(1, default_threads() // num_runs)
    return replace(config, util_params=replace(util, physics_threads=threads))


def _report(runs: Sequence[SeedRun], outcomes: Sequence[Outcome]) -> None:
    """Print the runs that are not complete, and exit if there are any.

    Raises:
        SystemExit: 1 if some runs are not complete, or the code of the signal that stopped them.
    """
    missing = len(runs) - sum(outcome.code == 0 for outcome in outcomes)
    for run, (code, error) in zip(runs, outcomes, strict=False):
        if code != 0:
            print(f"seed {run.config.seed}: {error} (exit code {code})", file=sys.stderr)
    if rest := [str(run.config.seed) for run in runs[len(outcomes) :]]:
        print(f"not started: seed {', '.join(rest)}", file=sys.stderr)
    if missing:
        print(f"{missing} of {len(runs)} runs are not complete", file=sys.stderr)
        stopped = next((code for code, _ in outcomes if code > SIGNALLED), None)
        sys.exit(SOME_FAILED if stopped is None else stopped)
