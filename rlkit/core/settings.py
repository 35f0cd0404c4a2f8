"""Settings that every algorithm has, and the ranges that settings of all algorithms are declared
with.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Self

from pydantic import Field

from rlkit.core.config import Relation

Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, le=1)]
# Numbers whose square is finite in float32.
LARGEST_SCALE = 1e19
Scale = Annotated[float, Field(ge=0, le=LARGEST_SCALE)]
PositiveScale = Annotated[float, Field(gt=0, le=LARGEST_SCALE)]
Probability = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class AlgorithmSettings:
    """Base of every algorithm's `algo_params`: what the outer loop and the evaluation scripts read."""

    num_iterations: PositiveCount = 500  # outer iterations
    eval_every: PositiveCount = 1  # evaluate the iterations that it divides, and the last
    max_path_length: PositiveCount = 200  # horizon, environment steps

    def relations(self) -> Iterator[Relation]:
        """Yield the constraints between fields that are violated."""
        yield from ()

    def cut_for_debug(self) -> Self:
        """Cut the counts for a smoke run; applying it twice changes nothing more."""
        return replace(self, num_iterations=min(self.num_iterations, 2))
