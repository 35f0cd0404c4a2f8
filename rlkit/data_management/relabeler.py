"""The interface that decides under which task a collected trajectory is stored.

The collection calls a `Relabeler` and does not know which one it has. With `OriginalLabels` every
trajectory stays with the task that it was collected on; hindsight relabeling is another class with
the same methods.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer


class Relabeler(Protocol):
    """Decides under which task a trajectory is stored.

    A collection is, in this order: in iteration 0, `store` for the trajectories of the initial pool
    (`visits` is None); `begin`; for each block of the visits, `store` once or more, then
    `end_block`; `end_collection`. A visit is one draw of a train task within an iteration; two
    visits may have the same task.

    A relabeler must
    - leave at least one row of every train task in the RL and in the encoder buffer by the end of
      the first collection, since every task can be drawn for the next gradient step. Storing the
      initial pool under its own tasks is enough;
    - store every trajectory at the latest in `end_block`: a later block sees what it has stored;
    - keep nothing between two collections but its buffers and what `state_dict` returns.

    Attributes:
        sampler_buffer: None: the contexts of the collection are drawn from the encoder buffer,
            which the collection then fills on its own with the trajectories under their own tasks.
            A relabeler that fills the encoder buffer itself has a third buffer here: original rows
            of each task's last visit, from all blocks, for contexts of the collection. The
            collection fills it.
    """

    sampler_buffer: MultiTaskReplayBuffer | None

    def begin(self, task_ids: Sequence[int], iteration: int) -> None:
        """Begin the visits of an iteration.

        Args:
            task_ids: the task of each visit.
            iteration: the current one.
        """

    def store(self, paths: Paths, *, to_encoder: bool, visits: Sequence[int] | None = None) -> None:
        """Store trajectories in the RL buffer and, if wanted, in the encoder buffer.

        Args:
            paths: whole trajectories under the tasks that they were collected on.
            to_encoder: whether they feed the encoder buffer too.
            visits: visit of each trajectory; None for the initial pool.
        """

    def end_block(self, group_size: int) -> None:
        """Finish a block of all visits.

        Args:
            group_size: number of consecutive trajectories of a visit that shared a posterior;
                0: all trajectories of the block form one group.
        """

    def end_collection(self, iteration: int) -> dict[str, float]:
        """Finish the collection and return statistics for the log."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that later decisions depend on, except the rows of buffers."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""
