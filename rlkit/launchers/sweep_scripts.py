"""A sweep as text: one shell line per run, and a SLURM array script."""

import shlex
from collections.abc import Sequence

from rlkit.launchers.sweep_plan import Planned

STOPPED = "129|130|143"  # exit codes of a run stopped by a signal, which can be resumed


def shell_lines(runs: Sequence[Planned]) -> list[str]:
    """The command of each run, which starts or resumes it."""
    return [shlex.join(["rlkit", "train", *run.arguments]) for run in runs]


def slurm_script(runs: Sequence[Planned], *, num_jobs: int, threads: int, gpu: bool) -> str:
    """A script for `sbatch`: a job array with one run per index.

    A run that SLURM stops, at its time limit or in favour of another job, is requeued and resumed.

    Args:
        runs: at least one.
        num_jobs: number of parallel runs; below 1: no limit.
        threads: CPUs per run.
        gpu: request a GPU for each run.
    """
    at_once = f"%{num_jobs}" if num_jobs > 0 else ""
    options = [
        "job-name=rlkit-sweep",
        f"array=0-{len(runs) - 1}{at_once}",
        f"cpus-per-task={threads}",
        *(["gpus-per-task=1"] if gpu else []),
        "ntasks=1",
        "time=24:00:00",
        "signal=TERM@120",
        "requeue",
        "open-mode=append",
        "output=slurm-%A_%a.log",
    ]
    lines = ["#!/bin/bash", *(f"#SBATCH --{option}" for option in options)]
    lines += ["# Submit from the folder that is to hold the runs: sbatch this-file", "set -u"]
    lines += [f"export OMP_NUM_THREADS={threads}", "", 'case "${SLURM_ARRAY_TASK_ID:?}" in']
    for index, line in enumerate(shell_lines(runs)):
        lines.append(f"{index}) srun {line} ;;")
    lines += [
        '*) echo "no run with index ${SLURM_ARRAY_TASK_ID}" >&2; exit 2 ;;',
        "esac",
        "code=$?",
        'case "$code" in',
        f'{STOPPED}) scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}" ;;',
        "esac",
        'exit "$code"',
    ]
    return "\n".join(lines) + "\n"
