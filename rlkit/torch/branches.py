"""Parts of a gradient step on CUDA streams of their own.

A step that is captured as a CUDA graph keeps them as branches: products that leave most of a GPU's
multiprocessors idle when one follows another then share them. Autograd runs the backward pass of an
operation on the stream of its forward pass, and waits where gradients meet.
"""

from collections.abc import Callable, Mapping
from functools import cache
from itertools import count
from typing import Any

import torch
from torch import Tensor

from rlkit.torch.execution import Branch


def branches_of(device: torch.device, wanted: bool = True) -> Callable[[], Branch]:
    """What makes the branches of one algorithm's step: on a GPU, if wanted, they overlap.

    Args:
        device: of the networks.
        wanted: whether the step is captured, and not to run in line.
    """
    if device.type != "cuda" or not wanted:
        return Branch
    numbers = count()
    return lambda: StreamBranch(_stream(device, next(numbers)))


@cache
def _stream(device: torch.device, number: int) -> torch.cuda.Stream:
    """The stream of a branch, which all algorithms of a process share.

    PyTorch has 32 streams, after which it hands out the first again. Branches with streams of their
    own for every seed could be given one on which another seed trains, in the middle of a capture.
    """
    return torch.cuda.Stream(device)


class StreamBranch(Branch):
    """A part that runs on a stream of its own, beside what the caller launches meanwhile.

    Args:
        stream: the part waits there for all that was launched before `start`; after `result` the
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
        """What the part returned, for use on the caller's stream."""
        here, outputs = torch.cuda.current_stream(self._stream.device), super().result()
        here.wait_stream(self._stream)
        for_every_tensor(outputs, lambda tensor: tensor.record_stream(here))
        return outputs


def for_every_tensor(found: Any, act: Callable[[Tensor], Any]) -> None:
    """Call a function for each tensor of nested tuples, lists and mappings.

    A stream's memory is given out again when a tensor is freed, unless it was recorded that another
    stream uses it too.
    """
    if isinstance(found, Tensor):
        act(found)
    elif isinstance(found, tuple | list | Mapping):
        for part in found.values() if isinstance(found, Mapping) else found:
            for_every_tensor(part, act)
