"""Run the gradient steps of any algorithm; statistics are summed on the device and read once.

On a GPU a step is captured once as a CUDA graph and then replayed, which saves host time.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from rlkit.torch.captured import Captured, rolled_back
from rlkit.torch.execution import flushed_denormals, rounded_factors, sharing_threads, tensor_cores

Statistics = dict[str, Tensor]


class GradientSteps:
    """Takes gradient steps and reports their statistics together.

        with steps.running():
            steps.take(100)
            ...  # a checkpoint may be written here, from which another process resumes
            steps.take(100)
        statistics = steps.fetch()

    Args:
        step: takes one step, which may consist of several updates. Returns scalar tensors by name,
            or a sequence of these, one per update. Called with True, it returns all statistics of
            the first update; `means` and `maxima` are always needed. To be captured, it must not
            read from the device and must return the same names every time.
        networks: used by the step. The CPU threads share their products.
        optimizers: used by the step.
        generator: the step's only source of random numbers, on the networks' device.
        means: statistics whose mean over the updates is reported.
        maxima: statistics whose maximum over the updates is reported, not their first value.
        updates_per_step: number of updates in a step.
        num_threads: CPU threads that share the products of a step.
        tf32: on a GPU, round the factors of float32 products to TF32.
        cuda_graph: on a GPU, capture the step and replay it.
        captured_state: returns what a capture depends on besides networks and optimizers, such as
            addresses of replay rows. When it changes, the step is captured again.
    """

    def __init__(
        self,
        step: Callable[[bool], Statistics | Sequence[Statistics]],
        *,
        networks: Iterable[nn.Module],
        optimizers: Iterable[torch.optim.Optimizer],
        generator: torch.Generator,
        means: Sequence[str],
        maxima: Sequence[str] = (),
        updates_per_step: int = 1,
        num_threads: int = 1,
        tf32: bool = False,
        cuda_graph: bool = True,
        captured_state: Callable[[], Hashable] = lambda: None,
    ) -> None:
        self._step, self._networks, self._optimizers = step, tuple(networks), tuple(optimizers)
        self._generator, self._captured_state = generator, captured_state
        self._means, self._maxima = tuple(means), tuple(maxima)
        self._updates_per_step = updates_per_step
        self._num_threads, self._tf32, self.cuda_graph = num_threads, tf32, cuda_graph
        self._summed = tuple(dict.fromkeys((*means, *maxima)))
        like = next(self._networks[0].parameters())
        self._sums = like.new_zeros(len(self._summed))
        self._largest = torch.empty_like(self._sums)
        self._first: Statistics = {}
        self._captured: tuple[Captured, Captured] | None = None
        self._is_running = False
        self._reset()

    def _reset(self) -> None:
        self.num_taken = 0  # since the last fetch
        self._first = {}
        self._sums.zero_()
        self._largest.fill_(-math.inf)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Allow steps inside the block, in which threads share the networks' products."""
        with (
            flushed_denormals(),
            sharing_threads(self._networks, self._num_threads),
            rounded_factors(self._networks),
            tensor_cores(self._tf32),
        ):
            self._is_running = True
            try:
                yield
            finally:
                self._is_running = False

    def take(self, num_steps: int) -> None:
        """Take steps; the first one after a fetch computes all statistics.

        Raises:
            RuntimeError: called outside `running`.
        """
        if not self._is_running:
            raise RuntimeError("gradient steps are taken inside `with steps.running()`")
        first, later = self._functions()
        for _ in range(num_steps):
            if self.num_taken == 0:
                # Cloned, because the next replay overwrites these tensors.
                self._first = {
                    name: value.detach().clone()
                    for name, value in first().items()
                    if name not in self._maxima
                }
            else:
                later()
            self.num_taken += 1

    def fetch(self) -> dict[str, float]:
        """Read the statistics of the steps since the last fetch, in one transfer, and reset them.

        Returns:
            The statistics of the first update, then over all updates `<name> (mean)` for `means`
            and `<name> (max)` for `maxima`. A value that is not finite in any update makes its mean
            not finite too.
        Raises:
            ValueError: no step was taken.
        """
        if self.num_taken == 0:
            raise ValueError("no gradient step was taken since the last fetch")
        place = {name: i for i, name in enumerate(self._summed)}
        means = self._sums / (self.num_taken * self._updates_per_step)
        over_steps = [means[place[name]] for name in self._means]
        over_steps += [self._largest[place[name]] for name in self._maxima]
        names = (*self._first, *self.names_over_steps(self._means, self._maxima))
        values = torch.stack([*self._first.values(), *over_steps]).tolist()
        self._reset()
        return dict(zip(names, values, strict=True))

    @staticmethod
    def names_over_steps(means: Sequence[str], maxima: Sequence[str]) -> tuple[str, ...]:
        """The names under which `fetch` reports these means and maxima."""
        return (*(f"{name} (mean)" for name in means), *(f"{name} (max)" for name in maxima))

    def state_dict(self) -> dict[str, Any]:
        """The sums since the last fetch; empty if no step was taken."""
        if self.num_taken == 0:
            return {}
        state = {"num_taken": self.num_taken, "first": dict(self._first)}
        return state | {"sums": self._sums.clone(), "largest": self._largest.clone()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self._reset()
        if state:
            self.num_taken = state["num_taken"]
            self._first = {name: v.to(self._sums.device) for name, v in state["first"].items()}
            self._sums.copy_(state["sums"])
            self._largest.copy_(state["largest"])

    def _step_and_sum(self, with_statistics: bool) -> Statistics:
        """Take one step, add its values to the sums and return those of its first update.

        Nothing is read from the device.
        """
        made = self._step(with_statistics)
        updates = [made] if isinstance(made, dict) else made
        for statistics in updates:
            values = torch.stack([statistics[name].detach() for name in self._summed])
            self._sums += values
            torch.maximum(self._largest, values, out=self._largest)
        return updates[0]

    def _functions(self) -> tuple[Callable[[], Statistics], Callable[[], Statistics]]:
        """The step with all statistics and without, as captured graphs on a GPU."""
        functions = partial(self._step_and_sum, True), partial(self._step_and_sum, False)
        if self._generator.device.type != "cuda" or not self.cuda_graph:
            return functions
        if self._captured is None:
            on = self._captured_state, self._undone, self._generator
            self._captured = Captured(functions[0], *on), Captured(functions[1], *on)
        return self._captured

    def _undone(self) -> AbstractContextManager[None]:
        """A context manager that undoes the steps taken in its block."""
        sums = self._sums, self._largest
        return rolled_back(sums, self._optimizers, self._generator, self._networks)


KINDS = ("Mean", "Std", "Max", "Min")


def statistics_of(name: str, values: Tensor) -> dict[str, Tensor]:
    """Mean, population standard deviation, maximum and minimum over all entries, by column name."""
    values = values.detach()
    found = values.mean(), values.std(correction=0), values.max(), values.min()
    return {f"{name} {kind}": value for kind, value in zip(KINDS, found, strict=True)}
