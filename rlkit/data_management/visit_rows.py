"""The rows that contexts are drawn from while tasks are visited."""

from collections.abc import Sequence

import numpy as np

from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import Batch, EpisodeBatch, MultiTaskReplayBuffer


class VisitRows:
    """Context rows of each visit, kept apart until the collection ends.

    A visit is one draw of a train task within an iteration. It starts without rows, so visits are
    independent even when they share a task. After the collection, a task keeps the rows of its
    last visit.

    Args:
        buffer: rows of every task; a task that was visited has those of its last visit.
        max_visits: the most visits of one collection.
        every_block: also keep the rows of blocks that do not feed the encoder.
    """

    def __init__(
        self, buffer: MultiTaskReplayBuffer, max_visits: int, *, every_block: bool = False
    ) -> None:
        self.buffer, self.rows = buffer, buffer.empty_like(num_tasks=max_visits)
        self.every_block = every_block
        self.task_ids: list[int] = []

    def begin(self, task_ids: Sequence[int]) -> None:
        """Begin a collection that visits these tasks."""
        self.task_ids = list(task_ids)
        for visit in range(len(self.task_ids)):
            self.rows.clear(visit)

    def store(self, paths: Paths, *, to_encoder: bool, visits: Sequence[int] | None = None) -> None:
        """Add trajectories to their visits, or (None: the initial pool) to their own tasks."""
        if not (to_encoder or self.every_block):
            return
        if visits is None:
            self.buffer.add_paths(paths.task_ids, paths)
        else:
            self.rows.add_paths(np.asarray(visits), paths)

    def draw(self, visit: int, num_rows: int, generator: np.random.Generator) -> Batch:
        """Draw rows [1, num_rows, dim] of a visit, uniformly with replacement."""
        return self.rows.draw(visit, num_rows, generator)

    def newest_episodes(self, visit: int, num_rows: int) -> EpisodeBatch:
        """Take the newest episodes of a visit that have at least num_rows rows together."""
        return self.rows.newest_episodes(visit, num_rows)

    def end(self) -> None:
        """Replace the rows of each visited task by those of its last visit."""
        for visit, task_id in enumerate(self.task_ids):
            self.buffer.clear(task_id)
            self.buffer.add_copy(task_id, self.rows, visit)
            self.rows.clear(visit)
        self.task_ids = []
