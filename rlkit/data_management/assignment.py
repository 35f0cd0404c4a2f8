"""From scores of tasks to a task: normalisation, a distribution over tasks, a draw from it.

Everything is float64 on the CPU.
"""

import numpy as np


def log_mean_exp(values: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """beta log((1/K) sum_k exp(U_k / beta)) over the last axis: [..., K] -> [...]; never overflows.

    Values that are not finite do not count; if none is finite, the result is nan.
    """
    scaled = np.where(np.isfinite(values), values, np.nan) / temperature
    with np.errstate(all="ignore"):
        largest = np.nanmax(np.where(np.isnan(scaled), -np.inf, scaled), axis=-1)
        counts = np.isfinite(scaled).sum(axis=-1)
        sums = np.nansum(np.exp(scaled - largest[..., None]), axis=-1)
        return np.where(counts > 0, temperature * (largest + np.log(sums / counts)), np.nan)


def probabilities(logits: np.ndarray, *, use_softmax: bool = True) -> np.ndarray:
    """Distribution over tasks: softmax of the logits, or all on the largest one.

    Args:
        logits: [num_tasks, ...]; a task whose logit is not finite is left out.
        use_softmax: false: the argmax.
    Returns:
        [num_tasks, ...]; columns sum to 1, and to 0 where no logit is finite.
    """
    finite = np.isfinite(logits)
    usable = np.where(finite, logits, -np.inf)
    largest = usable.max(axis=0)
    if not use_softmax:
        tasks = np.arange(len(logits)).reshape(-1, *[1] * (logits.ndim - 1))
        return ((tasks == usable.argmax(axis=0)) & finite.any(axis=0)).astype(np.float64)
    weights = np.where(finite, np.exp(usable - np.where(np.isfinite(largest), largest, 0.0)), 0.0)
    totals = weights.sum(axis=0)
    return weights / np.where(totals > 0, totals, 1.0)


def draw_tasks(distribution: np.ndarray, uniforms: np.ndarray, own: int) -> np.ndarray:
    """Draw tasks by inverting the cumulated distribution; where it is empty, take `own`.

    Args:
        distribution: [num_tasks, ...], as from `probabilities`.
        uniforms: numbers from [0, 1), [...].
        own: the task that the trajectory was collected on.
    Returns:
        Task ids, int64 [...].
    """
    cumulated = distribution.cumsum(axis=0)
    totals = cumulated[-1]
    drawn = (cumulated <= uniforms * totals).sum(axis=0)
    return np.where(totals > 0, drawn, own).astype(np.int64)


def entropy(distribution: np.ndarray) -> np.ndarray:
    """-sum p log p over the tasks [num_tasks, ...], in nats: [...]."""
    return -(distribution * np.log(np.where(distribution > 0, distribution, 1.0))).sum(axis=0)
