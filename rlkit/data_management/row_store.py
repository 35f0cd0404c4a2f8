"""Keeps the rows of many tasks in one tensor on the training device: adding, clearing, saving; nothing is drawn here.

The store is cut into pages. Each task owns the pages that it needs, named by its line of the page table; a task that is
cleared gives them back. A task is a ring: a full one overwrites its oldest rows.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from rlkit.data_management.episodes import Episodes
from rlkit.data_management.page_store import PageStore
from rlkit.data_management.paths import Paths
from rlkit.data_management.rings import NO_PAGE, Rings


def default_page_rows(row_bytes: int) -> int:
    """Rows of a page: 1024, which are whole pages of the system and given back by clearing; fewer, down to 256, where that is
    more than a megabyte, because every task wastes half a page on average."""
    return next((rows for rows in (1024, 512) if rows * row_bytes <= 2**20), 256)


class RowStore:
    """Ring buffers of many tasks. A row is [obs | action | reward | sparse_reward | next_obs | terminated].

    Rows of a task are numbered 0 .. size - 1: in the order of their arrival, until the ring wraps round.

    Attributes:
        episodes: where the whole trajectories begin and end.
        page_table: pages of each task, [num_tasks, columns] int64 on the device; replaced only when a task needs more columns.
        sizes: rows of each task, [num_tasks] int64 on the device, updated in place.
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
        self.num_tasks, self.obs_dim, self.act_dim = num_tasks, obs_dim, act_dim
        self.columns = (obs_dim, act_dim, 1, 1, obs_dim, 1)
        self.width = sum(self.columns)
        page_rows = default_page_rows(self.width * dtype.itemsize) if page_rows is None else page_rows
        self.capacity, self.page_rows, self.dtype, self.device = capacity, page_rows, dtype, torch.device(device)
        self._shift, self._mask = page_rows.bit_length() - 1, page_rows - 1
        self._rings = Rings(num_tasks, capacity, page_rows, reserve_rows)
        self.sizes = self._on_device(self._rings.sizes)
        self.page_table = self._on_device(self._rings.pages)
        self.episodes = Episodes(num_tasks, self.device)
        self._pages = PageStore(num_tasks + -(-reserve_rows // page_rows), page_rows, self.width, dtype, self.device)

    @property
    def store(self) -> Tensor:
        """All pages, [num_pages * page_rows, width]; moves only when the reserve is exceeded."""
        return self._pages.rows

    @property
    def addresses(self) -> tuple[int, ...]:
        """Where everything that drawing reads from the device lies."""
        tensors = (self.store, self.page_table, self.sizes, self.episodes.bounds, self.episodes.counts)
        return tuple(tensor.data_ptr() for tensor in tensors)

    @property
    def num_rows(self) -> int:
        """Rows of all tasks together."""
        return int(self._rings.sizes.sum())

    def size(self, task_id: int) -> int:
        """Rows of one task."""
        return int(self._rings.sizes[task_id])

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
            raise ValueError(f"expected one task id for each of {paths.num_paths} paths, got shape {task_ids.shape}")
        dims = paths.obs.shape[2], paths.actions.shape[2]
        if dims != (self.obs_dim, self.act_dim):
            raise ValueError(f"expected paths with (obs_dim, act_dim) = {(self.obs_dim, self.act_dim)}, got {dims}")
        rows = torch.empty(paths.num_steps, self.width, dtype=self.dtype)
        for column, array in zip(rows.split(self.columns, dim=1), paths.rows().values(), strict=True):
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
            raise ValueError(f"episodes of {lengths.tolist()} steps cannot be the end of {len(rows)} rows")
        self._append(np.full(1 + len(lengths), task_id), np.array([rest, *lengths]), rows, whole=slice(1, None))

    def clear(self, task_id: int) -> None:
        """Forget the rows of one task; its pages become free, and on a CPU their memory goes back to the system."""
        self._rings.check_tasks([task_id])
        for page in self._rings.clear(task_id):
            self._pages.release(page)
        self.episodes.clear(task_id)
        self._update_device()

    def rows_of(self, task_id: int) -> Tensor:
        """Copy all rows of one task, [size, width], by row number."""
        self._rings.check_tasks([task_id])
        return self._fetch(self._rings.store_rows(task_id, np.arange(self.size(task_id))))

    def copy_of(self, task_id: int) -> tuple[Tensor, np.ndarray]:
        """Copy all rows of one task, oldest first [size, width], and the lengths of their episodes: what `add_rows` takes."""
        self._rings.check_tasks([task_id])
        first = self._rings.first_valid()[task_id]
        entry = np.array([[task_id, first, self._rings.totals[task_id] - first]])
        return self._fetch(self._rings.locate(entry)[0]), self.episodes.lengths(task_id)

    def state_dict(self) -> dict[str, Tensor]:
        """Counters that say which rows there are: `totals` and `origins`, each [num_tasks] int64; and their episodes."""
        counters = {name: torch.from_numpy(getattr(self._rings, name).copy()) for name in ("totals", "origins")}
        return {**counters, **self.episodes.state_dict()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over the counters; the rows have no meaning until `load_segment` has put them back.

        A state without episodes, as it was written before they were kept, leaves the rows without boundaries.

        Raises:
            ValueError: the counters are not those of so many tasks.
        """
        if any(name not in state or state[name].shape != (self.num_tasks,) for name in ("totals", "origins")):
            raise ValueError(f"expected the counters totals and origins of {self.num_tasks} tasks of a replay buffer")
        for task_id in range(self.num_tasks):
            self.clear(task_id)
        self._rings.restore(state["totals"].numpy(), state["origins"].numpy())
        if "episodes" in state:
            self.episodes.load_state_dict(state["episodes"], state["boundaries"])
        self._update_device()

    def segment(self, since_totals: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
        """Copy the rows that were added since the counters stood at `since_totals` and are still there.

        Args:
            since_totals: earlier `totals`, [num_tasks].
        Returns:
            Entries [k, 3] int64 (task, serial number of its first row, number of rows), and the rows [n, width] on the CPU,
            entry after entry.
        """
        entries = self._rings.entries_since(np.asarray(since_totals, np.int64))
        return torch.from_numpy(entries), self._fetch(self._rings.locate(entries)[0]).cpu()

    def load_segment(self, entries: Tensor | np.ndarray, rows: Tensor) -> int:
        """Put back the rows of a segment that the counters still count.

        Args:
            entries: as `segment` returned them.
            rows: likewise, [n, width].
        Returns:
            How many rows were put back.
        Raises:
            ValueError: entries and rows do not belong together, or not to this buffer.
        """
        entries = np.asarray(entries, np.int64).reshape(-1, 3)
        self._rings.check_tasks(entries[:, 0])
        if rows.shape != (entries[:, 2].sum(), self.width):
            raise ValueError(f"expected rows {(int(entries[:, 2].sum()), self.width)}, got shape {tuple(rows.shape)}")
        store_rows, valid = self._rings.locate(entries)
        self._put(store_rows, valid, rows)
        return len(store_rows)

    def count_valid(self, entries: np.ndarray) -> int:
        """How many of the rows that entries [k, 3] of a segment name are still there."""
        return self._rings.count_valid(entries)

    def _append(self, task_ids: np.ndarray, counts: np.ndarray, rows: Tensor, whole: slice = slice(None)) -> None:
        """Append runs of rows, of which the `whole` ones are episodes."""
        self._rings.check_tasks(task_ids)
        entries = self._rings.append(task_ids, counts)
        self._update_device()
        self._put(*self._rings.locate(entries), rows)
        owners, serials, lengths = entries[whole].T
        origins = self._rings.origins
        self.episodes.append(owners, serials - origins[owners], lengths, self._rings.first_valid() - origins)

    def _put(self, store_rows: np.ndarray, kept: np.ndarray, rows: Tensor) -> None:
        if not kept.all():
            rows = rows[torch.from_numpy(kept).to(rows.device)]
        self._pages.put(torch.from_numpy(store_rows), rows)

    def _fetch(self, store_rows: np.ndarray) -> Tensor:
        return self._pages.fetch(torch.from_numpy(store_rows))

    def _update_device(self) -> None:
        """Let sizes, page table and store follow the rings."""
        if self._rings.num_begun * self.page_rows > len(self.store):
            self._pages.grow(max(2 * len(self.store) // self.page_rows, self._rings.num_begun), self._filled_pages())
        if self.page_table.shape != self._rings.pages.shape:
            self.page_table = self._on_device(self._rings.pages)
        if self.device.type != "cpu":
            self.page_table.copy_(torch.from_numpy(self._rings.pages))
            self.sizes.copy_(torch.from_numpy(self._rings.sizes))

    def _on_device(self, array: np.ndarray) -> Tensor:
        """The array as a tensor of the device; on a CPU they share their memory, so that writing one writes both."""
        return torch.from_numpy(array).to(self.device)

    def _filled_pages(self) -> list[tuple[int, int]]:
        """Pages of the store that are in use, and rows of each."""
        filled = []
        for task_id, number in np.argwhere(self._rings.pages != NO_PAGE):
            page = int(self._rings.pages[task_id, number])
            if page * self.page_rows < len(self.store):
                filled.append((page, min(self.page_rows, self.size(task_id) - number * self.page_rows)))
        return filled
