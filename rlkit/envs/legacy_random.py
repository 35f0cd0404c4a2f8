"""Temporarily replaces the generator behind `numpy.random`, which user-defined classes use."""

import contextlib
from collections.abc import Iterator
from typing import Any, cast

import numpy as np


@contextlib.contextmanager
def legacy_random_numbers(source: np.random.BitGenerator) -> Iterator[None]:
    """Let the functions of `numpy.random` draw from `source`, then restore the previous state.

    The restored generator continues where it was, except that a cached second normal number is
    lost.
    """
    ambient = np.random.get_bit_generator()  # type: ignore[attr-defined]
    np.random.set_bit_generator(source)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        np.random.set_bit_generator(ambient)  # type: ignore[attr-defined]


def legacy_source(seed: int) -> np.random.BitGenerator:
    """Make the generator that `np.random.seed(seed)` would give `numpy.random`."""
    source = np.random.MT19937(0)
    source.state = cast(Any, np.random.RandomState(seed).get_state(legacy=False))
    return source
