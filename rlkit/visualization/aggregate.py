"""Aggregates seeds to one curve: mean, median or interquartile mean, with spread or interval."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import bootstrap, trim_mean

Center = Literal["mean", "median", "iqm"]
CONFIDENCE = 0.95
RESAMPLES = 2000

NAMES: dict[Center, str] = {"mean": "mean", "median": "median", "iqm": "interquartile mean"}


class Summary(NamedTuple):
    """Aggregate over seeds at each place of a curve.

    Attributes:
        center: [num_places].
        low, high: ends of the spread or the interval, [num_places]; for a single seed, `center`.
    """

    center: np.ndarray
    low: np.ndarray
    high: np.ndarray


def interquartile_mean(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Mean of the middle half along an axis.

    A quarter of the seeds, rounded down, is discarded at each end.

    Source: Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical
    precipice", section 4.3.
    """
    return np.asarray(trim_mean(values, 0.25, axis=axis))


STATISTICS: dict[Center, Callable[..., np.ndarray]] = {
    "mean": np.mean,
    "median": np.median,
    "iqm": interquartile_mean,
}


def in_words(center: Center, *, intervals: bool) -> str:
    """Description of a curve and its band, for the figure."""
    if not intervals:
        return f"{NAMES[center]} over seeds ± one standard deviation"
    return f"{NAMES[center]} over seeds, {CONFIDENCE:.0%} bootstrap interval"


def summarize(values: np.ndarray, center: Center, *, intervals: bool) -> Summary:
    """Aggregate seeds.

    Args:
        values: one row per seed, all finite, [num_seeds, num_places].
        center: the aggregate of the seeds.
        intervals: use a percentile bootstrap over seeds, separately at each place, with a fixed
            random seed; False: one standard deviation to each side. All seeds share one task
            distribution, so there is only one stratum.
    """
    statistic = STATISTICS[center]
    middle = np.asarray(statistic(values, axis=0), dtype=np.float64)
    if len(values) == 1:
        return Summary(middle, middle, middle)
    if not intervals:
        spread = values.std(axis=0, ddof=1)
        return Summary(middle, middle - spread, middle + spread)
    found = bootstrap(
        (values,),
        statistic,
        axis=0,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Summary(middle, np.asarray(found.low), np.asarray(found.high))
