"""The sweep command, after its arguments have been parsed."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rlkit.core.config import given_keys
from rlkit.core.errors import StopRequested
from rlkit.launchers.exit_codes import SOME_FAILED, StoppableConsole, exit_codes
from rlkit.launchers.machine import choose_device
from rlkit.launchers.sweep_display import SweepDisplay
from rlkit.launchers.sweep_plan import Planned, parse_seeds, plan
from rlkit.launchers.sweep_process import Job
from rlkit.launchers.sweep_run import LocalEngine, RayEngine, outcome_in_words
from rlkit.launchers.sweep_scripts import shell_lines, slurm_script


class Where(NamedTuple):
    """Where a sweep runs.

    Attributes:
        engine: "local" or "ray".
        address: of the Ray cluster; None: start one.
        num_jobs: parallel runs; -1: as many as possible.
        threads: default number of threads per run.
    """

    engine: str
    address: str | None
    num_jobs: int
    threads: int


def sweep(
    configs: Sequence[Path],
    settings: Sequence[str],
    seeds: str | None,
    prefix: str | None,
    where: Where,
    printed: str | None = None,
) -> None:
    """Run a sweep, or print it.

    Args:
        configs: JSON files or names of shipped configurations.
        settings: `key=value` or `key=value,value...`.
        seeds: such as "1-5"; None: the configurations' own.
        prefix: of the run names.
        where: engine and resources.
        printed: print the sweep as "shell" or "slurm" instead of running it.
    Raises:
        SystemExit: with the exit codes of `exit_codes`, and 1 if some runs are not complete.
    """
    console = StoppableConsole(soft_wrap=True, markup=False, emoji=False, highlight=False)
    with exit_codes(lambda _: "to resume: run the same command again"):
        numbers = [None] if seeds is None else parse_seeds(seeds)
        runs = plan(configs, settings, numbers, prefix=prefix, threads=where.threads)
        wants_gpu = runs[0].config.util_params.use_gpu
        asked = "util_params.use_gpu" in given_keys(settings)
        if printed == "shell":
            print("\n".join(shell_lines(runs)))
        elif printed == "slurm":
            num_jobs = where.num_jobs if where.num_jobs > 1 else -1
            gpu = wants_gpu and asked
            text = slurm_script(runs, num_jobs=num_jobs, threads=where.threads, gpu=gpu)
            print(text, end="")
        else:
            engine = _engine(where, runs[0], asked)
            _run(runs, engine, console)


def _engine(where: Where, run: Planned, asked: bool) -> LocalEngine | RayEngine:
    """Make the engine; fails if a requirement is missing.

    Args:
        where: engine and resources.
        run: one of its runs.
        asked: whether the command line chooses between GPU and CPU.
    """
    util = run.config.util_params
    if where.engine == "ray":
        num_gpus = 1.0 if asked and util.use_gpu else 0.0
        return RayEngine(where.num_jobs, where.address, num_cpus=where.threads, num_gpus=num_gpus)
    if asked:
        choose_device(util.use_gpu, util.gpu_id, print, required=True)
    return LocalEngine(where.num_jobs)


def _run(
    runs: Sequence[Planned], engine: LocalEngine | RayEngine, console: StoppableConsole
) -> None:
    display = SweepDisplay(runs, console)
    missing = [run for run in runs if not run.is_complete]
    skipped = len(runs) - len(missing)
    note = f", {skipped} of them already complete" if skipped else ""
    console.print(f"{len(runs)} runs{note}, {engine.num_jobs} at a time")
    try:
        with display.shown():
            codes = engine.run([_job(run) for run in missing], display.begun, display.ended)
    except StopRequested:
        console.print(display.summary())
        raise
    console.print(display.summary())
    failed = [run for run in missing if codes[run.name] != 0]
    for run in failed:
        what = outcome_in_words(codes[run.name])
        print(f"{run.name}: {what}; log: {run.log}", file=sys.stderr)
    if failed:
        print(f"{len(failed)} of {len(runs)} runs are not complete", file=sys.stderr)
        sys.exit(SOME_FAILED)


def _job(run: Planned) -> Job:
    # The package may be on this process's path only, as in a checkout.
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), "PYTHONPATH": path}
    arguments = run.arguments
    return Job(run.name, str(run.folder), arguments, str(run.log), os.getcwd(), environment)
