"""Boundaries of the episodes of each task, for draws of whole episodes."""

import numpy as np
import torch
from torch import Tensor

from rlkit.data_management.pages import on_device

NEVER = 2**62  # fills a line of boundaries after the last one, so that every line is sorted


class Episodes:
    """The boundaries of the whole episodes in a buffer of many tasks, one integer per episode.

    Rows are identified by their numbers, as in `PagedRings`: how many rows the task received before
    it since it was last cleared. No draw waits for the device.

    Attributes:
        bounds: for each task the numbers of its episodes' first rows in order, then the end of the
            last episode, then NEVER, [num_tasks, columns] int64 on the device; replaced only when a
            task needs more columns.
        counts: episodes of each task, [num_tasks] int64 on the device, updated in place.
    """

    def __init__(self, num_tasks: int, device: torch.device) -> None:
        """Start without episodes."""
        self.device = device
        self.host_bounds = np.full((num_tasks, 16), NEVER)
        self.host_counts = np.zeros(num_tasks, np.int64)
        self._shortest: int | None = None
        self.bounds = on_device(self.host_bounds, device)
        self.counts = on_device(self.host_counts, device)

    @property
    def shortest(self) -> int:
        """Steps of the shortest episode; NEVER without any."""
        if self._shortest is None:
            there = np.arange(self.host_bounds.shape[1] - 1) < self.host_counts[:, None]
            self._shortest = int(np.diff(self.host_bounds, axis=1).min(initial=NEVER, where=there))
        return self._shortest

    def lengths(self, task_id: int) -> np.ndarray:
        """Steps of each episode of one task, [count]."""
        return np.diff(self.host_bounds[task_id, : self.host_counts[task_id] + 1])

    def append(
        self, task_ids: np.ndarray, first: np.ndarray, lengths: np.ndarray, oldest: np.ndarray
    ) -> None:
        """Add episodes, and remove those of which the rings have overwritten a row.

        Args:
            task_ids: task of each episode, [k]; the episodes of one task are in order.
            first: number of its first row, [k].
            lengths: its steps, [k]; an episode without steps is not added.
            oldest: number of the oldest row that each task still has, [num_tasks].
        """
        counts = self.host_counts + np.bincount(task_ids, minlength=len(self.host_counts))
        needed = int(counts.max()) + 1
        if needed > self.host_bounds.shape[1]:
            wider = np.full((len(self.host_bounds), 2 * needed), NEVER)
            wider[:, : self.host_bounds.shape[1]] = self.host_bounds
            self.host_bounds = wider
        added = (array.tolist() for array in (task_ids, first, lengths))
        for task_id, begin, length in zip(*added, strict=True):
            if length:
                count = self.host_counts[task_id]
                self.host_bounds[task_id, count : count + 2] = begin, begin + length
                self.host_counts[task_id] = count + 1
        overwritten = (self.host_counts > 0) & (self.host_bounds[:, 0] < oldest)
        for task_id in np.flatnonzero(overwritten).tolist():
            count = self.host_counts[task_id]
            gone = int(np.searchsorted(self.host_bounds[task_id, :count], oldest[task_id]))
            self._put(task_id, self.host_bounds[task_id, gone : count + 1].copy())
        self._update_device()

    def clear(self, task_id: int) -> None:
        """Remove the episodes of one task."""
        self._put(task_id, np.empty(0, np.int64))
        self._update_device()

    def state_dict(self) -> dict[str, Tensor]:
        """Counts `episodes` [num_tasks], and all `boundaries`, concatenated over the tasks.

        A task with k episodes has k + 1 boundaries, or none if k is 0.
        """
        filled = np.flatnonzero(self.host_counts)
        lines = [self.host_bounds[task_id, : self.host_counts[task_id] + 1] for task_id in filled]
        boundaries = np.concatenate(lines) if lines else np.empty(0, np.int64)
        return {
            "episodes": torch.from_numpy(self.host_counts.copy()),
            "boundaries": torch.from_numpy(boundaries),
        }

    def load_state_dict(self, counts: Tensor, boundaries: Tensor) -> None:
        """Restore a state.

        Raises:
            ValueError: counts and boundaries do not match, or belong to another number of tasks.
        """
        sizes = (counts + (counts > 0)).tolist()
        if counts.shape != self.counts.shape or sum(sizes) != len(boundaries):
            raise ValueError(
                f"expected episodes of {len(self.host_counts)} tasks with their boundaries, got"
                f" {tuple(counts.shape)} and {len(boundaries)} boundaries"
            )
        if max(sizes) > self.host_bounds.shape[1]:
            self.host_bounds = np.full((len(sizes), 2 * max(sizes)), NEVER)
        for task_id, line in enumerate(boundaries.split(sizes)):
            self._put(task_id, line.numpy())
        self._update_device()

    def _put(self, task_id: int, line: np.ndarray) -> None:
        self.host_bounds[task_id] = NEVER
        self.host_bounds[task_id, : len(line)] = line
        self.host_counts[task_id] = max(0, len(line) - 1)

    def _update_device(self) -> None:
        self._shortest = None
        if self.bounds.shape != self.host_bounds.shape:
            self.bounds = on_device(self.host_bounds, self.device)
        if self.device.type != "cpu":
            self.bounds.copy_(torch.from_numpy(self.host_bounds))
            self.counts.copy_(torch.from_numpy(self.host_counts))
