"""Settings common to all algorithms, and the value ranges used to declare settings."""

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
    """Base of every algorithm's `algo_params`: read by the outer loop and the evaluation."""

    num_iterations: PositiveCount = 500  # outer iterations
    eval_every: PositiveCount = 1  # iterations between evaluations; the last is evaluated too
    max_path_length: PositiveCount = 200  # horizon, environment steps

    def relations(self) -> Iterator[Relation]:
        """Yield the violated relations between fields."""
        yield from ()

    def cut_for_debug(self) -> Self:
        """Reduce the counts for a smoke run; idempotent."""
        return replace(self, num_iterations=min(self.num_iterations, 2))
