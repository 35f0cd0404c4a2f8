"""One run of a sweep, in a process that ends with its parent.

    python -m rlkit.launchers.sweep_process PARENT FOLDER train CONFIG ...

PARENT is the id of the process that supervises the run. If it is killed, this one receives SIGTERM
and stops between two writes, as after Ctrl-C. FOLDER is the run folder.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rlkit.core.errors import UserError

PR_SET_PDEATHSIG = 1  # of linux/prctl.h
SECONDS_TO_LEAVE = 120.0  # for the process of a killed sweep to release its folder


@dataclass(frozen=True)
class Job:
    """Description of a run for a worker; plain values that can be sent to other machines.

    Attributes:
        name: of the run.
        folder: of the run, relative to `place` or absolute.
        arguments: of `rlkit train`.
        log: file to which the run's output is appended.
        place: working directory.
        environment: variables to set.
    """

    name: str
    folder: str
    arguments: tuple[str, ...]
    log: str
    place: str
    environment: Mapping[str, str] = field(default_factory=dict)


def start(job: Job) -> subprocess.Popen[bytes]:
    """Start the process of a run in its own process group, which Ctrl-C does not reach."""
    log = Path(job.place, job.log)
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "rlkit.launchers.sweep_process", str(os.getpid()), job.folder]
    with log.open("ab") as file:
        return subprocess.Popen(
            [*command, "train", *job.arguments],
            cwd=job.place,
            env={**os.environ, **job.environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            process_group=0,
        )


def run(job: Job) -> int:
    """Run a job to its end; returns its exit code."""
    return start(job).wait()


def wait_until_free(folder: Path) -> None:
    """Wait until no other process runs in a folder, at most two minutes."""
    from rlkit.launchers.folders import lock_run_folder

    until = time.monotonic() + SECONDS_TO_LEAVE
    while folder.is_dir() and time.monotonic() < until:
        try:
            with lock_run_folder(folder):
                return
        except UserError:
            time.sleep(0.2)


def end_with(parent: int) -> None:
    """Request SIGTERM for this process when its parent ends.

    Raises:
        SystemExit: it has already ended.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(128 + signal.SIGTERM)


def main(arguments: Sequence[str]) -> None:
    """Run `rlkit` with all arguments after the first two; see the module's docstring."""
    parent, folder, *command = arguments
    end_with(int(parent))
    wait_until_free(Path(folder))
    from rlkit.launchers.cli import main as rlkit

    rlkit(command, prog_name="rlkit")


if __name__ == "__main__":
    main(sys.argv[1:])
