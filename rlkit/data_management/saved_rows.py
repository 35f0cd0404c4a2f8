"""The interface of replay data that a checkpoint stores incrementally."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from torch import Tensor


class SavedRows(Protocol):
    """Rows that a checkpoint saves: counters at every save, the rows once each, in segments."""

    @property
    def num_rows(self) -> int:
        """Stored rows of all tasks together."""

    def state_dict(self) -> dict[str, Tensor]:
        """Counters that say which rows there are; `totals` [num_tasks] is one of them."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the counters; `load_segment` then brings the rows back."""

    def segment(self, since_totals: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
        """Copy the rows that were added since the counters were `since_totals`."""

    def load_segment(self, entries: Tensor | np.ndarray, rows: Tensor) -> int:
        """Put a segment's rows back and return how many of them are still in use."""

    def count_valid(self, entries: np.ndarray) -> int:
        """How many rows of a segment with these entries are still stored."""
