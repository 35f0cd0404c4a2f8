"""Whether a step with branches gives the weights of the step in line, for `benchmarks.gpu_checks`.

A difference is a race: a branch and what runs beside it touch the same memory.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch

from benchmarks.gpu_operations import PRECISIONS, Check
from rlkit.launchers import pearl
from rlkit.torch.execution import Branch


class LateBranch(Branch):
    """Runs when its result is taken: the latest moment at which a branch of a GPU may run."""

    def start(self, function: Callable[..., Any], *inputs: Any) -> None:
        """Run nothing yet."""
        assert not hasattr(self, "_later"), "started twice without taking the result"
        self._later = function, inputs

    def result(self) -> Any:
        """Run the function."""
        function, inputs = self._later
        del self._later
        super().start(function, *inputs)
        return super().result()


@contextmanager
def branches(make: Callable[[], Branch]) -> Iterator[None]:
    """Let PEARL experiments that are built in the block have these branches."""
    with mock.patch.object(pearl, "branches_of", lambda device, wanted: make):
        yield


def weight_checks(device: str, repeats: int, steps: int) -> Iterator[Check]:
    """The largest difference of a weight after equal steps, expected 0; on a CPU of late branches.

    Repeated with other draws, because a race need not show every time.
    """
    from benchmarks.gpu_checks import build, train  # it builds on this file

    for precision in PRECISIONS:
        for seed in range(min(repeats, 2)):
            with branches(Branch):
                in_line = build(device, precision, seed)
            if device == "cpu":
                with branches(LateBranch):
                    beside = build(device, precision, seed)
            else:
                beside = build(device, precision, seed)
            for experiment in (in_line, beside):
                train(experiment, steps)
            name = f"{steps} steps, seed {seed}"
            apart = largest_difference(in_line, beside)
            yield Check(f"weights with branches, {precision}", name, apart, 0.0)


def largest_difference(experiment: Any, other: Any) -> float:
    """Between the weights of two experiments; infinite if one has weights that are no numbers."""
    pairs = (
        (p, q)
        for name, network in experiment.networks.items()
        for p, q in zip(network.parameters(), other.networks[name].parameters(), strict=True)
    )
    largest = torch.stack([(p - q).detach().abs().max() for p, q in pairs]).max().item()
    return largest if largest >= 0 else float("inf")
