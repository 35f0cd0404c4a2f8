"""The memory of a replay buffer: one tensor, cut into pages that belong to tasks.

On a CPU a page takes memory only once it is written, and gives it back when its task no longer
needs it.
"""

import mmap
import sys

import numpy as np
import torch
from torch import Tensor

NO_PAGE = -1
# The flag's value on Linux; Python has a name for it from 3.13 on. Other systems allocate anonymous
# memory lazily without it.
_NORESERVE = 0x4000 if sys.platform == "linux" else 0


class ReservedMemory:
    """A range of addresses that takes memory only where it was written.

    An anonymous private mapping. Unwritten bytes read as zero. Huge pages are declined: a single
    row would take 2 MB.

    Attributes:
        map: the mapping; supports the buffer protocol.
    """

    def __init__(self, num_bytes: int) -> None:
        """Reserve addresses.

        Args:
            num_bytes: size of the range; rounded up to whole pages of the operating system.
        """
        size = max(1, -(-num_bytes // mmap.PAGESIZE)) * mmap.PAGESIZE
        self.map = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE)
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            self.map.madvise(mmap.MADV_NOHUGEPAGE)

    def release(self, start: int, stop: int) -> None:
        """Return the whole system pages within the bytes [start, stop); their content is lost."""
        first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        last = stop // mmap.PAGESIZE * mmap.PAGESIZE
        if last > first:
            self.map.madvise(mmap.MADV_DONTNEED, first, last - first)


class Pages:
    """The rows of many tasks on pages of one tensor.

    A row is addressed by its task and its position 0, 1, 2, ... within the task. Which positions
    are in use is for the caller to say, with `fit`.

    Attributes:
        page_rows: rows of a page.
        data: all pages, [num_pages * page_rows, width] on the device; replaced by a larger tensor
            when there are too few pages.
        table: the page that holds positions c * page_rows ... (c + 1) * page_rows - 1 of a task, or
            NO_PAGE, [num_tasks, columns] int64 on the device; replaced when a task needs more
            columns, otherwise updated in place.
    """

    def __init__(
        self,
        num_tasks: int,
        width: int,
        *,
        page_rows: int,
        reserve_rows: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """Start with pages that no task owns.

        Args:
            num_tasks: number of tasks.
            width: entries of a row.
            page_rows: rows of a page, a power of two.
            reserve_rows: expected rows of all tasks together. On a CPU this reserves addresses, not
                memory. More rows than expected are possible, but move `data`.
            dtype: of the rows.
            device: where they live.
        """
        self.page_rows, self._width, self._dtype, self._device = page_rows, width, dtype, device
        self._page_bytes = page_rows * width * dtype.itemsize
        self._shift, self._mask = page_rows.bit_length() - 1, page_rows - 1
        # Columns for twice the mean, because tasks are not filled equally.
        columns = max(4, -(-2 * reserve_rows // (num_tasks * page_rows)))
        self._table = np.full((num_tasks, columns), NO_PAGE, np.int64)
        self._free: list[int] = []
        self._num_used = 0  # pages from this one on have never been used
        self.table = on_device(self._table, device)
        self.data, self._memory = self._allocate(num_tasks + -(-reserve_rows // page_rows))

    @property
    def num_owned(self) -> int:
        """Number of pages that a task owns."""
        return int((self._table != NO_PAGE).sum())

    def fit(self, begins: np.ndarray, ends: np.ndarray) -> None:
        """Let every task own the pages of its positions begins, ..., ends - 1, and no others.

        Rows on pages that a task keeps are untouched. The rows on the other pages are lost, and on
        a CPU their memory returns to the operating system.

        Args:
            begins: first position in use of each task, [num_tasks].
            ends: one more than the last one, [num_tasks].
        """
        first, stop = begins >> self._shift, (ends + self._mask) >> self._shift
        if stop.max() > self._table.shape[1]:
            wider = np.full((len(self._table), 2 * int(stop.max())), NO_PAGE, np.int64)
            wider[:, : self._table.shape[1]] = self._table
            self._table = wider
        columns = np.arange(self._table.shape[1])
        needed = (columns >= first[:, None]) & (columns < stop[:, None])
        owned = self._table != NO_PAGE
        self._give_back(owned & ~needed)
        self._take(needed & ~owned)
        if self._num_used * self.page_rows > len(self.data):
            self._grow(max(2 * len(self.data) // self.page_rows, self._num_used), ends)
        if self.table.shape != self._table.shape:
            self.table = on_device(self._table, self._device)
        elif self._device.type != "cpu":
            self.table.copy_(torch.from_numpy(self._table))

    def put(self, owners: np.ndarray, positions: np.ndarray, rows: Tensor) -> None:
        """Write rows [n, width] to positions [n] of tasks [n], each at most once."""
        self.data.index_copy_(
            0, self._places(owners, positions), rows.to(self._device, self._dtype)
        )

    def fetch(self, owners: np.ndarray | int, positions: np.ndarray) -> Tensor:
        """Copy the rows at positions [n] of tasks [n] (or of a single task): [n, width]."""
        return self.data.index_select(0, self._places(owners, positions))

    def gather(self, task_ids: Tensor, positions: Tensor) -> Tensor:
        """Fetch rows of tasks [m] by positions [m, k], both on the device, as [m, k, width].

        Never waits for the device.
        """
        pages = self.table.index_select(0, task_ids).gather(1, positions >> self._shift)
        places = (pages << self._shift) + (positions & self._mask)
        return self.data.index_select(0, places.flatten()).view(*positions.shape, self._width)

    def _places(self, owners: np.ndarray | int, positions: np.ndarray) -> Tensor:
        """Rows of `data` at positions of tasks, element by element, on the device."""
        pages = self._table[owners, positions >> self._shift]
        places = (pages << self._shift) + (positions & self._mask)
        return torch.from_numpy(places).to(self._device)

    def _give_back(self, where: np.ndarray) -> None:
        """Take pages from their tasks; `where` is a mask of the table."""
        if not where.any():
            return
        freed = self._table[where].tolist()
        self._table[where] = NO_PAGE
        self._free.extend(freed)
        for page in freed:
            self._release(self._memory, page)

    def _take(self, where: np.ndarray) -> None:
        """Give a page to every masked entry of the table; free pages are used first."""
        count = int(where.sum())
        if count:
            reused = [self._free.pop() for _ in range(min(count, len(self._free)))]
            fresh = range(self._num_used, self._num_used + count - len(reused))
            self._num_used = fresh.stop
            self._table[where] = [*reused, *fresh]

    def _grow(self, num_pages: int, ends: np.ndarray) -> None:
        """Move to a tensor of `num_pages` pages.

        Goes page by page and copies only rows in use, so that on a CPU no other memory is taken.
        """
        old, memory = self.data, self._memory
        self.data, self._memory = self._allocate(num_pages)
        for task_id, column in np.argwhere(self._table != NO_PAGE).tolist():
            first = int(self._table[task_id, column]) * self.page_rows
            if first < len(old):
                stop = first + min(self.page_rows, int(ends[task_id]) - column * self.page_rows)
                self.data[first:stop] = old[first:stop]
                self._release(memory, first // self.page_rows)

    def _allocate(self, num_pages: int) -> tuple[Tensor, ReservedMemory | None]:
        shape = num_pages * self.page_rows, self._width
        if self._device.type != "cpu":
            return torch.zeros(shape, dtype=self._dtype, device=self._device), None
        memory = ReservedMemory(num_pages * self._page_bytes)
        data = torch.frombuffer(memory.map, dtype=self._dtype, count=shape[0] * shape[1])
        return data.view(shape), memory

    def _release(self, memory: ReservedMemory | None, page: int) -> None:
        if memory is not None:
            memory.release(page * self._page_bytes, (page + 1) * self._page_bytes)


def on_device(array: np.ndarray, device: torch.device) -> Tensor:
    """The array as a tensor; on a CPU they share memory, so a change of one changes both."""
    return torch.from_numpy(array).to(device)
