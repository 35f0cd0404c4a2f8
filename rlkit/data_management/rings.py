"""Which rows a ring buffer of many tasks holds, and where: the bookkeeping in numpy, without the rows themselves."""

from collections.abc import Sequence

import numpy as np

NO_PAGE = -1


class Rings:
    """One ring per task, on pages of a common store that are given out on demand and taken back whole.

    A row's serial number is the count of rows that its task was given before it; its position in the ring is
    (serial - origin) % capacity. Serial numbers are never used twice, so they tell which rows a checkpoint already has.

    Attributes:
        totals: rows ever added to each task, [num_tasks] int64.
        origins: what `totals` was when the task was last cleared, likewise.
        kept_from: serial numbers from which on rows are kept where earlier ones were let go, likewise.
        sizes: rows from the last clearing on that each task has a place for, likewise.
        pages: pages of each task in order, [num_tasks, columns] int64, NO_PAGE where there is none. Replaced by a wider
            array when a task needs more columns; all arrays are written in place otherwise.
        num_begun: pages from here on have never been given out.
    """

    def __init__(self, num_tasks: int, capacity: int, page_rows: int, reserve_rows: int) -> None:
        """Make empty rings.

        Args:
            num_tasks: number of rings.
            capacity: most rows of one.
            page_rows: rows of a page, a power of two.
            reserve_rows: rows expected in all; the table of pages is made for them.
        Raises:
            ValueError: a size is not positive, or page_rows is no power of two.
        """
        for name, value in {
            "num_tasks": num_tasks,
            "capacity": capacity,
            "page_rows": page_rows,
        }.items():
            if value < 1:
                raise ValueError(f"{name} of a replay buffer must be at least 1, got {value}")
        if page_rows & (page_rows - 1):
            raise ValueError(
                f"page_rows of a replay buffer must be a power of two, got {page_rows}"
            )
        self.totals, self.origins, self.kept_from, self.sizes = np.zeros((4, num_tasks), np.int64)
        # Columns for twice the mean, because tasks are not filled equally.
        columns = max(4, -(-2 * reserve_rows // (num_tasks * page_rows)))
        self.pages = np.full((num_tasks, columns), NO_PAGE, np.int64)
        self.num_begun = 0
        self._capacity = capacity
        self._shift, self._mask = page_rows.bit_length() - 1, page_rows - 1
        self._free: list[int] = []

    def check_tasks(self, task_ids: Sequence[int] | np.ndarray, *, filled: bool = False) -> None:
        """Raise ValueError for a task that does not exist or, if they have to be filled, has no rows."""
        ids = np.asarray(task_ids, np.int64)
        if ids.size and not 0 <= ids.min() <= ids.max() < len(self.sizes):
            raise ValueError(
                f"expected task ids from 0 to {len(self.sizes) - 1}, got {ids.tolist()}"
            )
        if filled and not self.sizes[ids].all():
            raise ValueError(
                f"cannot draw from tasks without rows: {sorted({int(i) for i in ids if not self.sizes[i]})}"
            )

    def append(self, task_ids: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Make room for runs of rows, of which the i-th counts[i] belong to task_ids[i].

        Returns:
            Entries [k, 3] int64 of the runs: task, serial number of its first row, number of rows. Of more than a whole ring
            `locate` finds only the last rows, since a scatter that wrote one place twice would have no order.
        """
        order = np.argsort(task_ids, kind="stable")
        ordered = task_ids[order]
        before = (
            np.cumsum(counts[order]) - counts[order]
        )  # rows of earlier runs; those of one task stand together
        first = np.empty_like(before)
        first[order] = self.totals[ordered] + before - before[np.searchsorted(ordered, ordered)]
        np.add.at(self.totals, task_ids, counts)
        self._provide()
        return np.stack([task_ids, first, counts], axis=1)

    def clear(self, task_id: int) -> list[int]:
        """Forget the rows of one task; returns its pages, which are now free."""
        self.origins[task_id] = self.totals[task_id]
        self.sizes[task_id] = 0
        line = self.pages[task_id]
        freed = line[line != NO_PAGE].tolist()
        line[:] = NO_PAGE
        self._free.extend(freed)
        return freed

    def let_go(self, serials: np.ndarray) -> list[int]:
        """Forget the rows of each task before these serial numbers [num_tasks], in rings that never wrap round.

        Returns:
            The pages on which nothing is left; they are free.
        """
        np.maximum(self.kept_from, serials, out=self.kept_from)
        gone = (np.arange(self.pages.shape[1]) < self._first_columns()[:, None]) & (
            self.pages != NO_PAGE
        )
        freed = self.pages[gone].tolist()
        self.pages[gone] = NO_PAGE
        self._free.extend(freed)
        return freed

    def restore(
        self, totals: np.ndarray, origins: np.ndarray, kept_from: np.ndarray | int = 0
    ) -> None:
        """Take over counters [num_tasks] of cleared rings, and make room for the rows that they count."""
        self.totals[:], self.origins[:], self.kept_from[:] = totals, origins, kept_from
        self._provide()

    def first_valid(self) -> np.ndarray:
        """Serial number of each task's oldest row that is still there, [num_tasks]."""
        return np.maximum.reduce([self.origins, self.totals - self._capacity, self.kept_from])

    def entries_since(self, totals: np.ndarray) -> np.ndarray:
        """List the rows that came after earlier `totals` and are still there.

        Returns:
            Entries [k, 3] int64: task, serial number of its first row, number of rows.
        """
        first = np.maximum(self.first_valid(), totals)
        counts = self.totals - first
        tasks = np.flatnonzero(counts > 0)
        return np.stack([tasks, first[tasks], counts[tasks]], axis=1)

    def count_valid(self, entries: np.ndarray) -> int:
        """How many of the rows that entries [k, 3] name are still there."""
        tasks, first, counts = entries.T
        begin, end = (
            np.maximum(first, self.first_valid()[tasks]),
            np.minimum(first + counts, self.totals[tasks]),
        )
        return int(np.maximum(end - begin, 0).sum())

    def locate(self, entries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the places of the rows that entries [k, 3] name.

        Returns:
            Rows of the store [n] of those that are still there, and which these are ([sum of counts] bool, n of them true).
        """
        tasks, first, counts = entries.T
        ends = np.cumsum(counts)
        owners = np.repeat(tasks, counts)
        serials = np.arange(counts.sum()) + np.repeat(first - (ends - counts), counts)
        valid = (serials >= self.first_valid()[owners]) & (serials < self.totals[owners])
        if not valid.all():
            owners, serials = owners[valid], serials[valid]
        return self.store_rows(owners, (serials - self.origins[owners]) % self._capacity), valid

    def store_rows(self, owners: np.ndarray | int, positions: np.ndarray) -> np.ndarray:
        """Rows of the store at positions (row numbers) of tasks, element by element."""
        return (self.pages[owners, positions >> self._shift] << self._shift) + (
            positions & self._mask
        )

    def _provide(self) -> None:
        """Give every task the pages that its counters ask for; those that came back are used first."""
        np.minimum(self.totals - self.origins, self._capacity, out=self.sizes)
        wanted = (self.sizes + self._mask) >> self._shift
        if wanted.max() > self.pages.shape[1]:
            wider = np.full((len(self.pages), 2 * int(wanted.max())), NO_PAGE, np.int64)
            wider[:, : self.pages.shape[1]] = self.pages
            self.pages = wider
        columns = np.arange(self.pages.shape[1])
        lacking = (
            (columns >= self._first_columns()[:, None])
            & (columns < wanted[:, None])
            & (self.pages == NO_PAGE)
        )
        count = int(lacking.sum())
        if count:
            reused = [self._free.pop() for _ in range(min(count, len(self._free)))]
            fresh = range(self.num_begun, self.num_begun + count - len(reused))
            self.num_begun = fresh.stop
            self.pages[lacking] = [*reused, *fresh]

    def _first_columns(self) -> np.ndarray:
        """First column of each line of `pages` that is in use."""
        return np.maximum(self.kept_from - self.origins, 0) >> self._shift
