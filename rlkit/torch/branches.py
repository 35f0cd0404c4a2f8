"""Run parts of a gradient step on their own CUDA streams.

In a step captured as a CUDA graph the parts become parallel branches. One after another, their
products would leave most of a GPU's multiprocessors idle. Autograd runs each backward operation on
the stream of its forward operation and synchronises where gradients meet.
"""

from collections.abc import Callable, Mapping
from functools import cache
from itertools import count
from typing import Any

import torch
from torch import Tensor

from rlkit.torch.execution import Branch


def branches_of(device: torch.device, wanted: bool = True) -> Callable[[], Branch]:
    """Return a factory for the branches of one algorithm's step; on a GPU they can overlap.

    Args:
        device: the networks' device.
        wanted: whether branches overlap on a GPU; pointless for a step that is not captured.
    """
    if device.type != "cuda" or not wanted:
        return Branch
    numbers = count()
    return lambda: StreamBranch(_stream(device, next(numbers)))


@cache
def _stream(device: torch.device, number: int) -> torch.cuda.Stream:
    """The stream of branch `number`, shared by all algorithms of a process.

    PyTorch hands out 32 streams and then starts again with the first. If every seed took its own,
    a seed could be given, in the middle of a capture, a stream on which another seed trains.
    """
    return torch.cuda.Stream(device)


class StreamBranch(Branch):
    """A part that runs on its own stream, in parallel with what the caller launches meanwhile.

    Args:
        stream: runs the part after everything launched before `start`; from `result` on, the
            caller's stream waits for the part.
    """

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self._stream = stream

    def start(self, function: Callable[..., Any], *inputs: Any) -> None:
        """Launch the part."""
        self._stream.wait_stream(torch.cuda.current_stream(self._stream.device))
        with torch.cuda.stream(self._stream):
            super().start(function, *inputs)
        for_every_tensor(inputs, lambda tensor: tensor.record_stream(self._stream))

    def result(self) -> Any:
        """Return the part's outputs, for use on the caller's stream."""
        here, outputs = torch.cuda.current_stream(self._stream.device), super().result()
        here.wait_stream(self._stream)
        for_every_tensor(outputs, lambda tensor: tensor.record_stream(here))
        return outputs


def for_every_tensor(found: Any, act: Callable[[Tensor], Any]) -> None:
    """Call `act` on each tensor in nested tuples, lists and mappings.

    Used to record that a second stream uses a tensor. Without that, the first stream could reuse
    its memory as soon as the tensor is freed.
    """
    if isinstance(found, Tensor):
        act(found)
    elif isinstance(found, tuple | list | Mapping):
        for part in found.values() if isinstance(found, Mapping) else found:
            for_every_tensor(part, act)
