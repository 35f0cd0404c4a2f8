"""Draws by episode from a replay buffer: whole trajectories, and rows of a few of them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rlkit.data_management.batch import Batch, EpisodeBatch
from rlkit.data_management.episode_draws import EpisodeDraws, EpisodeWindow
from rlkit.data_management.episodes import Episodes
from rlkit.data_management.paged_rings import PagedRings

TaskIds = Tensor | Sequence[int] | np.ndarray


class Rows(Protocol):
    """The interface of a buffer for drawing episodes."""

    rows: PagedRings

    def gather(self, task_ids: TaskIds, positions: Tensor) -> Batch:
        """See `MultiTaskReplayBuffer.gather`."""

    def filled_tasks(self, task_ids: TaskIds) -> Tensor:
        """See `MultiTaskReplayBuffer.filled_tasks`."""


class EpisodeReader:
    """Draws whole episodes, and rows of episodes, from a buffer.

    Every draw takes task ids [m] as `MultiTaskReplayBuffer.gather` does, and a generator on the
    buffer's device. It raises ValueError for a task that does not exist or has no whole episode.

    Args:
        buffer: has the rows.
        episodes: where its episodes begin and end.
    """

    def __init__(self, buffer: Rows, episodes: Episodes) -> None:
        self._buffer, self._draws = buffer, EpisodeDraws(episodes)

    def random_trajectories(
        self, task_ids: TaskIds, batch_size: int, generator: torch.Generator
    ) -> Batch:
        """Draw whole trajectories uniformly, concatenated and cut at batch_size rows per task."""
        ids = self._ids(task_ids)
        numbers = self._draws.random_rows(ids, batch_size, generator)
        return self._buffer.gather(ids, numbers % self._buffer.rows.capacity)

    def random_batch_from_window(
        self, task_ids: TaskIds, most: int, batch_size: int, generator: torch.Generator
    ) -> Batch:
        """Draw rows of 1 to `most` consecutive trajectories.

        `EpisodeDraws.random_rows_from_window`.
        """
        ids = self._ids(task_ids)
        numbers = self._draws.random_rows_from_window(ids, most, batch_size, generator)
        return self._buffer.gather(ids, numbers % self._buffer.rows.capacity)

    def random_episodes(
        self, task_ids: TaskIds, most: int, horizon: int, generator: torch.Generator
    ) -> EpisodeBatch:
        """Draw 1 to `most` consecutive episodes per task.

        See `EpisodeDraws.random_episode_window`.
        """
        ids = self._ids(task_ids)
        window = self._draws.random_episode_window(ids, most, horizon, generator)
        return self._episodes(ids, window)

    def has_shorter_episodes(self, horizon: int) -> bool:
        """Whether an episode is shorter than the horizon, so that `random_episodes` is wider."""
        return self._draws.episodes.shortest < horizon

    def episodes_at(self, task_ids: TaskIds, draws: Tensor, num_steps: int) -> EpisodeBatch:
        """Fetch num_steps steps of episodes selected by random integers [m, k].

        `EpisodeDraws.at`.
        """
        ids = self._ids(task_ids)
        return self._episodes(ids, self._draws.at(ids, draws, num_steps))

    def newest_episodes(self, task_id: int, num_rows: int) -> EpisodeBatch:
        """Fetch the newest episodes of one task, [1, n], of num_rows rows or just above."""
        ids = self._ids([task_id])
        return self._episodes(ids, self._draws.newest(task_id, num_rows))

    def _episodes(self, ids: Tensor, window: EpisodeWindow) -> EpisodeBatch:
        rows = self._buffer.gather(ids, window.numbers % self._buffer.rows.capacity)
        return EpisodeBatch(rows, window.begins, window.mask)

    def _ids(self, task_ids: TaskIds) -> Tensor:
        """Ids on the device, of tasks that have whole episodes."""
        ids = self._buffer.filled_tasks(task_ids)
        if not (isinstance(task_ids, Tensor) and task_ids.device.type != "cpu"):
            if lacking := self._draws.without(np.asarray(task_ids)):
                raise ValueError(f"cannot draw episodes of tasks without a whole one: {lacking}")
        return ids
