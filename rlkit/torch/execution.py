"""How gradient steps use the hardware: CPU threads, GPU precision, overlapping parts."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from rlkit.torch.networks import Mlp

OF_THREAD = threading.local()  # `keeps_precision`: see `tensor_cores`


@contextmanager
def torch_threads(num_threads: int) -> Iterator[None]:
    """Let torch use `num_threads` CPU threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Treat numbers below 1.2e-38 as 0 inside the block, in this thread and those it starts.

    Gradients and Adam's moments of inactive units become that small, which slows a CPU down.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def sharing_threads(networks: Iterable[nn.Module], num_threads: int) -> Iterator[None]:
    """Let threads share the networks' matrix products inside the block.

    Each operation runs on one of `num_threads` threads. Threads synchronise once per network
    instead of within every operation, so a step keeps its speed on a busy machine.
    """
    mlps = [m for network in networks for m in network.modules() if isinstance(m, Mlp)]
    with (
        torch_threads(1),
        ThreadPoolExecutor(max(1, num_threads - 1), thread_name_prefix="mlp") as workers,
    ):
        for mlp in mlps:
            mlp.share_slices(workers if num_threads > 1 else None, num_threads)
        try:
            yield
        finally:
            for mlp in mlps:
                mlp.share_slices(None, 1)


@contextmanager
def rounded_factors(networks: Iterable[nn.Module]) -> Iterator[None]:
    """Round the factors of "bf16" networks inside the block; used around updates only."""
    mlps = [m for network in networks for m in network.modules() if isinstance(m, Mlp)]
    for mlp in mlps:
        mlp.rounds_factors = True
    try:
        yield
    finally:
        for mlp in mlps:
            mlp.rounds_factors = False


@contextmanager
def tensor_cores(enabled: bool) -> Iterator[None]:
    """Round the factors of float32 products on a GPU to TF32 inside the block, if enabled.

    If not enabled, GRUs, LSTMs and convolutions do not round either, unlike torch's default. The
    whole process shares these flags; a thread with `OF_THREAD.keeps_precision` leaves them alone.
    """
    cudnn: Any = torch.backends.cudnn
    kept = getattr(OF_THREAD, "keeps_precision", False)
    kinds = () if kept else (torch.backends.cuda.matmul, cudnn.rnn, cudnn.conv)
    before = [kind.fp32_precision for kind in kinds]
    for kind in kinds if enabled else kinds[1:]:
        kind.fp32_precision = "tf32" if enabled else "ieee"
    try:
        yield
    finally:
        for kind, precision in zip(kinds, before, strict=True):
            kind.fp32_precision = precision


class Branch:
    """A part of a step that may overlap with what follows it; this class runs it immediately.

    Between `start` and `result` neither the part nor the rest may read what the other writes.
    `rlkit.torch.branches.StreamBranch` overlaps it with the rest on a GPU.
    """

    def start(self, function: Callable[..., Any], *inputs: Any) -> None:
        """Call a function; `inputs` must include all tensors it reads from earlier parts."""
        self._outputs = function(*inputs)

    def result(self) -> Any:
        """Return the function's result, once only, so that no autograd graph is kept alive."""
        outputs, self._outputs = self._outputs, None
        return outputs
