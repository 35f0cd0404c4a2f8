"""A ring of rows for each of many tasks: adding, removing, and saving the rows in segments."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from rlkit.data_management.pages import Pages, on_device

UNBOUNDED = 2**62


class PagedRings:
    """A ring of rows for each of many tasks. A full ring overwrites its oldest rows.

    A row is identified in three ways:

    - *serial*: how many rows its task received before it, ever. Serials are never reused, so they
      tell which rows a checkpoint already contains.
    - *number*: the same, counted since the task was last cleared.
    - *position*: its place in the ring, number % capacity.

    Attributes:
        pages: where the rows are.
        sizes: each task has rows at positions 0 ... size - 1 (from the oldest kept row on, if rows
            were released), [num_tasks] int64 on the device, updated in place.
    """

    def __init__(
        self,
        num_tasks: int,
        width: int,
        *,
        capacity: int | None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        reserve_rows: int = 0,
        page_rows: int | None = None,
    ) -> None:
        """Make empty rings.

        Args:
            num_tasks: number of rings.
            width: entries of a row.
            capacity: maximum rows per task; None: unlimited, rows leave through `release_before`.
            device: where the rows live.
            dtype: of the rows.
            reserve_rows: expected rows of all tasks together, see `Pages`.
            page_rows: rows of a page, a power of two; None: 1024, a whole number of system pages,
                or down to 256 where 1024 rows exceed a megabyte, since on average half a page per
                task is empty.
        Raises:
            ValueError: a size is not positive, or page_rows is not a power of two.
        """
        self.num_tasks, self.width, self.dtype = num_tasks, width, dtype
        self.capacity = UNBOUNDED if capacity is None else capacity
        self.device = torch.device(device)
        if page_rows is None:
            fitting = (rows for rows in (1024, 512) if rows * self.row_bytes <= 2**20)
            page_rows = next(fitting, 256)
        sizes = {"num_tasks": num_tasks, "capacity": self.capacity, "page_rows": page_rows}
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"{name} of a replay buffer must be at least 1, got {value}")
        if page_rows & (page_rows - 1):
            raise ValueError(
                f"page_rows of a replay buffer must be a power of two, got {page_rows}"
            )
        self._totals, self._origins, self._kept_from, self._sizes = np.zeros(
            (4, num_tasks), np.int64
        )
        # Serials: rows ever added; rows ever added when the task was last cleared; first row that
        # was not released.
        self._counters = {"totals": self._totals, "origins": self._origins}
        if capacity is None:
            self._counters["kept_from"] = self._kept_from
        self.sizes = on_device(self._sizes, self.device)
        self.pages = Pages(
            num_tasks,
            width,
            page_rows=page_rows,
            reserve_rows=reserve_rows,
            dtype=dtype,
            device=self.device,
        )

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return self.width * self.dtype.itemsize

    @property
    def addresses(self) -> tuple[int, ...]:
        """Addresses of the tensors that `gather` and a draw of positions read."""
        return tuple(
            tensor.data_ptr() for tensor in (self.pages.data, self.pages.table, self.sizes)
        )

    @property
    def num_rows(self) -> int:
        """Stored rows of all tasks together."""
        return int((self._totals - self._first_valid()).sum())

    def size(self, task_id: int) -> int:
        """Rows of one task."""
        return int(self._sizes[task_id])

    def oldest(self) -> np.ndarray:
        """Number of the oldest row that each task still has, [num_tasks]."""
        return self._first_valid() - self._origins

    def check_tasks(self, task_ids: Sequence[int] | np.ndarray, *, filled: bool = False) -> None:
        """Check task ids before they are used as indices.

        Raises:
            ValueError: a task does not exist or, if tasks have to be filled, has no rows.
        """
        ids = np.asarray(task_ids, np.int64)
        if ids.size and not 0 <= ids.min() <= ids.max() < self.num_tasks:
            last = self.num_tasks - 1
            raise ValueError(f"expected task ids from 0 to {last}, got {ids.tolist()}")
        if filled and not self._sizes[ids].all():
            empty = sorted({int(i) for i in ids if not self._sizes[i]})
            raise ValueError(f"cannot draw from tasks without rows: {empty}")

    def append(self, task_ids: np.ndarray, counts: np.ndarray, rows: Tensor) -> np.ndarray:
        """Add runs of rows, one after another.

        Args:
            task_ids: task of each run, [k].
            counts: rows of each run, [k].
            rows: the rows of all runs, [sum of counts, width].
        Returns:
            Number of each run's first row, [k].
        Raises:
            ValueError: a task does not exist.
        """
        self.check_tasks(task_ids)
        order = np.argsort(task_ids, kind="stable")  # brings the runs of one task together
        ordered = task_ids[order]
        before = np.cumsum(counts[order]) - counts[order]
        first = np.empty_like(before)
        first[order] = self._totals[ordered] + before - before[np.searchsorted(ordered, ordered)]
        np.add.at(self._totals, task_ids, counts)
        self._fit_pages()
        # Of a run longer than the ring, only the last rows are written. Writing a position twice in
        # one scatter would leave its content undefined.
        self._put(np.stack([task_ids, first, counts], axis=1), rows)
        return first - self._origins[task_ids]

    def clear(self, task_id: int) -> None:
        """Remove the rows of one task; on a CPU their memory returns to the operating system."""
        self.check_tasks([task_id])
        self._origins[task_id] = self._totals[task_id]
        self._fit_pages()

    def release_before(self, task_ids: np.ndarray, numbers: np.ndarray) -> None:
        """Remove the rows of tasks [n] before these numbers [n]; only for unlimited rings."""
        serials = self._origins[task_ids] + numbers
        self._kept_from[task_ids] = np.maximum(self._kept_from[task_ids], serials)
        self._fit_pages()

    def gather(self, task_ids: Tensor, positions: Tensor) -> Tensor:
        """Fetch rows of tasks [m] by positions [m, k], both on the device, as [m, k, width]."""
        return self.pages.gather(task_ids, positions)

    def fetch(self, task_ids: np.ndarray | int, numbers: np.ndarray) -> Tensor:
        """Copy the rows with these numbers [n] of tasks [n] (or of a single task): [n, width]."""
        return self.pages.fetch(task_ids, numbers % self.capacity)

    def rows_of(self, task_id: int) -> Tensor:
        """Copy all rows of one task, [size, width], by position."""
        self.check_tasks([task_id])
        return self.pages.fetch(task_id, np.arange(self.size(task_id)))

    def oldest_first(self, task_id: int) -> Tensor:
        """Copy all rows of one task, [n, width], in the order in which they were added."""
        self.check_tasks([task_id])
        end = self._totals[task_id] - self._origins[task_id]
        return self.fetch(task_id, np.arange(self.oldest()[task_id], end))

    def state_dict(self) -> dict[str, Tensor]:
        """Counters `totals`, `origins` and, for unlimited rings, `kept_from`: [num_tasks] int64."""
        return {name: torch.from_numpy(array.copy()) for name, array in self._counters.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the counters. The rows are undefined until `load_segment` has put them back.

        Raises:
            ValueError: a counter is missing or belongs to another number of tasks.
        """
        expected = (self.num_tasks,)
        if any(name not in state or state[name].shape != expected for name in self._counters):
            raise ValueError(
                f"expected the counters {' and '.join(self._counters)} of {self.num_tasks} tasks"
                " of a replay buffer"
            )
        self.pages.fit(np.zeros(expected, np.int64), np.zeros(expected, np.int64))
        for name, array in self._counters.items():
            array[:] = state[name].numpy()
        self._fit_pages()

    def segment(self, since_totals: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
        """Copy the rows that were added since the counters were `since_totals` and are still there.

        Args:
            since_totals: earlier `totals`, [num_tasks].
        Returns:
            Entries [k, 3] int64 (task, serial of its first row, number of rows), and the rows
            [n, width] of all entries in order, on the CPU.
        """
        first = np.maximum(self._first_valid(), np.asarray(since_totals, np.int64))
        counts = self._totals - first
        tasks = np.flatnonzero(counts > 0)
        entries = np.stack([tasks, first[tasks], counts[tasks]], axis=1)
        owners, positions, _ = self._locate(entries)
        return torch.from_numpy(entries), self.pages.fetch(owners, positions).cpu()

    def load_segment(self, entries: Tensor | np.ndarray, rows: Tensor) -> int:
        """Put back those rows of a segment that the counters still include.

        Args:
            entries: as returned by `segment`, [k, 3].
            rows: as returned by `segment`, [n, width].
        Returns:
            How many rows were put back.
        Raises:
            ValueError: entries and rows do not match each other or these rings.
        """
        entries = np.asarray(entries, np.int64).reshape(-1, 3)
        self.check_tasks(entries[:, 0])
        expected = int(entries[:, 2].sum()), self.width
        if rows.shape != expected:
            raise ValueError(f"expected rows {expected}, got shape {tuple(rows.shape)}")
        return self._put(entries, rows)

    def count_valid(self, entries: np.ndarray) -> int:
        """How many rows of a segment with these entries [k, 3] are still stored."""
        tasks, first, counts = entries.T
        begin = np.maximum(first, self._first_valid()[tasks])
        end = np.minimum(first + counts, self._totals[tasks])
        return int(np.maximum(end - begin, 0).sum())

    def _put(self, entries: np.ndarray, rows: Tensor) -> int:
        """Write those rows of the entries that are still stored; returns their number."""
        owners, positions, valid = self._locate(entries)
        if not valid.all():
            rows = rows[torch.from_numpy(valid).to(rows.device)]
        self.pages.put(owners, positions, rows)
        return len(owners)

    def _locate(self, entries: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tasks and positions [n] of those rows of entries [k, 3] that are still stored, and which
        rows these are ([sum of counts] bool, true n times)."""
        tasks, first, counts = entries.T
        ends = np.cumsum(counts)
        owners = np.repeat(tasks, counts)
        serials = np.arange(counts.sum()) + np.repeat(first - (ends - counts), counts)
        valid = (serials >= self._first_valid()[owners]) & (serials < self._totals[owners])
        if not valid.all():
            owners, serials = owners[valid], serials[valid]
        return owners, (serials - self._origins[owners]) % self.capacity, valid

    def _first_valid(self) -> np.ndarray:
        """Serial of each task's oldest stored row, [num_tasks]."""
        return np.maximum.reduce([self._origins, self._totals - self.capacity, self._kept_from])

    def _fit_pages(self) -> None:
        """Let sizes and pages follow the counters."""
        np.minimum(self._totals - self._origins, self.capacity, out=self._sizes)
        if self.device.type != "cpu":
            self.sizes.copy_(torch.from_numpy(self._sizes))
        self.pages.fit(np.maximum(self._kept_from - self._origins, 0), self._sizes)
