"""Rows of many tasks in one tensor on the training device, whatever they mean: adding, clearing, saving.

The store is cut into pages. Each task owns the pages that it needs, named by its line of the page table; a task that is
cleared gives them back. A task is a ring: a full one overwrites its oldest rows.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from rlkit.data_management.page_store import PageStore
from rlkit.data_management.rings import NO_PAGE, Rings


class RingStore:
    """Rings of rows, a task each. Rows of a task are numbered 0 .. size - 1: as they came, until the ring wraps round.

    Attributes:
        page_table: pages of each task, [num_tasks, columns] int64 on the device; replaced only when a task needs more columns.
        sizes: rows of each task, [num_tasks] int64 on the device, updated in place.
        COUNTERS: which arrays of the rings a checkpoint keeps.
    """

    COUNTERS: ClassVar[tuple[str, ...]] = ("totals", "origins")

    def __init__(
        self,
        num_tasks: int,
        width: int,
        *,
        capacity: int,
        device: torch.device | str,
        reserve_rows: int,
        page_rows: int,
        dtype: torch.dtype,
    ) -> None:
        """Make an empty store.

        Args:
            num_tasks: number of tasks.
            width: numbers of a row.
            capacity: most rows of one task.
            device: where the rows live.
            reserve_rows: rows expected in all. On a CPU this takes addresses, not memory; more rows than that move the store.
            page_rows: rows of a page, a power of two.
            dtype: of the rows.
        Raises:
            ValueError: a size is not positive, or page_rows is no power of two.
        """
        self.num_tasks, self.width, self.capacity = num_tasks, width, capacity
        self.page_rows, self.dtype, self.device = page_rows, dtype, torch.device(device)
        self._shift, self._mask = page_rows.bit_length() - 1, page_rows - 1
        self._rings = Rings(num_tasks, capacity, page_rows, reserve_rows)
        self.sizes = self._on_device(self._rings.sizes)
        self.page_table = self._on_device(self._rings.pages)
        self._pages = PageStore(
            num_tasks + -(-reserve_rows // page_rows), page_rows, width, dtype, self.device
        )

    @property
    def store(self) -> Tensor:
        """All pages, [num_pages * page_rows, width]; moves only when the reserve is exceeded."""
        return self._pages.rows

    @property
    def addresses(self) -> tuple[int, ...]:
        """Where everything that drawing reads from the device lies."""
        return tuple(tensor.data_ptr() for tensor in (self.store, self.page_table, self.sizes))

    @property
    def num_rows(self) -> int:
        """Rows of all tasks together that are still there."""
        return int((self._rings.totals - self._rings.first_valid()).sum())

    def size(self, task_id: int) -> int:
        """Rows of one task."""
        return int(self._rings.sizes[task_id])

    def clear(self, task_id: int) -> None:
        """Forget the rows of one task; its pages become free, and on a CPU their memory goes back to the system."""
        self._rings.check_tasks([task_id])
        for page in self._rings.clear(task_id):
            self._pages.release(page)
        self._update_device()

    def rows_of(self, task_id: int) -> Tensor:
        """Copy all rows of one task, [size, width], by row number."""
        self._rings.check_tasks([task_id])
        return self._fetch(self._rings.store_rows(task_id, np.arange(self.size(task_id))))

    def oldest_first(self, task_id: int) -> Tensor:
        """Copy all rows of one task, [size, width], in the order in which they came."""
        self._rings.check_tasks([task_id])
        first = self._rings.first_valid()[task_id]
        entry = np.array([[task_id, first, self._rings.totals[task_id] - first]])
        return self._fetch(self._rings.locate(entry)[0])

    def state_dict(self) -> dict[str, Tensor]:
        """The counters that say which rows there are, each [num_tasks] int64."""
        return {name: torch.from_numpy(getattr(self._rings, name).copy()) for name in self.COUNTERS}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over the counters; the rows have no meaning until `load_segment` has put them back.

        Raises:
            ValueError: the counters are not those of so many tasks.
        """
        if any(
            name not in state or state[name].shape != (self.num_tasks,) for name in self.COUNTERS
        ):
            raise ValueError(
                f"expected the counters {' and '.join(self.COUNTERS)} of {self.num_tasks} tasks of a replay buffer"
            )
        for task_id in range(self.num_tasks):
            RingStore.clear(
                self, task_id
            )  # what a subclass clears with the rows has counters of its own
        self._rings.restore(*(state[name].numpy() for name in self.COUNTERS))
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
            raise ValueError(
                f"expected rows {(int(entries[:, 2].sum()), self.width)}, got shape {tuple(rows.shape)}"
            )
        store_rows, valid = self._rings.locate(entries)
        self._put(store_rows, valid, rows)
        return len(store_rows)

    def count_valid(self, entries: np.ndarray) -> int:
        """How many of the rows that entries [k, 3] of a segment name are still there."""
        return self._rings.count_valid(entries)

    def _append_runs(self, task_ids: np.ndarray, counts: np.ndarray, rows: Tensor) -> np.ndarray:
        """Append runs of rows, of which the i-th counts[i] belong to task_ids[i]; returns their entries [k, 3]."""
        self._rings.check_tasks(task_ids)
        entries = self._rings.append(task_ids, counts)
        self._update_device()
        self._put(*self._rings.locate(entries), rows)
        return entries

    def _put(self, store_rows: np.ndarray, kept: np.ndarray, rows: Tensor) -> None:
        if not kept.all():
            rows = rows[torch.from_numpy(kept).to(rows.device)]
        self._pages.put(torch.from_numpy(store_rows), rows)

    def _fetch(self, store_rows: np.ndarray) -> Tensor:
        return self._pages.fetch(torch.from_numpy(store_rows))

    def _update_device(self) -> None:
        """Let sizes, page table and store follow the rings."""
        if self._rings.num_begun * self.page_rows > len(self.store):
            self._pages.grow(
                max(2 * len(self.store) // self.page_rows, self._rings.num_begun),
                self._filled_pages(),
            )
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
                filled.append(
                    (page, min(self.page_rows, self.size(task_id) - number * self.page_rows))
                )
        return filled
