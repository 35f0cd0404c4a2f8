"""Statistics of a tensor under oyster's column names."""

from torch import Tensor

KINDS = ("Mean", "Std", "Max", "Min")


def statistics_of(name: str, values: Tensor) -> dict[str, Tensor]:
    """Mean, population standard deviation, maximum and minimum over all entries, by column name."""
    values = values.detach()
    found = values.mean(), values.std(correction=0), values.max(), values.min()
    return {f"{name} {kind}": value for kind, value in zip(KINDS, found, strict=True)}
