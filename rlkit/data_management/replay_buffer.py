"""Draws from the replay rows of many tasks, which are in one store on the training device: a meta-batch is one gather."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rlkit.data_management.episodes import Stretch
from rlkit.data_management.ring_store import RingStore
from rlkit.data_management.row_store import RowStore

TaskIds = Tensor | Sequence[int] | np.ndarray


class Batch(NamedTuple):
    """Transitions drawn for m tasks, k each: views [m, k, dim] of one gathered tensor (rewards, terminated: dim 1)."""

    obs: Tensor
    actions: Tensor
    rewards: Tensor
    sparse_rewards: Tensor
    next_obs: Tensor
    terminated: Tensor


class EpisodeBatch(NamedTuple):
    """Whole episodes of m tasks one after another, n steps each: begins and mask [m, n] as in `Stretch`."""

    rows: Batch
    begins: Tensor
    mask: Tensor


class MultiTaskReplayBuffer(RowStore):
    """Ring buffers of many tasks, from which rows and whole trajectories are drawn."""

    def stores(self, name: str) -> dict[str, RingStore]:
        """What a checkpoint keeps of the buffer of this name, in the order in which it is loaded."""
        return {name: self}

    def like(self, num_tasks: int) -> "MultiTaskReplayBuffer":
        """Make an empty buffer of the same kind of rows for another number of tasks, with little reserved."""
        options: dict[str, Any] = {
            name: getattr(self, name) for name in ("capacity", "device", "page_rows", "dtype")
        }
        return MultiTaskReplayBuffer(num_tasks, self.obs_dim, self.act_dim, **options)

    def random_rows(self, task_ids: TaskIds, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw row numbers uniformly with replacement. On a GPU nothing waits for the device if the ids are there already.

        Args:
            task_ids: [m]. Ids that are on a GPU are not checked, since the answer would have to be waited for.
            batch_size: rows for each task.
            generator: on the buffer's device.
        Returns:
            Row numbers [m, batch_size] int64.
        Raises:
            ValueError: there is no such task, or it has no rows.
        """
        ids = self._filled_tasks(task_ids)
        # 63 random bits modulo the size: exact for every size, with a bias below size / 2^63.
        draws = torch.randint(
            2**63 - 1, (len(ids), batch_size), generator=generator, device=self.device
        )
        return draws.remainder_(self.sizes.index_select(0, ids).unsqueeze(1))

    def gather(self, task_ids: TaskIds, row_numbers: Tensor) -> Batch:
        """Fetch rows of many tasks.

        Args:
            task_ids: [m], as for `random_rows`.
            row_numbers: [m, k] int64 on the device, each below the size of its task (not checked, for the same reason).
        Returns:
            Views [m, k, dim] of one new tensor.
        """
        pages = self.page_table.index_select(0, self._filled_tasks(task_ids)).gather(
            1, row_numbers >> self._shift
        )
        store_rows = (pages << self._shift) + (row_numbers & self._mask)
        rows = self.store.index_select(0, store_rows.flatten()).view(*row_numbers.shape, self.width)
        return Batch(*rows.split(self.columns, dim=-1))

    def random_batch(self, task_ids: TaskIds, batch_size: int, generator: torch.Generator) -> Batch:
        """Draw batch_size transitions of each task, [m, batch_size, dim]; arguments and errors as for `random_rows`."""
        ids = self._filled_tasks(task_ids)
        return self.gather(ids, self.random_rows(ids, batch_size, generator))

    def random_trajectories(
        self, task_ids: TaskIds, batch_size: int, generator: torch.Generator
    ) -> Batch:
        """Draw whole trajectories of each task uniformly, one after another until there are batch_size rows, cut there.

        Arguments and errors as for `random_rows`; a task without whole trajectories is refused as well.
        """
        ids = self._filled_tasks(task_ids, whole=True)
        return self.gather(
            ids, self.episodes.random_rows(ids, batch_size, generator) % self.capacity
        )

    def random_batch_of_few(
        self, task_ids: TaskIds, most: int, batch_size: int, generator: torch.Generator
    ) -> Batch:
        """Draw batch_size transitions of 1 to `most` consecutive trajectories of each task; see `Episodes.random_rows_of_few`.

        Arguments and errors as for `random_trajectories`.
        """
        ids = self._filled_tasks(task_ids, whole=True)
        return self.gather(
            ids, self.episodes.random_rows_of_few(ids, most, batch_size, generator) % self.capacity
        )

    def random_episodes(
        self, task_ids: TaskIds, most: int, horizon: int, generator: torch.Generator
    ) -> EpisodeBatch:
        """Draw 1 to `most` consecutive episodes of each task; see `Episodes.random_stretch`. Errors as above."""
        ids = self._filled_tasks(task_ids, whole=True)
        return self._episodes(ids, self.episodes.random_stretch(ids, most, horizon, generator))

    def chosen_rows(self, task_ids: TaskIds, draws: Tensor) -> Batch:
        """Fetch the rows [m, k] that large random integers name: modulo the sizes they are uniform. Errors as above."""
        ids = self._filled_tasks(task_ids)
        return self.gather(ids, draws % self.sizes.index_select(0, ids).unsqueeze(1))

    def chosen_episodes(self, task_ids: TaskIds, draws: Tensor, num_steps: int) -> EpisodeBatch:
        """Fetch the first num_steps steps of the episodes [m, k] that large random integers name; see `Episodes.chosen`."""
        ids = self._filled_tasks(task_ids, whole=True)
        return self._episodes(ids, self.episodes.chosen(ids, draws, num_steps))

    def newest_episodes(self, task_id: int, num_rows: int) -> EpisodeBatch:
        """Take the newest episodes of one task, [1, n], that have at least num_rows rows together; errors as above."""
        return self._episodes(
            self._filled_tasks([task_id], whole=True), self.episodes.newest(task_id, num_rows)
        )

    def draw(self, task_id: int, num_rows: int, generator: np.random.Generator) -> Batch:
        """Draw rows [1, num_rows, dim] of one task, uniformly with replacement, by a numpy generator.

        Raises:
            ValueError: no such task, or one that has no rows.
        """
        self._filled_tasks([task_id])
        rows = generator.integers(self.size(task_id), size=(1, num_rows))
        return self.gather([task_id], torch.from_numpy(rows).to(self.device))

    def _episodes(self, ids: Tensor, stretch: Stretch) -> EpisodeBatch:
        return EpisodeBatch(
            self.gather(ids, stretch.numbers % self.capacity), stretch.begins, stretch.mask
        )

    def _filled_tasks(self, task_ids: TaskIds, *, whole: bool = False) -> Tensor:
        if isinstance(task_ids, Tensor) and task_ids.device.type != "cpu":
            return task_ids
        ids = np.array(task_ids.numpy() if isinstance(task_ids, Tensor) else task_ids, np.int64)
        self._rings.check_tasks(ids, filled=True)
        if whole and (lacking := self.episodes.without(ids)):
            raise ValueError(f"cannot draw episodes of tasks without a whole one: {lacking}")
        return torch.from_numpy(ids).to(self.device)


class SimpleReplayBuffer(MultiTaskReplayBuffer):
    """The ring buffer of a single task: a `MultiTaskReplayBuffer` whose only task is 0."""

    def __init__(self, obs_dim: int, act_dim: int, **options: Any) -> None:
        """Make an empty buffer; options as for `MultiTaskReplayBuffer`."""
        super().__init__(1, obs_dim, act_dim, **options)
