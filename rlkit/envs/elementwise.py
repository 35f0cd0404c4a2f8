"""Elementwise functions for formulas that work on numpy arrays and torch tensors."""

from typing import Any

import numpy as np


def sine(angle: Any) -> Any:
    """Sine of a numpy array or a torch tensor, of the same kind and shape."""
    return np.sin(angle) if isinstance(angle, np.ndarray | np.generic) else angle.sin()


def cosine(angle: Any) -> Any:
    """Cosine of a numpy array or a torch tensor, of the same kind and shape."""
    return np.cos(angle) if isinstance(angle, np.ndarray | np.generic) else angle.cos()


def constant_like(values: np.ndarray, array: Any) -> Any:
    """Constants as a numpy array or a torch tensor, with kind, dtype and device of `array`."""
    if isinstance(array, np.ndarray | np.generic):
        return values.astype(array.dtype)
    return array.new_tensor(values)
