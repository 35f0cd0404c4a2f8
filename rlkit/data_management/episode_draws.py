"""Draws of whole episodes and of rows from them, on the device of the replay rows."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rlkit.data_management.episodes import Episodes

LARGE = 2**63 - 1  # integers drawn below it, taken modulo n, are uniform up to n / 2^63


class EpisodeWindow(NamedTuple):
    """Row numbers of whole episodes of m tasks, padded to n steps per task.

    Attributes:
        numbers: row numbers, [m, n] int64; padding repeats the last row.
        begins: true at the first step of an episode, [m, n] bool.
        mask: false at padding, [m, n] bool.
    """

    numbers: Tensor
    begins: Tensor
    mask: Tensor


class EpisodeDraws:
    """Draws episodes, and rows of episodes.

    Args:
        episodes: where the episodes of each task begin and end.
    """

    def __init__(self, episodes: Episodes) -> None:
        self.episodes = episodes

    def random_rows(self, ids: Tensor, num_rows: int, generator: torch.Generator) -> Tensor:
        """Draw episodes uniformly with replacement, concatenated and cut at num_rows rows.

        Args:
            ids: tasks [m] on the device, each with episodes.
            num_rows: rows per task.
            generator: on the device.
        Returns:
            Row numbers [m, num_rows].
        """
        bounds, counts = self._of(ids)
        draws = self._randint(len(ids), num_rows, generator) % counts  # enough for 1-step episodes
        first = bounds.gather(1, draws)
        lengths = bounds.gather(1, draws + 1) - first
        ends = lengths.cumsum(1)
        steps = (
            torch.arange(num_rows, device=self.episodes.device).expand(len(ids), -1).contiguous()
        )
        episode = torch.searchsorted(ends, steps, right=True)
        return first.gather(1, episode) + steps - (ends - lengths).gather(1, episode)

    def random_rows_from_window(
        self, ids: Tensor, most: int, num_rows: int, generator: torch.Generator
    ) -> Tensor:
        """Draw a window of consecutive episodes per task, then rows of it with replacement.

        The window has k episodes, k uniform in 1 ... most, or all episodes of a task with fewer
        than k. Its first episode is uniform among those with k - 1 episodes after it.

        Args:
            ids: tasks [m] on the device, each with episodes.
            most: largest k.
            num_rows: rows per task.
            generator: on the device.
        Returns:
            Row numbers [m, num_rows].
        """
        bounds, counts = self._of(ids)
        wanted = torch.minimum(self._random_k(len(ids), most, generator), counts)
        drawn = self._randint(len(ids), 1, generator) % (counts - wanted + 1)
        begin, end = bounds.gather(1, drawn), bounds.gather(1, drawn + wanted)
        return begin + self._randint(len(ids), num_rows, generator) % (end - begin)

    def random_episode_window(
        self, ids: Tensor, most: int, horizon: int, generator: torch.Generator
    ) -> EpisodeWindow:
        """Draw k consecutive episodes per task, k uniform in 1 ... most, from a random boundary on.

        A task with fewer than k episodes contributes all of them. If episodes can end early, whole
        episodes are taken until there are at least k * horizon rows, starting at a random boundary
        that has that many rows after it.

        Args:
            ids: tasks [m] on the device, each with episodes.
            most: largest k.
            horizon: maximum steps of an episode.
            generator: on the device.
        """
        bounds, counts = self._of(ids)
        width = most * horizon + (horizon - 1 if self.episodes.shortest < horizon else 0)
        wanted = horizon * self._random_k(len(ids), most, generator)
        last = bounds.gather(1, counts) - wanted
        choices = torch.searchsorted(bounds, last, right=True).clamp_(min=1)
        begin = bounds.gather(1, self._randint(len(ids), 1, generator) % choices)
        end = bounds.gather(1, torch.minimum(torch.searchsorted(bounds, begin + wanted), counts))
        numbers = begin + torch.arange(width, device=self.episodes.device)
        return self._window(bounds, torch.minimum(numbers, end - 1), numbers < end)

    def at(self, ids: Tensor, draws: Tensor, num_steps: int) -> EpisodeWindow:
        """The first num_steps steps of episodes selected by large random integers.

        Args:
            ids: tasks [m] on the device, each with episodes.
            draws: integers [m, k] int64 on the device, taken modulo the task's number of episodes.
            num_steps: steps per episode; a shorter episode is padded.
        Returns:
            The k episodes of each task one after another, [m, k * num_steps].
        """
        bounds, counts = self._of(ids)
        episode = draws % counts
        begin = bounds.gather(1, episode).unsqueeze(2)
        end = bounds.gather(1, episode + 1).unsqueeze(2)
        numbers = begin + torch.arange(num_steps, device=self.episodes.device)
        parts = torch.minimum(numbers, end - 1), numbers == begin, numbers < end
        return EpisodeWindow(*(part.flatten(1) for part in parts))

    def newest(self, task_id: int, num_rows: int) -> EpisodeWindow:
        """The fewest newest episodes of one task with at least num_rows rows, else all episodes.

        There is no padding.
        """
        bounds = self.episodes.host_bounds[task_id, : self.episodes.host_counts[task_id] + 1]
        first = int(np.searchsorted(bounds, bounds[-1] - num_rows, side="right")) - 1
        begin, end = int(bounds[max(0, first)]), int(bounds[-1])
        numbers = torch.arange(begin, end, device=self.episodes.device).unsqueeze(0)
        mask = torch.ones_like(numbers, dtype=torch.bool)
        return self._window(self.episodes.bounds[task_id].unsqueeze(0), numbers, mask)

    def without(self, task_ids: np.ndarray) -> list[int]:
        """Tasks without a whole episode."""
        return sorted(
            {int(task_id) for task_id in task_ids if not self.episodes.host_counts[task_id]}
        )

    def _of(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Boundaries [m, columns] and numbers of episodes [m, 1] of tasks [m]."""
        return self.episodes.bounds.index_select(0, ids), self.episodes.counts.index_select(
            0, ids
        ).unsqueeze(1)

    def _randint(self, num_tasks: int, width: int, generator: torch.Generator) -> Tensor:
        """Large integers [num_tasks, width], to be taken modulo a number of choices."""
        return torch.randint(
            LARGE, (num_tasks, width), generator=generator, device=self.episodes.device
        )

    def _random_k(self, num_tasks: int, most: int, generator: torch.Generator) -> Tensor:
        """Numbers of episodes [num_tasks, 1], uniform in 1 ... most."""
        return torch.randint(
            1, most + 1, (num_tasks, 1), generator=generator, device=self.episodes.device
        )

    @staticmethod
    def _window(bounds: Tensor, numbers: Tensor, mask: Tensor) -> EpisodeWindow:
        episode = torch.searchsorted(bounds, numbers, right=True) - 1
        return EpisodeWindow(numbers, bounds.gather(1, episode) == numbers, mask)
