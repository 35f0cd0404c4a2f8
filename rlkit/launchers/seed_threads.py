"""Trains several seeds in threads of this process, each on a CUDA stream of its own.

Kernels of different streams run on a GPU at the same time, those of separate processes do not.
Settings of the whole process are fixed before the threads start: PyTorch's number of threads and
the precision of float32 products. Everything else belongs to a single run: its generators,
networks, graphs, environment and files.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import click
import torch
from click.globals import push_context

from rlkit.core.errors import StopRequested
from rlkit.launchers.exit_codes import StoppableConsole
from rlkit.launchers.seeds import Begin, Outcome, SeedRun
from rlkit.torch.execution import OF_THREAD, tensor_cores, torch_threads


class SeedConsole(StoppableConsole):
    """Prints lines that begin with the seed of a run; never redraws."""

    def __init__(self, seed: int | None) -> None:
        """Print to standard output."""
        options: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False}
        super().__init__(soft_wrap=True, force_terminal=False, **options)
        self._prefix = f"seed {seed} | "

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts, with the prefix before each line."""
        lines = " ".join(map(str, objects)).splitlines()
        super().print("\n".join(self._prefix + line for line in lines), **options)


class Stops:
    """The signal that stops all runs, once one has arrived."""

    def __init__(self) -> None:
        """Start without a signal."""
        self.signum: int | None = None


class ThreadGuard:
    """Stops the run of a thread between two writes, as `SignalGuard` does in the main thread.

    Args:
        stops: the main thread stores the signal here.
    """

    def __init__(self, stops: Stops) -> None:
        self._stops, self._depth = stops, 0

    @contextmanager
    def protect(self) -> Iterator[None]:
        """Stop before or after the body if a signal has arrived, never inside it.

        Raises:
            StopRequested: a signal has arrived.
        """
        self._stop_if_requested()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
        self._stop_if_requested()

    def _stop_if_requested(self) -> None:
        if self._depth == 0 and self._stops.signum is not None:
            raise StopRequested(self._stops.signum)


def run_in_threads(runs: Sequence[SeedRun], begin: Begin, device: str) -> list[Outcome]:
    """Run all seeds at the same time; a signal stops each at its next write.

    Args:
        runs: one per seed.
        begin: runs one of them to its end.
        device: name of the torch device.
    Returns:
        The outcome of each run, in order.
    """
    stops, context = Stops(), click.get_current_context(silent=True)
    tf32 = getattr(begin.choices.config.util_params, "precision", "") == "tf32"

    def one(run: SeedRun) -> Outcome:
        OF_THREAD.keeps_precision = True
        if context is not None:  # tells a run the command that resumes it
            push_context(context)
        console = SeedConsole(run.config.seed)
        with on_a_stream(device):
            return begin(run, console, ThreadGuard(stops).protect)

    futures: list[Future[Outcome]] = []
    with (
        torch_threads(1),
        tensor_cores(tf32),
        ThreadPoolExecutor(len(runs), thread_name_prefix="seed") as pool,
    ):
        try:
            futures.extend(pool.submit(one, run) for run in runs)
            wait(futures)
        except StopRequested as stop:
            stops.signum = stop.signum
            wait(futures)
    return [future.result() for future in futures]


def on_a_stream(device: str) -> AbstractContextManager[Any]:
    """Make the calling thread use a CUDA stream of its own; on a CPU, do nothing."""
    if not device.startswith("cuda"):
        return nullcontext()
    return torch.cuda.stream(torch.cuda.Stream(device))
