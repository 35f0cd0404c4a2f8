"""A sweep as text: one shell line per run, and a SLURM array script."""

import shlex
from collections.abc import Sequence

from rlkit.launchers.sweep_plan import Planned

STOPPED = "129|130|143"  # exit codes of a run that a signal has stopped: it can go on


def shell_lines(runs: Sequence[Planned]) -> list[str]:
    """The command of each run, which begins or resumes it."""
    return [shlex.join(["rlkit", "train", *run.arguments]) for run in runs]


def slurm_script(runs: Sequence[Planned], *, num_jobs: int, threads: int, gpu: bool) -> str:
    """A script for `sbatch`: an array with a run for each index.

    A run that SLURM stops, before a time limit or for another job, is queued again and resumes.

    Args:
        runs: at least one.
        num_jobs: that run at the same time; below 1: as many as there is room for.
        threads: CPUs of a run.
        gpu: ask for a GPU for each run.
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
    lines += ["# Submit from the folder in which the runs are to lie: sbatch this-file", "set -u"]
    lines += [f"export OMP_NUM_THREADS={threads}", "", 'case "${SLURM_ARRAY_TASK_ID:?}" in']
    for index, line in enumerate(shell_lines(runs)):
        lines.append(f"{index}) srun {line} ;;")
    lines += [
        '*) echo "no run of index ${SLURM_ARRAY_TASK_ID}" >&2; exit 2 ;;',
        "esac",
        "code=$?",
        'case "$code" in',
        f'{STOPPED}) scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}" ;;',
        "esac",
        'exit "$code"',
    ]
    return "\n".join(lines) + "\n"
