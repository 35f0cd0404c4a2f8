"""Keeps the transitions of many tasks, and knows which of them are whole trajectories; nothing is drawn here."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlkit.data_management.episodes import Episodes
from rlkit.data_management.paths import Paths
from rlkit.data_management.ring_store import RingStore


def default_page_rows(row_bytes: int) -> int:
    """Rows of a page: 1024, which are whole pages of the system and given back by clearing; fewer, down to 256, where that is
    more than a megabyte, because every task wastes half a page on average."""
    return next((rows for rows in (1024, 512) if rows * row_bytes <= 2**20), 256)


class RowStore(RingStore):
    """Ring buffers of many tasks. A row is [obs | action | reward | sparse_reward | next_obs | terminated].

    Attributes:
        episodes: where the whole trajectories begin and end.
    """

    def __init__(
        self,
        num_tasks: int,
        obs_dim: int,
        act_dim: int,
        *,
        capacity: int = 1_000_000,
        device: torch.device | str = "cpu",
        reserve_rows: int = 0,
        page_rows: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Make an empty buffer.

        Args:
            num_tasks: number of tasks.
            obs_dim: numbers of an observation.
            act_dim: numbers of an action.
            capacity: most rows of one task.
            device: where the rows live and batches come out.
            reserve_rows: rows expected in all. On a CPU this takes addresses, not memory; more rows than that move the store.
            page_rows: rows of a page, a power of two; None: as `default_page_rows` says.
            dtype: of the rows.
        Raises:
            ValueError: a size is not positive, or page_rows is no power of two.
        """
        self.obs_dim, self.act_dim = obs_dim, act_dim
        self.columns = (obs_dim, act_dim, 1, 1, obs_dim, 1)
        row_bytes = sum(self.columns) * dtype.itemsize
        super().__init__(
            num_tasks,
            sum(self.columns),
            capacity=capacity,
            device=device,
            reserve_rows=reserve_rows,
            page_rows=default_page_rows(row_bytes) if page_rows is None else page_rows,
            dtype=dtype,
        )
        self.episodes = Episodes(num_tasks, self.device)

    @property
    def addresses(self) -> tuple[int, ...]:
        """Where everything that drawing reads from the device lies."""
        return (
            *super().addresses,
            self.episodes.bounds.data_ptr(),
            self.episodes.counts.data_ptr(),
        )

    def clear(self, task_id: int) -> None:
        """Forget the rows of one task; its pages become free, and on a CPU their memory goes back to the system."""
        super().clear(task_id)
        self.episodes.clear(task_id)

    def state_dict(self) -> dict[str, Tensor]:
        """The counters `totals` and `origins`, each [num_tasks] int64, and the episodes."""
        return {**super().state_dict(), **self.episodes.state_dict()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over the counters; the rows have no meaning until `load_segment` has put them back.

        A state without episodes, as it was written before they were kept, leaves the rows without boundaries.

        Raises:
            ValueError: the counters are not those of so many tasks.
        """
        super().load_state_dict(state)
        for task_id in range(self.num_tasks):
            self.episodes.clear(task_id)
        if "episodes" in state:
            self.episodes.load_state_dict(state["episodes"], state["boundaries"])

    def add_paths(self, task_ids: Sequence[int] | np.ndarray, paths: Paths) -> None:
        """Append the transitions of whole trajectories.

        Args:
            task_ids: the task under which each trajectory is stored, [num_paths]; not necessarily its own.
            paths: the trajectories; cast to the buffer's dtype.
        Raises:
            ValueError: number, range or dimensions of the trajectories do not fit the buffer.
        """
        task_ids = np.asarray(task_ids, np.int64)
        if task_ids.shape != (paths.num_paths,):
            raise ValueError(
                f"expected one task id for each of {paths.num_paths} paths, got shape {task_ids.shape}"
            )
        dims = paths.obs.shape[2], paths.actions.shape[2]
        if dims != (self.obs_dim, self.act_dim):
            raise ValueError(
                f"expected paths with (obs_dim, act_dim) = {(self.obs_dim, self.act_dim)}, got {dims}"
            )
        rows = torch.empty(paths.num_steps, self.width, dtype=self.dtype)
        for column, array in zip(
            rows.split(self.columns, dim=1), paths.rows().values(), strict=True
        ):
            column.copy_(torch.from_numpy(array))
        self._append(task_ids, paths.lengths, rows)

    def add_rows(self, task_id: int, rows: Tensor, lengths: np.ndarray | None = None) -> None:
        """Append rows [n, width] in the buffer's own layout to one task.

        Args:
            task_id: the task.
            rows: the rows, in the order in which they came.
            lengths: steps of the episodes that the rows end with, [k]; rows before these belong to no whole episode. None: the
                rows are one episode.
        Raises:
            ValueError: the rows have another width, or fewer than the lengths say, or there is no such task.
        """
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise ValueError(f"expected rows [n, {self.width}], got shape {tuple(rows.shape)}")
        lengths = np.array([len(rows)]) if lengths is None else lengths
        rest = len(rows) - int(lengths.sum())
        if rest < 0:
            raise ValueError(
                f"episodes of {lengths.tolist()} steps cannot be the end of {len(rows)} rows"
            )
        self._append(
            np.full(1 + len(lengths), task_id),
            np.array([rest, *lengths]),
            rows,
            whole=slice(1, None),
        )

    def copy_of(self, task_id: int) -> tuple[Any, ...]:
        """Copy all rows of one task, oldest first [size, width], and the lengths of their episodes: what `add_rows` takes."""
        return self.oldest_first(task_id), self.episodes.lengths(task_id)

    def _append(
        self, task_ids: np.ndarray, counts: np.ndarray, rows: Tensor, whole: slice = slice(None)
    ) -> None:
        """Append runs of rows, of which the `whole` ones are episodes."""
        entries = self._append_runs(task_ids, counts, rows)
        owners, serials, lengths = entries[whole].T
        origins = self._rings.origins
        self.episodes.append(
            owners, serials - origins[owners], lengths, self._rings.first_valid() - origins
        )
