"""The replay buffer of image observations: frames are stored once, and rows hold their numbers."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rlkit.data_management.batch import Batch
from rlkit.data_management.paged_rings import PagedRings
from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer, TaskIds
from rlkit.data_management.saved_rows import SavedRows

# Frames per task since it was last cleared; float32 represents integers up to here exactly.
MOST_FRAMES = 2**24


def stacked(num_steps: int, num_frames: int) -> np.ndarray:
    """Which frames of an episode each of its observations shows: the newest and those before it.

    Where there are too few, the first one is repeated.

    Args:
        num_steps: observations of the episode, including the last one.
        num_frames: frames of a stack.
    Returns:
        Indices of frames within the episode, oldest first, [num_steps, num_frames].
    """
    return np.maximum(np.arange(num_steps)[:, None] + np.arange(1 - num_frames, 1), 0)


class FrameReplayBuffer(MultiTaskReplayBuffer):
    """A replay buffer whose observations are stacks of uint8 frames.

    In place of an observation, a row holds the numbers of the frames in its stack, oldest first.
    An episode of T steps has T + 1 frames. A frame is removed when the last row that shows it has
    been overwritten.

    Attributes:
        frames: the frames of each task.
    """

    def __init__(
        self,
        num_tasks: int,
        frame_dim: int,
        num_frames: int,
        act_dim: int,
        *,
        capacity: int = 1_000_000,
        device: torch.device | str = "cpu",
        reserve_rows: int = 0,
        reserve_frames: int = 0,
        page_rows: int | None = None,
        page_frames: int = 64,
    ) -> None:
        """Make an empty buffer.

        Args:
            num_tasks: number of tasks.
            frame_dim: size of a frame.
            num_frames: frames of a stack.
            act_dim: size of an action.
            capacity: maximum rows per task.
            device: where rows and frames live and batches are returned.
            reserve_rows: expected rows of all tasks together, see `Pages`.
            reserve_frames: the same for frames.
            page_rows: rows of a page, see `PagedRings`.
            page_frames: frames of a page, a power of two.
        Raises:
            ValueError: a size is not positive, or a page's size is not a power of two.
        """
        super().__init__(
            num_tasks,
            num_frames,
            act_dim,
            capacity=capacity,
            device=device,
            reserve_rows=reserve_rows,
            page_rows=page_rows,
        )
        self.frames = PagedRings(
            num_tasks,
            frame_dim,
            capacity=None,  # frames leave with their rows, not because there are too many
            device=device,
            dtype=torch.uint8,
            reserve_rows=reserve_frames,
            page_rows=page_frames,
        )

    def empty_like(self, num_tasks: int) -> "FrameReplayBuffer":
        """Make an empty buffer of the same kind for another number of tasks, reserving little."""
        return FrameReplayBuffer(
            num_tasks,
            self.frames.width,
            self.obs_dim,
            self.act_dim,
            capacity=self.rows.capacity,
            device=self.device,
            page_rows=self.rows.pages.page_rows,
            page_frames=self.frames.pages.page_rows,
        )

    def add_paths(self, task_ids: Sequence[int] | np.ndarray, paths: Paths) -> None:
        """Append the transitions of whole trajectories, whose obs are single frames.

        Raises:
            ValueError: the obs are not frames of the buffer's size, a task would have more than
                `MOST_FRAMES` frames, or as for `MultiTaskReplayBuffer.add_paths`.
        """
        if paths.obs.dtype != np.uint8 or paths.obs.shape[2] != self.frames.width:
            raise ValueError(
                f"expected paths with frames of {self.frames.width} numbers, uint8, got"
                f" {paths.obs.dtype} {paths.obs.shape[2:]}"
            )
        task_ids = paths.one_id_each(task_ids)
        counts = np.where(paths.lengths > 0, paths.lengths + 1, 0)
        seen = np.arange(paths.horizon + 1) < counts[:, None]
        first = self._append_frames(task_ids, counts, torch.from_numpy(paths.obs[seen]))
        numbers = first[:, None, None] + stacked(paths.horizon + 1, self.obs_dim)
        super().add_paths(task_ids, dataclasses.replace(paths, obs=numbers.astype(np.float64)))
        self._release_frames()

    def add_rows(self, task_id: int, rows: Tensor, lengths: np.ndarray | None = None) -> None:
        """Refuse: rows alone do not bring the frames that they refer to.

        Raises:
            ValueError: always.
        """
        raise ValueError("rows that number frames came without frames; use add_paths or add_copy")

    def add_copy(self, task_id: int, source: MultiTaskReplayBuffer, source_id: int) -> None:
        """Append to one task all rows, episodes and frames of a task of another frame buffer."""
        if not isinstance(source, FrameReplayBuffer):
            raise ValueError("cannot copy rows without frames into a buffer of frames")
        frames, rows = (part.oldest_first(source_id) for part in (source.frames, source.rows))
        (first,) = self._append_frames(np.array([task_id]), np.array([len(frames)]), frames)
        columns = rows.split(self.columns, dim=1)
        for numbers in (columns[0], columns[4]):  # obs and next_obs
            numbers += int(first - source.frames.oldest()[source_id])
        super().add_rows(task_id, rows, source.episodes.lengths(source_id))
        self._release_frames()

    def clear(self, task_id: int) -> None:
        """Remove the rows of one task and their frames."""
        super().clear(task_id)
        self.frames.clear(task_id)

    def gather(self, task_ids: TaskIds, positions: Tensor) -> Batch:
        """Fetch rows; obs and next_obs are stacks, uint8 [m, k, num_frames * frame_dim]."""
        ids = self.filled_tasks(task_ids)
        batch = super().gather(ids, positions)
        # A stack and the next one share all frames but one.
        numbers = torch.cat([batch.obs, batch.next_obs[..., -1:]], dim=-1).long()
        frames = self.frames.gather(ids, numbers.flatten(1)).view(*positions.shape, -1)
        width = self.frames.width
        return batch._replace(obs=frames[..., :-width], next_obs=frames[..., width:])

    @property
    def addresses(self) -> tuple[int, ...]:
        """Addresses of the tensors that draws read. A captured draw is void once they change."""
        return (*super().addresses, *self.frames.addresses)

    def saved_as(self, name: str) -> dict[str, SavedRows]:
        """The parts that a checkpoint saves and loads: the rows first, then their frames."""
        return {**super().saved_as(name), f"{name}_frames": self.frames}

    def _append_frames(
        self, task_ids: np.ndarray, counts: np.ndarray, frames: Tensor
    ) -> np.ndarray:
        """Add the frames of episodes, counts[i] of task_ids[i]; returns the first one's numbers."""
        first = self.frames.append(task_ids, counts, frames)
        if (first + counts).max(initial=0) > MOST_FRAMES:
            raise ValueError(
                f"a task has received more than {MOST_FRAMES:,} frames, which is the most that rows"
                " can refer to"
            )
        return first

    def _release_frames(self) -> None:
        """Remove the frames that only overwritten rows showed."""
        oldest = self.rows.oldest()
        tasks = np.flatnonzero(oldest)
        if len(tasks):
            numbers = self.rows.fetch(tasks, oldest[tasks])[:, 0].long().cpu().numpy()
            self.frames.release_before(tasks, numbers)
