"""Capture of a function as a CUDA graph, and rollback of its warm-up runs."""

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn

Statistics = dict[str, Tensor]
CAPTURES = threading.Lock()  # one capture at a time per process; other threads keep launching work
WARM_UP = 3  # runs before a capture, so that libraries choose kernels and allocate workspaces


@contextmanager
def rolled_back(
    tensors: Sequence[Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
    generator: torch.Generator,
    networks: Sequence[nn.Module] = (),
) -> Iterator[None]:
    """Undo the changes made in the block when it ends, in place.

    Args:
        tensors: their values are restored.
        optimizers: their parameters, moments and counters are restored; moments and counters
            created in the block become zero, as if no step had been taken.
        generator: its state is restored.
        networks: their parameters and buffers are restored.
    """
    stepped = [p for o in optimizers for group in o.param_groups for p in group["params"]]
    held = [tensor for n in networks for tensor in (*n.parameters(), *n.buffers())]
    tensors = list({id(tensor): tensor for tensor in (*tensors, *held, *stepped)}.values())
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


class Captured:
    """A function that is captured as a CUDA graph when first called, and replayed from then on.

    Args:
        function: launches work without reading results back. It returns tensors, which every
            replay overwrites.
        captured_state: values that the capture depends on; when they change, the function is
            captured again.
        undone: returns a context manager that undoes the warm-up.
        generator: the only source of the function's random numbers.
    """

    def __init__(
        self,
        function: Callable[[], Statistics],
        captured_state: Callable[[], Hashable],
        undone: Callable[[], AbstractContextManager[None]],
        generator: torch.Generator,
    ) -> None:
        self._function, self._captured_state = function, captured_state
        self._undone, self._generator = undone, generator
        self._captured_with: Hashable = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result: Statistics = {}

    def __call__(self) -> Statistics:
        """Run the function once."""
        state = self._captured_state()
        if self._graph is None or state != self._captured_with:
            self._graph = self._capture()
            self._captured_with = state
        self._graph.replay()
        return self._result

    def _capture(self) -> torch.cuda.CUDAGraph:
        with CAPTURES:
            return self._capture_alone()

    def _capture_alone(self) -> torch.cuda.CUDAGraph:
        with self._undone():
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(WARM_UP):
                    self._function()
            torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._result = self._function()
        return graph
