"""Trajectories that stay with the task they were collected on, and the context rows of visits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rlkit.data_management.batch import Batch, EpisodeBatch
from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer


class OriginalLabels:
    """Stores every trajectory under the task that it was collected on.

    Args:
        replay_buffer: RL rows of every train task.
    """

    def __init__(self, replay_buffer: MultiTaskReplayBuffer) -> None:
        self.replay_buffer = replay_buffer
        self.sampler_buffer: MultiTaskReplayBuffer | None = None

    def begin(self, task_ids: Sequence[int], iteration: int) -> None:
        """Begin the visits; there is nothing to prepare."""

    def store(self, paths: Paths, *, to_encoder: bool, visits: Sequence[int] | None = None) -> None:
        """Store RL rows under the trajectories' own tasks; the collection stores encoder rows."""
        self.replay_buffer.add_paths(paths.task_ids, paths)

    def end_block(self, group_size: int) -> None:
        """Finish a block; everything has been stored."""

    def end_collection(self, iteration: int) -> dict[str, float]:
        """Finish the collection; there is nothing to report."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state: everything is in the buffers."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore an empty state."""


def tasks_without_rows(*buffers: MultiTaskReplayBuffer) -> list[int]:
    """Tasks that lack rows in at least one of the buffers."""
    tasks = range(buffers[0].num_tasks)
    return [task for task in tasks if any(buffer.size(task) == 0 for buffer in buffers)]


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
        return self.rows.by_episode.newest_episodes(visit, num_rows)

    def end(self) -> None:
        """Replace the rows of each visited task by those of its last visit."""
        for visit, task_id in enumerate(self.task_ids):
            self.buffer.clear(task_id)
            self.buffer.add_copy(task_id, self.rows, visit)
            self.rows.clear(visit)
        self.task_ids = []
