"""HFR's log columns that are computed from the meta-test; docs/hfr.md explains them."""

import math

import numpy as np

from rlkit.core.eval_util import Adaptation, successes
from rlkit.core.meta_evaluation import Adaptations
from rlkit.envs.base import MetaEnv

SUCCESS = {
    "train": ("Train Final Success", "Train Total Success", "Train Any Success"),
    "test": ("Test Final Success", "Test Total Success", "Success Rate"),
}
COUNT_NAMES = {"Timesteps": "Number of env steps total"}  # HFR's name for one of PEARL's counts


class HFRColumns:
    """Computes HFR's columns from an evaluation.

    Args:
        env: defines success.
        sparse: report sparse returns.
        log_success_rate: report success rates.
        num_explored: number of first trajectories of each run that two of the three rates ignore.
    """

    def __init__(
        self, env: MetaEnv, *, sparse: bool, log_success_rate: bool, num_explored: int
    ) -> None:
        self.env, self.sparse = env, sparse
        self.log_success_rate, self.num_explored = log_success_rate, num_explored

    def __call__(self, adaptations: Adaptations) -> dict[str, float]:
        """The columns by name."""
        average = float(adaptations["test"].final_returns(self.sparse).mean())
        columns = {"Average Return": average}
        if self.log_success_rate:
            for split, names in SUCCESS.items():
                shares = success_shares(self.env, adaptations[split], self.num_explored)
                columns |= dict(zip(names, shares, strict=True))
        return columns


def success_shares(
    env: MetaEnv, adaptation: Adaptation, num_explored: int
) -> tuple[float, float, float]:
    """Compute HFR's three success rates of a meta-test.

    A trajectory succeeds if its last step reaches the task's goal.

    Args:
        env: defines success; otherwise all three rates are nan.
        adaptation: the meta-test.
        num_explored: number of first trajectories of each run that the last two rates ignore.
    Returns:
        The fraction of runs whose last trajectory succeeds, the fraction of trajectories after the
        first `num_explored` that succeed, and the fraction of runs in which at least one of these
        does. The last two are nan if there are no such trajectories.
    Source: HFR's code, columns in docs/hfr.md.
    """
    ran = np.stack([paths.lengths > 0 for paths in adaptation.trajectories])
    succeeded = np.zeros(ran.shape, bool)
    for n, paths in enumerate(adaptation.trajectories):
        success = successes(env, paths)
        if success is None:
            return math.nan, math.nan, math.nan
        succeeded[n] = success & ran[n]
    final = float(succeeded[adaptation.final()].mean())
    counting: np.ndarray = ran[num_explored:]
    counted: np.ndarray = succeeded[num_explored:]
    runs = np.flatnonzero(counting.any(axis=0))
    if not len(runs):
        return final, math.nan, math.nan
    return final, float(counted.sum() / counting.sum()), float(counted[:, runs].any(axis=0).mean())
