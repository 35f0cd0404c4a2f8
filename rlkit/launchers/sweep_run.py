"""Runs the jobs of a sweep in parallel: as local processes, or on workers of a Ray cluster.

joblib distributes the jobs. Each has its own process, so that a failed or killed one does not
affect the others.
"""

import logging
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from joblib import Parallel, delayed, parallel_config

from rlkit.core.errors import StopRequested, UserError
from rlkit.launchers import sweep_process
from rlkit.launchers.signals import SIGNALS
from rlkit.launchers.sweep_process import Job

TRIES = 2  # of a run whose process or worker was killed
SECONDS_TO_ANSWER = 5.0  # for a Ray cluster

Begun = Callable[[Job], None]
Ended = Callable[[Job, int], None]


def was_killed(code: int) -> bool:
    """Whether a process was ended by a signal that it cannot handle, such as SIGKILL."""
    return code < 0 and -code not in SIGNALS


class LocalEngine:
    """Runs jobs as processes of this machine.

    After the first SIGINT, SIGTERM or SIGHUP, running jobs stop between two writes and no more are
    started; the second signal kills them.

    Args:
        num_jobs: number of parallel jobs.
    """

    def __init__(self, num_jobs: int) -> None:
        """Start with no running jobs."""
        self.num_jobs = num_jobs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        # Asked to stop, once: a second signal would kill them.
        self._terminated: set[subprocess.Popen[bytes]] = set()
        self._stopped_by: int | None = None

    def run(self, jobs: Sequence[Job], begun: Begun, ended: Ended) -> dict[str, int]:
        """Run the jobs to their ends.

        Args:
            jobs: in the order in which they start.
            begun, ended: called from other threads, `ended` with the exit code.
        Returns:
            Name -> exit code.
        Raises:
            StopRequested: a signal was received.
        """
        with self._signals(), parallel_config(backend="threading"):
            work = (delayed(self._one)(job, begun, ended) for job in jobs)
            done = Parallel(n_jobs=self.num_jobs, batch_size=1, pre_dispatch="all")(work)
        if self._stopped_by is not None:
            raise StopRequested(self._stopped_by)
        return dict(zip((job.name for job in jobs), done, strict=True))

    def _one(self, job: Job, begun: Begun, ended: Ended) -> int:
        for _ in range(TRIES):
            with self._lock:
                if self._stopped_by is not None:
                    return 128 + self._stopped_by
                self._running[job.name] = process = sweep_process.start(job)
            if self._stopped_by is not None:
                self._terminate(process)
            begun(job)
            code = process.wait()
            with self._lock:
                del self._running[job.name]
            ended(job, code)
            if not was_killed(code):
                break
        return code

    @contextmanager
    def _signals(self) -> Iterator[None]:
        before: dict[int, Any] = {number: signal.signal(number, self._stop) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop running jobs; called between two instructions of the main thread, without a lock."""
        again, self._stopped_by = self._stopped_by is not None, signum
        for process in list(self._running.values()):
            if again:
                process.kill()
            else:
                self._terminate(process)
        if again:
            os._exit(128 + signum)

    def _terminate(self, process: subprocess.Popen[bytes]) -> None:
        if process not in self._terminated:
            self._terminated.add(process)
            process.terminate()


class RayEngine:
    """Runs jobs on a Ray cluster, whose machines see this machine's files and have this package.

    Args:
        num_jobs: number of parallel jobs; -1: as many as the cluster has CPUs.
        address: of the cluster, "host:port" or "ray://host:port"; None: start one.
        num_cpus, num_gpus: resources per job.
    """

    def __init__(
        self, num_jobs: int, address: str | None, *, num_cpus: float = 1, num_gpus: float = 0
    ) -> None:
        """Connect to the cluster.

        Raises:
            UserError: Ray is not installed, or the cluster does not answer.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
            from ray.util.joblib import register_ray
        except ImportError as error:
            install = 'pip install "pearl-rlkit[ray]"'
            raise UserError(f"--engine ray: Ray is not installed here; {install}") from error
        if address is not None:
            check_answers(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # its type depends on version and address
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            where = "--engine ray" if address is None else f"--address {address}"
            raise UserError(f"{where}: no Ray cluster answers ({reason})") from error
        register_ray()
        self._ray, self._resources = ray, {"num_cpus": num_cpus, "num_gpus": num_gpus}
        slots = int(ray.cluster_resources().get("CPU", 1) / num_cpus) or 1
        self.num_jobs = slots if num_jobs < 0 else min(num_jobs, slots)

    def run(self, jobs: Sequence[Job], begun: Begun, ended: Ended) -> dict[str, int]:
        """Run the jobs to their ends; see `LocalEngine.run`.

        After the loss of a worker, jobs that have not reported their end are run again; complete
        ones end immediately.
        """
        codes: dict[str, int] = {}
        try:
            for _ in range(TRIES):
                pending = [job for job in jobs if job.name not in codes]
                found = self._round(pending)
                for job in pending:
                    if job.name in found:
                        ended(job, found[job.name])
                codes |= {name: code for name, code in found.items() if not was_killed(code)}
                if len(codes) == len(jobs):
                    break
        except KeyboardInterrupt:
            raise StopRequested(signal.SIGINT) from None
        finally:
            self._ray.shutdown()
        return {job.name: codes.get(job.name, -signal.SIGKILL) for job in jobs}

    def _round(self, jobs: Sequence[Job]) -> dict[str, int]:
        work = (delayed(sweep_process.run)(job) for job in jobs)
        with parallel_config(backend="ray", ray_remote_args=self._resources):
            try:
                done = Parallel(n_jobs=self.num_jobs, batch_size=1, pre_dispatch="all")(work)
            except self._ray.exceptions.RayError:
                return {}
        return dict(zip((job.name for job in jobs), done, strict=True))


def check_answers(address: str) -> None:
    """Check that something listens at an address, "host:port" or "ray://host:port".

    Raises:
        UserError: the address has another form, or nothing answers.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not colon or not host or not port.isdecimal():
        raise UserError(f"--address {address}: expected host:port, ray://host:port or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"--address {address}: no Ray cluster answers ({error})") from error


def outcome_in_words(code: int) -> str:
    """Meaning of a run's exit code."""
    known: Mapping[int, str] = {
        1: "failed with a traceback",
        2: "bad input",
        3: "a loss or a weight became NaN or infinite",
        4: "disk or memory exhausted",
    }
    if code < 0 or code > 128:
        number = -code if code < 0 else code - 128
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return f"{'killed' if code < 0 else 'stopped'} by {name}"
    return f"exit code {code}, {known[code]}" if code in known else f"exit code {code}"
