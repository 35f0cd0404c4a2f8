"""A function that only launches work on a GPU, captured once as a CUDA graph and replayed without a word from the host."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Generic, TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")
WARM_UP = 3  # runs before a capture, so that libraries have chosen their kernels and allocated their workspaces


@contextmanager
def rolled_back(
    tensors: Sequence[Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
    generator: torch.Generator,
) -> Iterator[None]:
    """Undo in place at the end of the block what it changed: these tensors, the optimizers' moments and counters, the generator.

    Moments that the block made are set to zero, as if no step had been taken.
    """
    values = [tensor.detach().clone() for tensor in tensors]
    moments = {id(moment): moment.clone() for moment in _moments(optimizers)}
    random = generator.get_state()
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(tensors, values, strict=True):
                tensor.copy_(value)
            for moment in _moments(optimizers):
                moment.copy_(moments.get(id(moment), torch.zeros_like(moment)))
        generator.set_state(random)


def _moments(optimizers: Sequence[torch.optim.Optimizer]) -> list[Tensor]:
    states = [state for optimizer in optimizers for state in optimizer.state.values()]
    return [value for state in states for value in state.values() if isinstance(value, Tensor)]


class Captured(Generic[Result]):
    """Replays a function; it is captured anew when what it reads has moved.

    Args:
        function: launches work, fetches nothing, and returns tensors, which every replay overwrites.
        addresses: what the capture depends on; another value means that something has moved.
        undo: context manager that undoes the warm-up.
        generator: the only source of the function's random numbers.
    """

    def __init__(
        self,
        function: Callable[[], Result],
        addresses: Callable[[], Hashable],
        undo: Callable[[], AbstractContextManager[None]],
        generator: torch.Generator,
    ) -> None:
        self._function, self._addresses, self._undo, self._generator = (
            function,
            addresses,
            undo,
            generator,
        )
        self._captured_at: Hashable = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result: Result

    def __call__(self) -> Result:
        """Run the function once."""
        addresses = self._addresses()
        if self._graph is None or addresses != self._captured_at:
            self._capture()
            self._captured_at = addresses
        assert self._graph is not None
        self._graph.replay()
        return self._result

    def _capture(self) -> None:
        with self._undo():
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(WARM_UP):
                    self._function()
            torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        self._graph.register_generator_state(self._generator)
        with torch.cuda.graph(self._graph):
            self._result = self._function()
