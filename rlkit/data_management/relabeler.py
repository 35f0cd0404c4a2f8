"""Where collected trajectories are stored, and under which task's label.

The meta-loop asks a `Relabeler` and does not know which it has. PEARL keeps every trajectory under its own task
(`OriginalLabels`); hindsight relabeling is another class with the same methods.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import Batch, EpisodeBatch, MultiTaskReplayBuffer


class Relabeler(Protocol):
    """Decides what becomes of collected trajectories.

    A visit is one draw of a train task within an iteration. Its encoder rows start empty, so visits do not depend on each
    other, even two of one task; when the collection ends the encoder buffer of a task holds its last visit's rows.
    """

    def begin_visits(self, task_ids: Sequence[int]) -> None:
        """Begin a collection that visits these tasks, in this order."""

    def store(self, paths: Paths, *, to_encoder: bool, visits: Sequence[int] | None = None) -> None:
        """Store trajectories in the RL buffer and, if wanted, as encoder data: of their visits, or (None: the initial
        pool) of their tasks at once."""

    def collection_context(self, visit: int, generator: np.random.Generator, num_rows: int) -> Batch:
        """Draw rows [1, num_rows, dim] uniformly with replacement from the visit's encoder data."""

    def collection_episodes(self, visit: int, num_rows: int) -> EpisodeBatch:
        """Take the newest episodes of the visit's encoder data that have at least num_rows rows together."""

    def end_collection(self, iteration: int) -> dict[str, float]:
        """Finish the collection; statistics for the log."""


class OriginalLabels:
    """PEARL: every trajectory is stored under the task that it was collected on.

    Args:
        replay_buffer: RL rows of every train task.
        encoder_buffer: rows that context is drawn from.
        max_visits: most visits of one collection.
    """

    def __init__(self, replay_buffer: MultiTaskReplayBuffer, encoder_buffer: MultiTaskReplayBuffer, max_visits: int) -> None:
        self.replay_buffer, self.encoder_buffer = replay_buffer, encoder_buffer
        self.visit_rows = encoder_buffer.like(num_tasks=max_visits)
        self.task_ids: list[int] = []

    def begin_visits(self, task_ids: Sequence[int]) -> None:
        """Begin a collection that visits these tasks."""
        self.task_ids = list(task_ids)
        for visit in range(len(self.task_ids)):
            self.visit_rows.clear(visit)

    def store(self, paths: Paths, *, to_encoder: bool, visits: Sequence[int] | None = None) -> None:
        """Store under the trajectories' own tasks."""
        self.replay_buffer.add_paths(paths.task_ids, paths)
        if to_encoder and visits is None:
            self.encoder_buffer.add_paths(paths.task_ids, paths)
        elif to_encoder:
            self.visit_rows.add_paths(np.asarray(visits), paths)

    def collection_context(self, visit: int, generator: np.random.Generator, num_rows: int) -> Batch:
        """Draw rows of the visit's encoder data."""
        return self.visit_rows.draw(visit, num_rows, generator)

    def collection_episodes(self, visit: int, num_rows: int) -> EpisodeBatch:
        """Take the newest episodes of the visit's encoder data."""
        return self.visit_rows.newest_episodes(visit, num_rows)

    def end_collection(self, iteration: int) -> dict[str, float]:
        """Let the encoder data of each visited task be those of its last visit."""
        for visit, task_id in enumerate(self.task_ids):
            self.encoder_buffer.clear(task_id)
            self.encoder_buffer.add_rows(task_id, *self.visit_rows.copy_of(visit))
            self.visit_rows.clear(visit)
        self.task_ids = []
        return {}
