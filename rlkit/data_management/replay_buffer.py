"""Replay rows of many tasks in one store on the training device, so that a meta-batch is drawn with one gather.

The store is cut into pages. Each task owns the pages that it needs, named by its line of the page table; a task that is
cleared gives them back. A task is a ring: a full one overwrites its oldest rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rlkit.data_management.paths import Paths
from rlkit.data_management.reserved_memory import ReservedMemory
from rlkit.data_management.rings import NO_PAGE, Rings

TaskIds = Tensor | Sequence[int] | np.ndarray


class Batch(NamedTuple):
    """Transitions drawn for m tasks, k each: views [m, k, dim] of one gathered tensor (rewards, terminated: dim 1)."""

    obs: Tensor
    actions: Tensor
    rewards: Tensor
    sparse_rewards: Tensor
    next_obs: Tensor
    terminated: Tensor


class MultiTaskReplayBuffer:
    """Ring buffers of many tasks. A row is [obs | action | reward | sparse_reward | next_obs | terminated].

    Rows of a task are numbered 0 .. size - 1: in the order of their arrival, until the ring wraps round.

    Attributes:
        store: all pages, [num_pages * page_rows, width]; moves only when the reserve is exceeded.
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
        page_rows: int = 1024,
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
            page_rows: rows of a page, a power of two; 1024 and more are whole pages of the system, which clearing gives back.
            dtype: of the rows.
        Raises:
            ValueError: a size is not positive, or page_rows is no power of two.
        """
        self.num_tasks, self.obs_dim, self.act_dim = num_tasks, obs_dim, act_dim
        self.capacity, self.page_rows, self.dtype, self.device = capacity, page_rows, dtype, torch.device(device)
        self.columns = (obs_dim, act_dim, 1, 1, obs_dim, 1)
        self.width = sum(self.columns)
        self._shift, self._mask = page_rows.bit_length() - 1, page_rows - 1
        self._rings = Rings(num_tasks, capacity, page_rows, reserve_rows)
        self.sizes = self._on_device(self._rings.sizes)
        self.page_table = self._on_device(self._rings.pages)
        self._allocate(num_pages=num_tasks + -(-reserve_rows // page_rows))

    def like(self, num_tasks: int) -> "MultiTaskReplayBuffer":
        """Make an empty buffer of the same kind of rows for another number of tasks, with little reserved."""
        options: dict[str, Any] = {name: getattr(self, name) for name in ("capacity", "device", "page_rows", "dtype")}
        return MultiTaskReplayBuffer(num_tasks, self.obs_dim, self.act_dim, **options)

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

    def add_rows(self, task_id: int, rows: Tensor) -> None:
        """Append rows [n, width] in the buffer's own layout to one task.

        Raises:
            ValueError: the rows have another width, or there is no such task.
        """
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise ValueError(f"expected rows [n, {self.width}], got shape {tuple(rows.shape)}")
        self._append(np.array([task_id]), np.array([len(rows)]), rows)

    def clear(self, task_id: int) -> None:
        """Forget the rows of one task; its pages become free, and on a CPU their memory goes back to the system."""
        self._rings.check_tasks([task_id])
        for page in self._rings.clear(task_id):
            self._release(self._memory, page)
        self._update_device()

    def random_rows(self, task_ids: TaskIds, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw row numbers uniformly with replacement. On a GPU nothing waits for the device if the ids are there already.

        Args:
            task_ids: [m]. Ids that are on a GPU are not checked, since the answer would have to be waited for.
            batch_size: rows for each task.
            generator: on the buffer's device.
        Returns:
            Row numbers [m, batch_size] int64.
        Raises:
            ValueError: there is no such task, or it has no rows.
        """
        ids = self._filled_tasks(task_ids)
        # 63 random bits modulo the size: exact for every size, with a bias below size / 2^63.
        draws = torch.randint(2**63 - 1, (len(ids), batch_size), generator=generator, device=self.device)
        return draws.remainder_(self.sizes.index_select(0, ids).unsqueeze(1))

    def gather(self, task_ids: TaskIds, row_numbers: Tensor) -> Batch:
        """Fetch rows of many tasks.

        Args:
            task_ids: [m], as for `random_rows`.
            row_numbers: [m, k] int64 on the device, each below the size of its task (not checked, for the same reason).
        Returns:
            Views [m, k, dim] of one new tensor.
        """
        pages = self.page_table.index_select(0, self._filled_tasks(task_ids)).gather(1, row_numbers >> self._shift)
        store_rows = (pages << self._shift) + (row_numbers & self._mask)
        rows = self.store.index_select(0, store_rows.flatten()).view(*row_numbers.shape, self.width)
        return Batch(*rows.split(self.columns, dim=-1))

    def random_batch(self, task_ids: TaskIds, batch_size: int, generator: torch.Generator) -> Batch:
        """Draw batch_size transitions of each task, [m, batch_size, dim]; arguments and errors as for `random_rows`."""
        ids = self._filled_tasks(task_ids)
        return self.gather(ids, self.random_rows(ids, batch_size, generator))

    def draw(self, task_id: int, num_rows: int, generator: np.random.Generator) -> Batch:
        """Draw rows [1, num_rows, dim] of one task, uniformly with replacement, by a numpy generator.

        Raises:
            ValueError: no such task, or one that has no rows.
        """
        self._filled_tasks([task_id])
        rows = generator.integers(self.size(task_id), size=(1, num_rows))
        return self.gather([task_id], torch.from_numpy(rows).to(self.device))

    def rows_of(self, task_id: int) -> Tensor:
        """Copy all rows of one task, [size, width], by row number."""
        self._rings.check_tasks([task_id])
        return self._fetch(self._rings.store_rows(task_id, np.arange(self.size(task_id))))

    def state_dict(self) -> dict[str, Tensor]:
        """Counters that say which rows there are: `totals` and `origins`, each [num_tasks] int64."""
        return {name: torch.from_numpy(getattr(self._rings, name).copy()) for name in ("totals", "origins")}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over the counters; the rows have no meaning until `load_segment` has put them back.

        Raises:
            ValueError: the counters are not those of so many tasks.
        """
        if any(name not in state or state[name].shape != (self.num_tasks,) for name in ("totals", "origins")):
            raise ValueError(f"expected the counters totals and origins of {self.num_tasks} tasks of a replay buffer")
        for task_id in range(self.num_tasks):
            self.clear(task_id)
        self._rings.restore(state["totals"].numpy(), state["origins"].numpy())
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

    def _filled_tasks(self, task_ids: TaskIds) -> Tensor:
        if isinstance(task_ids, Tensor) and task_ids.device.type != "cpu":
            return task_ids
        ids = np.array(task_ids.numpy() if isinstance(task_ids, Tensor) else task_ids, np.int64)
        self._rings.check_tasks(ids, filled=True)
        return torch.from_numpy(ids).to(self.device)

    def _append(self, task_ids: np.ndarray, counts: np.ndarray, rows: Tensor) -> None:
        self._rings.check_tasks(task_ids)
        store_rows, kept = self._rings.append(task_ids, counts)
        self._update_device()
        self._put(store_rows, kept, rows)

    def _put(self, store_rows: np.ndarray, kept: np.ndarray, rows: Tensor) -> None:
        if not kept.all():
            rows = rows[torch.from_numpy(kept).to(rows.device)]
        self.store.index_copy_(0, torch.from_numpy(store_rows).to(self.device), rows.to(self.device, self.dtype))

    def _fetch(self, store_rows: np.ndarray) -> Tensor:
        return self.store.index_select(0, torch.from_numpy(store_rows).to(self.device))

    def _update_device(self) -> None:
        """Let sizes, page table and store follow the rings."""
        if self._rings.num_begun * self.page_rows > len(self.store):
            self._grow()
        if self.page_table.shape != self._rings.pages.shape:
            self.page_table = self._on_device(self._rings.pages)
        if self.device.type != "cpu":
            self.page_table.copy_(torch.from_numpy(self._rings.pages))
            self.sizes.copy_(torch.from_numpy(self._rings.sizes))

    def _on_device(self, array: np.ndarray) -> Tensor:
        """The array as a tensor of the device; on a CPU they share their memory, so that writing one writes both."""
        return torch.from_numpy(array).to(self.device)

    def _allocate(self, num_pages: int) -> None:
        self._page_bytes = self.page_rows * self.width * self.dtype.itemsize
        shape = num_pages * self.page_rows, self.width
        self._memory = ReservedMemory(num_pages * self._page_bytes) if self.device.type == "cpu" else None
        if self._memory is None:
            self.store = torch.zeros(shape, dtype=self.dtype, device=self.device)
        else:
            self.store = torch.frombuffer(self._memory.map, dtype=self.dtype, count=shape[0] * shape[1]).view(shape)

    def _release(self, memory: ReservedMemory | None, page: int) -> None:
        if memory is not None:
            memory.release(page * self._page_bytes, (page + 1) * self._page_bytes)

    def _grow(self) -> None:
        """Move to a store of twice the size, page by page and filled rows only: on a CPU nothing else becomes resident."""
        store, memory = self.store, self._memory
        num_pages = len(store) // self.page_rows
        self._allocate(max(2 * num_pages, self._rings.num_begun))
        for task_id, number in np.argwhere(self._rings.pages != NO_PAGE):
            page = int(self._rings.pages[task_id, number])
            if page < num_pages:
                count = min(self.page_rows, self.size(task_id) - number * self.page_rows)
                rows = slice(page * self.page_rows, page * self.page_rows + count)
                self.store[rows] = store[rows]
                self._release(memory, page)


class SimpleReplayBuffer(MultiTaskReplayBuffer):
    """The ring buffer of a single task: a `MultiTaskReplayBuffer` whose only task is 0."""

    def __init__(self, obs_dim: int, act_dim: int, **options: Any) -> None:
        """Make an empty buffer; options as for `MultiTaskReplayBuffer`."""
        super().__init__(1, obs_dim, act_dim, **options)
