"""A replay buffer of pictures: its rows hold the numbers of their frames, and drawing looks the frames up."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlkit.data_management.frame_store import FrameStore, stacked
from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import Batch, MultiTaskReplayBuffer, TaskIds
from rlkit.data_management.ring_store import RingStore

MOST_FRAMES = (
    2**24
)  # of a task since it was last cleared: up to here float32 holds whole numbers exactly


class FrameReplayBuffer(MultiTaskReplayBuffer):
    """Ring buffers of many tasks whose observations are stacks of frames, uint8.

    The obs of a row are the numbers of the frames of its stack, oldest first. An episode of T steps stores T + 1 frames,
    once. A frame goes when the last row that shows it is overwritten.

    Attributes:
        frames: the frames, a task of the buffer each.
    """

    def __init__(
        self,
        num_tasks: int,
        frame_dim: int,
        num_frames: int,
        act_dim: int,
        *,
        reserve_frames: int = 0,
        **options: Any,
    ) -> None:
        """Make an empty buffer.

        Args:
            num_tasks: number of tasks.
            frame_dim: numbers of a frame.
            num_frames: frames of a stack.
            act_dim: numbers of an action.
            reserve_frames: frames expected in all, see `RingStore`.
            **options: as for `MultiTaskReplayBuffer`.
        Raises:
            ValueError: a size is not positive.
        """
        super().__init__(num_tasks, num_frames, act_dim, **options)
        self.frames = FrameStore(
            num_tasks, frame_dim, device=self.device, reserve_rows=reserve_frames
        )

    @property
    def addresses(self) -> tuple[int, ...]:
        """Where everything that drawing reads from the device lies."""
        return (*super().addresses, *self.frames.addresses)

    def stores(self, name: str) -> dict[str, RingStore]:
        """What a checkpoint keeps, in the order in which it is loaded: the rows, then their frames."""
        return {**super().stores(name), f"{name}_frames": self.frames}

    def like(self, num_tasks: int) -> "FrameReplayBuffer":
        """Make an empty buffer of the same kind for another number of tasks, with little reserved."""
        options: dict[str, Any] = {
            name: getattr(self, name) for name in ("capacity", "device", "page_rows", "dtype")
        }
        return FrameReplayBuffer(
            num_tasks, self.frames.width, self.obs_dim, self.act_dim, **options
        )

    def add_paths(self, task_ids: Sequence[int] | np.ndarray, paths: Paths) -> None:
        """Append the transitions of whole trajectories, whose obs are frames; as `RowStore.add_paths`."""
        if paths.obs.dtype != np.uint8 or paths.obs.shape[2] != self.frames.width:
            found = f"{paths.obs.dtype} {paths.obs.shape[2:]}"
            raise ValueError(
                f"expected paths with frames of {self.frames.width} numbers, uint8, got {found}"
            )
        task_ids = np.asarray(task_ids, np.int64)
        if task_ids.shape != (paths.num_paths,):
            raise ValueError(
                f"expected one task id for each of {paths.num_paths} paths, got shape {task_ids.shape}"
            )
        counts = np.where(paths.lengths > 0, paths.lengths + 1, 0)
        seen = np.arange(paths.horizon + 1) < counts[:, None]
        first = self._append_frames(task_ids, counts, torch.from_numpy(paths.obs[seen]))
        numbers = first[:, None, None] + stacked(paths.horizon + 1, self.obs_dim)
        super().add_paths(task_ids, dataclasses.replace(paths, obs=numbers.astype(np.float64)))
        self._let_go()

    def copy_of(self, task_id: int) -> tuple[Any, ...]:
        """Copy all rows of one task, the lengths of its episodes, and its frames, of which the first has the number 0."""
        rows, lengths = super().copy_of(task_id)
        for column in self._numbers_in(rows):
            column -= self.frames.first_number(task_id)
        return rows, lengths, self.frames.oldest_first(task_id)

    def add_rows(
        self,
        task_id: int,
        rows: Tensor,
        lengths: np.ndarray | None = None,
        frames: Tensor | None = None,
    ) -> None:
        """Append rows [n, width] to one task, as `RowStore.add_rows`; `frames` are those that they number from 0 on."""
        if frames is None:
            raise ValueError("rows that number frames came without frames")
        (first,) = self._append_frames(np.array([task_id]), np.array([len(frames)]), frames)
        rows = rows.clone()
        for column in self._numbers_in(rows):
            column += int(first)
        super().add_rows(task_id, rows, lengths)
        self._let_go()

    def clear(self, task_id: int) -> None:
        """Forget the rows of one task and their frames."""
        super().clear(task_id)
        self.frames.clear(task_id)

    def gather(self, task_ids: TaskIds, row_numbers: Tensor) -> Batch:
        """Fetch rows of many tasks with their stacks, uint8 [m, k, num_frames * frame_dim]; as in `MultiTaskReplayBuffer`."""
        batch = super().gather(task_ids, row_numbers)
        # A stack and the next share all frames but one.
        numbers = torch.cat([batch.obs, batch.next_obs[..., -1:]], dim=-1).long()
        frames = self.frames.gather(self._filled_tasks(task_ids), numbers.flatten(1)).view(
            *row_numbers.shape, -1
        )
        return batch._replace(
            obs=frames[..., : -self.frames.width], next_obs=frames[..., self.frames.width :]
        )

    def _append_frames(
        self, task_ids: np.ndarray, counts: np.ndarray, frames: Tensor
    ) -> np.ndarray:
        first = self.frames.append(task_ids, counts, frames)
        if (first + counts).max(initial=0) > MOST_FRAMES:
            raise ValueError(
                f"a task has got more than {MOST_FRAMES:,} frames, which is all that rows can number"
            )
        return first

    def _numbers_in(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The columns of rows that hold numbers of frames: views [n, num_frames] of obs and next_obs."""
        columns = rows.split(self.columns, dim=1)
        return columns[0], columns[4]

    def _let_go(self) -> None:
        """Forget the frames that only overwritten rows showed."""
        oldest = self._rings.first_valid()
        tasks = np.flatnonzero(oldest > self._rings.origins)
        if len(tasks):
            entries = np.stack([tasks, oldest[tasks], np.ones_like(tasks)], axis=1)
            numbers = self._fetch(self._rings.locate(entries)[0])[:, 0].long().cpu().numpy()
            self.frames.let_go(tasks, numbers)
