"""Where the episodes of each task begin and end: what drawing whole episodes needs, beside the rows themselves."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

NEVER = 2**62  # stands behind the last boundary, so that every line is sorted
LARGE = 2**63 - 1  # draws below it modulo n are uniform up to n / 2^63


class Stretch(NamedTuple):
    """Consecutive whole episodes of m tasks, n steps each, of which the first so many count.

    Attributes:
        numbers: of the rows, [m, n] int64; padding repeats a task's last row.
        begins: true at the first step of an episode, [m, n] bool.
        mask: true where a step counts, [m, n] bool; true entries stand first.
    """

    numbers: Tensor
    begins: Tensor
    mask: Tensor


class Episodes:
    """The boundaries of the whole episodes that a buffer of many tasks holds: one integer an episode.

    A row's number is the count of rows that its task was given before it since it was last cleared.

    Attributes:
        bounds: numbers of the episodes' first rows in their order, then the end of the last, then NEVER: [num_tasks, columns]
            int64 on the device; replaced only when a task needs more columns.
        counts: episodes of each task, [num_tasks] int64 on the device, updated in place.
    """

    def __init__(self, num_tasks: int, device: torch.device) -> None:
        """Begin without episodes."""
        self.device = device
        self._bounds, self._counts = np.full((num_tasks, 16), NEVER), np.zeros(num_tasks, np.int64)
        self._shortest: int | None = None
        self.bounds, self.counts = self._on_device(self._bounds), self._on_device(self._counts)

    @property
    def shortest(self) -> int:
        """Fewest steps of an episode that is there; NEVER without any."""
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
        """Add episodes, in an order in which those of one task follow each other, and forget what the rings overwrote.

        Args:
            task_ids: task of each episode, [k].
            first: number of its first row, [k].
            lengths: its steps, [k]; nothing is added where there is none.
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
        """Forget the episodes of one task."""
        self._put(task_id, np.empty(0, np.int64))
        self._update_device()

    def state_dict(self) -> dict[str, Tensor]:
        """`episodes` [num_tasks], how many there are, and `boundaries`: of each task that has any, one more, in their order."""
        filled = np.flatnonzero(self._counts)
        lines = [self._bounds[task_id, : self._counts[task_id] + 1] for task_id in filled]
        boundaries = np.concatenate(lines) if lines else np.empty(0, np.int64)
        return {
            "episodes": torch.from_numpy(self._counts.copy()),
            "boundaries": torch.from_numpy(boundaries),
        }

    def load_state_dict(self, counts: Tensor, boundaries: Tensor) -> None:
        """Take over what `state_dict` returned.

        Raises:
            ValueError: counts and boundaries do not belong together, or not to so many tasks.
        """
        sizes = (counts + (counts > 0)).tolist()
        if counts.shape != self.counts.shape or sum(sizes) != len(boundaries):
            raise ValueError(f"expected episodes of {len(self._counts)} tasks with their boundaries, got {tuple(counts.shape)}"
                             f" and {len(boundaries)} boundaries")  # fmt: skip
        if max(sizes) > self._bounds.shape[1]:
            self._bounds = np.full((len(sizes), 2 * max(sizes)), NEVER)
        for task_id, line in enumerate(boundaries.split(sizes)):
            self._put(task_id, line.numpy())
        self._update_device()

    def random_rows(self, ids: Tensor, num_rows: int, generator: torch.Generator) -> Tensor:
        """Draw episodes uniformly with replacement until there are num_rows rows, cut there: row numbers [m, num_rows].

        Nothing waits for the device.
        """
        bounds, counts = self.bounds.index_select(0, ids), self.counts.index_select(0, ids)
        # As many draws as rows, since an episode may have a single one.
        draws = torch.randint(
            LARGE, (len(ids), num_rows), generator=generator, device=self.device
        ) % counts.unsqueeze(1)
        first = bounds.gather(1, draws)
        lengths = bounds.gather(1, draws + 1) - first
        ends = lengths.cumsum(1)
        steps = torch.arange(num_rows, device=self.device).expand(len(ids), -1).contiguous()
        episode = torch.searchsorted(ends, steps, right=True)
        return first.gather(1, episode) + steps - (ends - lengths).gather(1, episode)

    def random_rows_of_few(
        self, ids: Tensor, most: int, num_rows: int, generator: torch.Generator
    ) -> Tensor:
        """Draw for each task k uniformly from 1 ... most, then k consecutive episodes from a uniformly drawn first one, then rows
        of these uniformly with replacement: row numbers [m, num_rows]. A task with fewer than k gives all.

        Nothing waits for the device.
        """
        bounds, counts, shape = (
            self.bounds.index_select(0, ids),
            self.counts.index_select(0, ids).unsqueeze(1),
            (len(ids), 1),
        )
        wanted = torch.minimum(
            torch.randint(1, most + 1, shape, generator=generator, device=self.device), counts
        )
        drawn = torch.randint(LARGE, shape, generator=generator, device=self.device) % (
            counts - wanted + 1
        )
        begin, end = bounds.gather(1, drawn), bounds.gather(1, drawn + wanted)
        return begin + torch.randint(
            LARGE, (len(ids), num_rows), generator=generator, device=self.device
        ) % (end - begin)

    def random_stretch(
        self, ids: Tensor, most: int, horizon: int, generator: torch.Generator
    ) -> Stretch:
        """Draw for each task k uniformly from 1 ... most, then k consecutive episodes from a uniformly drawn boundary.

        A task with fewer gives all. Where episodes may end before the horizon, it is whole episodes until there are at least
        k horizon rows, from a boundary behind which there are so many. Nothing waits for the device.

        Args:
            ids: tasks [m] on the device.
            most: episodes of the horizon's length, at most.
            horizon: most steps of an episode.
            generator: on the device.
        """
        bounds, counts = (
            self.bounds.index_select(0, ids),
            self.counts.index_select(0, ids).unsqueeze(1),
        )
        shape, width = (
            (len(ids), 1),
            most * horizon + (horizon - 1 if self.shortest < horizon else 0),
        )
        wanted = horizon * torch.randint(
            1, most + 1, shape, generator=generator, device=self.device
        )
        choices = torch.searchsorted(bounds, bounds.gather(1, counts) - wanted, right=True).clamp_(
            min=1
        )
        drawn = torch.randint(LARGE, shape, generator=generator, device=self.device) % choices
        begin = bounds.gather(1, drawn)
        end = bounds.gather(1, torch.minimum(torch.searchsorted(bounds, begin + wanted), counts))
        numbers = begin + torch.arange(width, device=self.device)
        return self._stretch(bounds, torch.minimum(numbers, end - 1), numbers < end)

    def chosen(self, ids: Tensor, draws: Tensor, num_steps: int) -> Stretch:
        """The first num_steps steps (all, padded, of a shorter one) of episodes chosen by large random integers.

        Args:
            ids: tasks [m] on the device, each with episodes.
            draws: [m, k] int64, likewise; modulo the number of episodes they are uniform up to n / 2^63.
            num_steps: of each episode.
        Returns:
            Each task's k episodes one after another, [m, k num_steps]. Nothing waits for the device.
        """
        bounds = self.bounds.index_select(0, ids)
        episode = draws % self.counts.index_select(0, ids).unsqueeze(1)
        begin, end = (
            bounds.gather(1, episode).unsqueeze(2),
            bounds.gather(1, episode + 1).unsqueeze(2),
        )
        numbers = begin + torch.arange(num_steps, device=self.device)
        parts = torch.minimum(numbers, end - 1), numbers == begin, numbers < end
        return Stretch(*(part.flatten(1) for part in parts))

    def newest(self, task_id: int, num_rows: int) -> Stretch:
        """The newest episodes of one task that have at least num_rows rows together, all if there are fewer; no padding."""
        bounds = self._bounds[task_id, : self._counts[task_id] + 1]
        begin = bounds[
            max(0, int(np.searchsorted(bounds, bounds[-1] - num_rows, side="right")) - 1)
        ]
        numbers = torch.arange(int(begin), int(bounds[-1]), device=self.device).unsqueeze(0)
        return self._stretch(
            self.bounds[task_id].unsqueeze(0), numbers, torch.ones_like(numbers, dtype=torch.bool)
        )

    def without(self, task_ids: np.ndarray) -> list[int]:
        """Which of the tasks hold no whole episode."""
        return sorted({int(task_id) for task_id in task_ids if not self._counts[task_id]})

    @staticmethod
    def _stretch(bounds: Tensor, numbers: Tensor, mask: Tensor) -> Stretch:
        episode = torch.searchsorted(bounds, numbers, right=True) - 1
        return Stretch(numbers, bounds.gather(1, episode) == numbers, mask)

    def _put(self, task_id: int, line: np.ndarray) -> None:
        self._bounds[task_id] = NEVER
        self._bounds[task_id, : len(line)] = line
        self._counts[task_id] = max(0, len(line) - 1)

    def _update_device(self) -> None:
        self._shortest = None
        if self.bounds.shape != self._bounds.shape:
            self.bounds = self._on_device(self._bounds)
        if self.device.type != "cpu":
            self.bounds.copy_(torch.from_numpy(self._bounds))
            self.counts.copy_(torch.from_numpy(self._counts))

    def _on_device(self, array: np.ndarray) -> Tensor:
        """The array as a tensor of the device; on a CPU they share their memory, so that writing one writes both."""
        return torch.from_numpy(array).to(self.device)
