"""The pictures of the episodes of many tasks, each stored once, and which of them make the stack of a step."""

import numpy as np
import torch
from torch import Tensor

from rlkit.data_management.ring_store import RingStore

UNBOUNDED = (
    2**62
)  # frames of a task: they go when their transitions do, not because there are too many


def stacked(num_steps: int, num_frames: int) -> np.ndarray:
    """Which frames of an episode are seen at each of its steps: the newest and those before it, the first one repeated.

    Args:
        num_steps: of the episode, its last observation included.
        num_frames: frames of a stack.
    Returns:
        Numbers of frames counted from the episode's first, oldest first, [num_steps, num_frames].
    """
    return np.maximum(np.arange(num_steps)[:, None] + np.arange(1 - num_frames, 1), 0)


class FrameStore(RingStore):
    """Frames of many tasks, uint8. A frame's number is how many its task was given before it since it was last cleared."""

    COUNTERS = ("totals", "origins", "kept_from")

    def __init__(
        self,
        num_tasks: int,
        frame_dim: int,
        *,
        device: torch.device | str = "cpu",
        reserve_rows: int = 0,
        page_rows: int = 64,
    ) -> None:
        """Make an empty store.

        Args:
            num_tasks: number of tasks.
            frame_dim: numbers of a frame.
            device: where the frames live.
            reserve_rows: frames expected in all, see `RingStore`.
            page_rows: frames of a page, a power of two.
        Raises:
            ValueError: a size is not positive, or page_rows is no power of two.
        """
        super().__init__(
            num_tasks,
            frame_dim,
            capacity=UNBOUNDED,
            device=device,
            reserve_rows=reserve_rows,
            page_rows=page_rows,
            dtype=torch.uint8,
        )

    def append(self, task_ids: np.ndarray, counts: np.ndarray, frames: Tensor) -> np.ndarray:
        """Add the frames of episodes, of which the i-th counts[i] belong to task_ids[i]; returns numbers of the first, [k]."""
        tasks, serials, _ = self._append_runs(task_ids, counts, frames).T
        return serials - self._rings.origins[tasks]

    def gather(self, ids: Tensor, numbers: Tensor) -> Tensor:
        """Fetch frames of tasks [m] by their numbers [m, k], all on the device: [m, k, frame_dim]. Nothing is waited for."""
        pages = self.page_table.index_select(0, ids).gather(1, numbers >> self._shift)
        places = (pages << self._shift) + (numbers & self._mask)
        return self.store.index_select(0, places.flatten()).view(*numbers.shape, self.width)

    def first_number(self, task_id: int) -> int:
        """Number of the oldest frame that a task still has."""
        return int(self._rings.first_valid()[task_id] - self._rings.origins[task_id])

    def let_go(self, task_ids: np.ndarray, numbers: np.ndarray) -> None:
        """Forget the frames of some tasks [n] before these numbers [n]; on a CPU their memory goes back to the system."""
        serials = self._rings.kept_from.copy()
        serials[task_ids] = self._rings.origins[task_ids] + numbers
        for page in self._rings.let_go(serials):
            self._pages.release(page)
        self._update_device()
