"""Stops a run at the first loss or weight that is not finite."""

import math
from collections.abc import Mapping

from rlkit.core.errors import NonFiniteError
from rlkit.core.weights import Networks


def require_finite(iteration: int, trained: Mapping[str, float]) -> None:
    """Stop the run at a loss that is not finite: a statistic with "Loss" in its name.

    Raises:
        NonFiniteError: names iteration, statistic and value.
    """
    for name, value in trained.items():
        if "Loss" in name and not math.isfinite(value):
            raise NonFiniteError(
                f"iteration {iteration}: {name} is {value}; the last good checkpoint is kept"
            )


def require_finite_weights(iteration: int, networks: Networks) -> None:
    """Stop the run when a step left weights that are not finite, whatever its losses were.

    Raises:
        NonFiniteError: names iteration, network and parameter.
    """
    for network, module in networks.items():
        for name, value in module.state_dict().items():
            if not bool(value.isfinite().all()):
                where = f"weights {name} of {network} are not finite after training"
                raise NonFiniteError(
                    f"iteration {iteration}: {where}; the last good checkpoint is kept"
                )
