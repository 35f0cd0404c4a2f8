"""Where collected trajectories are stored, and under which task's label.

The meta-loop asks a `Relabeler` and does not know which it has. PEARL keeps every trajectory under its own task
(`OriginalLabels`); hindsight relabeling is another class with the same methods.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import Batch, EpisodeBatch, MultiTaskReplayBuffer


class Relabeler(Protocol):
    """Decides what becomes of collected trajectories.

    A visit is one draw of a train task within an iteration. The rows that its contexts are drawn from start empty, so visits
    do not depend on each other, even two of one task; when the collection ends, those of a task are its last visit's.

    Attributes:
        buffers: what it keeps beside the RL and the encoder buffer, by name.
        networks: what it learns, by the names of the weight files.
        optimizers: those of its networks.
        contexts_of_every_block: whether a visit's contexts hold rows of blocks that do not feed the encoder, too.
    """

    contexts_of_every_block: bool
    buffers: dict[str, MultiTaskReplayBuffer]
    networks: dict[str, Any]
    optimizers: list[Any]

    def begin_visits(self, task_ids: Sequence[int], iteration: int) -> None:
        """Begin an iteration's collection, which visits these tasks in this order."""

    def store(self, paths: Paths, *, to_encoder: bool, visits: Sequence[int] | None = None) -> None:
        """Store trajectories in the RL buffer and, if wanted, as encoder data: of their visits, or (None: the initial
        pool) of their tasks at once."""

    def end_block(self, group_size: int) -> None:
        """A block of all visits is over, in which each visit's trajectories came in groups of so many (0: one group)."""

    def collection_context(
        self, visit: int, generator: np.random.Generator, num_rows: int
    ) -> Batch:
        """Draw rows [1, num_rows, dim] of the visit, uniformly with replacement."""

    def collection_episodes(self, visit: int, num_rows: int) -> EpisodeBatch:
        """Take the newest episodes of the visit that have at least num_rows rows together."""

    def end_collection(self, iteration: int) -> dict[str, float]:
        """Finish the collection; statistics for the log."""

    def train_step(self, batch: Batch, task_ids: Any, with_statistics: bool) -> dict[str, Any]:
        """Learn from the RL rows of a gradient step, fields [m, n, dim], of tasks [m], without waiting for the device; scalar
        tensors for the log."""

    def state_dict(self) -> dict[str, Any]:
        """All that its next decisions depend on, beside the buffers' rows."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state."""


class VisitRows:
    """The rows that contexts are drawn from while visits run: apart for each visit, then the task's.

    Args:
        buffer: rows of every task; a task that was visited has those of its last visit.
        max_visits: most visits of one collection.
    """

    def __init__(self, buffer: MultiTaskReplayBuffer, max_visits: int) -> None:
        self.buffer, self.rows = buffer, buffer.empty_like(num_tasks=max_visits)
        self.task_ids: list[int] = []

    def begin(self, task_ids: Sequence[int]) -> None:
        """Begin a collection that visits these tasks."""
        self.task_ids = list(task_ids)
        for visit in range(len(self.task_ids)):
            self.rows.clear(visit)

    def add(self, paths: Paths, visits: Sequence[int] | None) -> None:
        """Add trajectories to their visits, or (None) to their tasks at once."""
        if visits is None:
            self.buffer.add_paths(paths.task_ids, paths)
        else:
            self.rows.add_paths(np.asarray(visits), paths)

    def context(self, visit: int, generator: np.random.Generator, num_rows: int) -> Batch:
        """Draw rows of a visit, [1, num_rows, dim]."""
        return self.rows.draw(visit, num_rows, generator)

    def episodes(self, visit: int, num_rows: int) -> EpisodeBatch:
        """Take the newest episodes of a visit."""
        return self.rows.newest_episodes(visit, num_rows)

    def end(self) -> None:
        """Let the rows of each visited task be those of its last visit."""
        for visit, task_id in enumerate(self.task_ids):
            self.buffer.clear(task_id)
            self.buffer.add_copy(task_id, self.rows, visit)
            self.rows.clear(visit)
        self.task_ids = []


class OriginalLabels:
    """PEARL: every trajectory is stored under the task that it was collected on.

    Args:
        replay_buffer: RL rows of every train task.
        encoder_buffer: rows that context is drawn from.
        max_visits: most visits of one collection.
    """

    contexts_of_every_block = False

    def __init__(
        self,
        replay_buffer: MultiTaskReplayBuffer,
        encoder_buffer: MultiTaskReplayBuffer,
        max_visits: int,
    ) -> None:
        self.replay_buffer, self.visits = replay_buffer, VisitRows(encoder_buffer, max_visits)
        self.buffers: dict[str, MultiTaskReplayBuffer] = {}
        self.networks: dict[str, Any] = {}
        self.optimizers: list[Any] = []

    def begin_visits(self, task_ids: Sequence[int], iteration: int) -> None:
        """Begin a collection that visits these tasks."""
        self.visits.begin(task_ids)

    def store(self, paths: Paths, *, to_encoder: bool, visits: Sequence[int] | None = None) -> None:
        """Store under the trajectories' own tasks."""
        self.replay_buffer.add_paths(paths.task_ids, paths)
        if to_encoder:
            self.visits.add(paths, visits)

    def end_block(self, group_size: int) -> None:
        """Nothing is left to be decided."""

    def collection_context(
        self, visit: int, generator: np.random.Generator, num_rows: int
    ) -> Batch:
        """Draw rows of the visit's encoder data."""
        return self.visits.context(visit, generator, num_rows)

    def collection_episodes(self, visit: int, num_rows: int) -> EpisodeBatch:
        """Take the newest episodes of the visit's encoder data."""
        return self.visits.episodes(visit, num_rows)

    def end_collection(self, iteration: int) -> dict[str, float]:
        """Let the encoder data of each visited task be those of its last visit."""
        self.visits.end()
        return {}

    def train_step(self, batch: Batch, task_ids: Any, with_statistics: bool) -> dict[str, Any]:
        """There is nothing to learn."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Nothing: all is in the buffers."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to take over."""
