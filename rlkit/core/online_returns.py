"""online_returns.csv: returns of the first, second, ... trajectory of the meta-test."""

from collections.abc import Mapping

import numpy as np

from rlkit.core.eval_util import Adaptation


def by_trajectory(adaptation: Adaptation, sparse: bool) -> np.ndarray:
    """Mean return of the n-th trajectory of each task over runs.

    Returns:
        [num_common_trajectories, num_tasks], cut to the number of trajectories that every run of
        every task has.
    Source: oyster, `RLAlgorithm._do_eval`.
    """
    return adaptation.returns(sparse)[: adaptation.num_trajectories().min()].mean(axis=-1)


def online_returns(
    iteration: int, adaptations: Mapping[str, Adaptation], sparse: bool
) -> list[dict[str, float | str]]:
    """Rows of online_returns.csv: mean and std over a split's tasks of the n-th return."""
    rows: list[dict[str, float | str]] = []
    for split, adaptation in adaptations.items():
        for number, returns in enumerate(by_trajectory(adaptation, sparse), start=1):
            rows.append(
                {
                    "iteration": iteration,
                    "split": split,
                    "trajectory": number,
                    "mean": returns.mean(),
                    "std": returns.std(),
                    "n": len(returns),
                }
            )
    return rows
