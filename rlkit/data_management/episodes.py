"""Where the episodes of each task begin and end, so that whole episodes can be drawn."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rlkit.data_management.pages import on_device

NEVER = 2**62  # fills a line of boundaries after the last one, so that every line is sorted
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
        self._bounds, self._counts = np.full((num_tasks, 16), NEVER), np.zeros(num_tasks, np.int64)
        self._shortest: int | None = None
        self.bounds = on_device(self._bounds, device)
        self.counts = on_device(self._counts, device)

    @property
    def shortest(self) -> int:
        """Steps of the shortest episode; NEVER without any."""
        if self._shortest is None:
            there = np.arange(self._bounds.shape[1] - 1) < self._counts[:, None]
            self._shortest = int(np.diff(self._bounds, axis=1).min(initial=NEVER, where=there))
        return self._shortest

    def lengths(self, task_id: int) -> np.ndarray:
        """Steps of each episode of one task, [count]."""
        return np.diff(self._bounds[task_id, : self._counts[task_id] + 1])

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
        needed = int((self._counts + np.bincount(task_ids, minlength=len(self._counts))).max()) + 1
        if needed > self._bounds.shape[1]:
            wider = np.full((len(self._bounds), 2 * needed), NEVER)
            wider[:, : self._bounds.shape[1]] = self._bounds
            self._bounds = wider
        for task_id, begin, length in zip(
            task_ids.tolist(), first.tolist(), lengths.tolist(), strict=True
        ):
            if length:
                count = self._counts[task_id]
                self._bounds[task_id, count : count + 2] = begin, begin + length
                self._counts[task_id] = count + 1
        for task_id in np.flatnonzero((self._counts > 0) & (self._bounds[:, 0] < oldest)).tolist():
            count = self._counts[task_id]
            gone = int(np.searchsorted(self._bounds[task_id, :count], oldest[task_id]))
            self._put(task_id, self._bounds[task_id, gone : count + 1].copy())
        self._update_device()

    def clear(self, task_id: int) -> None:
        """Remove the episodes of one task."""
        self._put(task_id, np.empty(0, np.int64))
        self._update_device()

    def state_dict(self) -> dict[str, Tensor]:
        """Counts `episodes` [num_tasks], and all `boundaries`, concatenated over the tasks.

        A task with k episodes has k + 1 boundaries, or none if k is 0.
        """
        filled = np.flatnonzero(self._counts)
        lines = [self._bounds[task_id, : self._counts[task_id] + 1] for task_id in filled]
        boundaries = np.concatenate(lines) if lines else np.empty(0, np.int64)
        return {
            "episodes": torch.from_numpy(self._counts.copy()),
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
                f"expected episodes of {len(self._counts)} tasks with their boundaries, got"
                f" {tuple(counts.shape)} and {len(boundaries)} boundaries"
            )
        if max(sizes) > self._bounds.shape[1]:
            self._bounds = np.full((len(sizes), 2 * max(sizes)), NEVER)
        for task_id, line in enumerate(boundaries.split(sizes)):
            self._put(task_id, line.numpy())
        self._update_device()

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
        steps = torch.arange(num_rows, device=self.device).expand(len(ids), -1).contiguous()
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
        width = most * horizon + (horizon - 1 if self.shortest < horizon else 0)
        wanted = horizon * self._random_k(len(ids), most, generator)
        last = bounds.gather(1, counts) - wanted
        choices = torch.searchsorted(bounds, last, right=True).clamp_(min=1)
        begin = bounds.gather(1, self._randint(len(ids), 1, generator) % choices)
        end = bounds.gather(1, torch.minimum(torch.searchsorted(bounds, begin + wanted), counts))
        numbers = begin + torch.arange(width, device=self.device)
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
        numbers = begin + torch.arange(num_steps, device=self.device)
        parts = torch.minimum(numbers, end - 1), numbers == begin, numbers < end
        return EpisodeWindow(*(part.flatten(1) for part in parts))

    def newest(self, task_id: int, num_rows: int) -> EpisodeWindow:
        """The fewest newest episodes of one task with at least num_rows rows, else all episodes.

        There is no padding.
        """
        bounds = self._bounds[task_id, : self._counts[task_id] + 1]
        first = int(np.searchsorted(bounds, bounds[-1] - num_rows, side="right")) - 1
        begin, end = int(bounds[max(0, first)]), int(bounds[-1])
        numbers = torch.arange(begin, end, device=self.device).unsqueeze(0)
        mask = torch.ones_like(numbers, dtype=torch.bool)
        return self._window(self.bounds[task_id].unsqueeze(0), numbers, mask)

    def without(self, task_ids: np.ndarray) -> list[int]:
        """Those of the tasks that have no whole episode."""
        return sorted({int(task_id) for task_id in task_ids if not self._counts[task_id]})

    def _of(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Boundaries [m, columns] and numbers of episodes [m, 1] of tasks [m]."""
        return self.bounds.index_select(0, ids), self.counts.index_select(0, ids).unsqueeze(1)

    def _randint(self, num_tasks: int, width: int, generator: torch.Generator) -> Tensor:
        """Large integers [num_tasks, width], to be taken modulo a number of choices."""
        return torch.randint(LARGE, (num_tasks, width), generator=generator, device=self.device)

    def _random_k(self, num_tasks: int, most: int, generator: torch.Generator) -> Tensor:
        """Numbers of episodes [num_tasks, 1], uniform in 1 ... most."""
        return torch.randint(1, most + 1, (num_tasks, 1), generator=generator, device=self.device)

    @staticmethod
    def _window(bounds: Tensor, numbers: Tensor, mask: Tensor) -> EpisodeWindow:
        episode = torch.searchsorted(bounds, numbers, right=True) - 1
        return EpisodeWindow(numbers, bounds.gather(1, episode) == numbers, mask)

    def _put(self, task_id: int, line: np.ndarray) -> None:
        self._bounds[task_id] = NEVER
        self._bounds[task_id, : len(line)] = line
        self._counts[task_id] = max(0, len(line) - 1)

    def _update_device(self) -> None:
        self._shortest = None
        if self.bounds.shape != self._bounds.shape:
            self.bounds = on_device(self._bounds, self.device)
        if self.device.type != "cpu":
            self.bounds.copy_(torch.from_numpy(self._bounds))
            self.counts.copy_(torch.from_numpy(self._counts))
