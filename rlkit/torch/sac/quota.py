"""How many trajectories a number of steps takes, where episodes may end early."""

from typing import NamedTuple

import numpy as np

from rlkit.data_management.paths import Paths


class Lane(NamedTuple):
    """A trajectory to be run: its row, its number within the row, its group within the block."""

    row: int
    number: int
    group: int


class Quota:
    """Runs trajectories on several rows (visits or tasks) until each row has its steps.

    No trajectory is longer than the horizon, so a row is only given trajectories that it certainly
    needs: they form the shortest sequence that reaches `num_steps`, and none is thrown away.

    Args:
        num_steps: transitions that each row needs.
        horizon: the most steps of a trajectory.
        started: trajectories that each row has had before, [num_rows].
        group_size: trajectories of a group; 0: all are one group.
    """

    def __init__(
        self, num_steps: int, horizon: int, started: np.ndarray, group_size: int = 0
    ) -> None:
        self.num_steps, self.horizon, self.group_size = num_steps, horizon, group_size
        self.first, self.started = started, started.copy()
        self.steps = np.zeros(len(started), dtype=np.int64)

    @property
    def reached(self) -> bool:
        """Whether every row has its steps."""
        return bool((self.steps >= self.num_steps).all())

    def next_lanes(self, *, one_group: bool = False) -> list[Lane]:
        """Trajectories that are certainly needed, by row.

        Args:
            one_group: stop each row at the end of the group that it is in.
        """
        missing = np.maximum(self.num_steps - self.steps, 0)
        counts = -(-missing // self.horizon)
        if one_group:
            counts = np.minimum(
                counts, self.group_size - (self.started - self.first) % self.group_size
            )
        return [
            Lane(row, number, self._group(row, number))
            for row, count in enumerate(counts)
            for number in range(int(self.started[row]), int(self.started[row]) + int(count))
        ]

    def count(self, lanes: list[Lane], paths: Paths) -> int:
        """Count the trajectories that were run.

        Returns:
            By how many steps the rows have come closer to the quota.
        """
        before = np.minimum(self.steps, self.num_steps).sum()
        rows = [lane.row for lane in lanes]
        np.add.at(self.steps, rows, paths.lengths)
        np.add.at(self.started, rows, 1)
        return int(np.minimum(self.steps, self.num_steps).sum() - before)

    def _group(self, row: int, number: int) -> int:
        return (number - int(self.first[row])) // self.group_size if self.group_size else 0
