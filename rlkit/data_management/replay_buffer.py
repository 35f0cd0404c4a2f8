"""The replay buffer: stores trajectories of many tasks, and draws a meta-batch with one gather."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from rlkit.data_management.batch import Batch
from rlkit.data_management.episode_draws import LARGE
from rlkit.data_management.episode_reader import EpisodeReader, TaskIds
from rlkit.data_management.episodes import Episodes
from rlkit.data_management.paged_rings import PagedRings
from rlkit.data_management.paths import Paths
from rlkit.data_management.saved_rows import SavedRows


class MultiTaskReplayBuffer:
    """A ring buffer of transitions for each of many tasks.

    A row is [obs | action | reward | sparse_reward | next_obs | terminated].

    Attributes:
        rows: the rings of rows.
        episodes: where the whole trajectories begin and end.
        by_episode: draws of whole trajectories, and of rows of some.
    """

    def __init__(
        self,
        num_tasks: int,
        obs_dim: int,
        act_dim: int,
        *,
        capacity: int = 1_000_000,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        reserve_rows: int = 0,
        page_rows: int | None = None,
    ) -> None:
        """Make an empty buffer.

        Args:
            num_tasks: number of tasks.
            obs_dim, act_dim: size of an observation and of an action.
            capacity: maximum rows per task.
            device: where the rows live and batches are returned.
            dtype: of the rows.
            reserve_rows: expected rows of all tasks together, see `Pages`.
            page_rows: see `PagedRings`.
        Raises:
            ValueError: a size is not positive, or page_rows is not a power of two.
        """
        self.num_tasks, self.obs_dim, self.act_dim = num_tasks, obs_dim, act_dim
        self.columns = (obs_dim, act_dim, 1, 1, obs_dim, 1)
        self.rows = PagedRings(
            num_tasks,
            sum(self.columns),
            capacity=capacity,
            device=device,
            dtype=dtype,
            reserve_rows=reserve_rows,
            page_rows=page_rows,
        )
        self.device = self.rows.device
        self.episodes = Episodes(num_tasks, self.device)
        self.by_episode = EpisodeReader(self, self.episodes)

    def empty_like(self, num_tasks: int) -> "MultiTaskReplayBuffer":
        """Make an empty buffer of the same kind for another number of tasks, reserving little."""
        return MultiTaskReplayBuffer(
            num_tasks,
            self.obs_dim,
            self.act_dim,
            capacity=self.rows.capacity,
            device=self.device,
            dtype=self.rows.dtype,
            page_rows=self.rows.pages.page_rows,
        )

    def add_paths(self, task_ids: Sequence[int] | np.ndarray, paths: Paths) -> None:
        """Append the transitions of whole trajectories.

        Args:
            task_ids: the task under which each trajectory is stored, [num_paths]; not necessarily
                the task that it was collected on.
            paths: the trajectories; cast to the buffer's dtype.
        Raises:
            ValueError: number, range or dimensions of the trajectories do not fit the buffer.
        """
        task_ids = paths.one_id_each(task_ids)
        expected = self.obs_dim, self.act_dim
        dims = paths.obs.shape[2], paths.actions.shape[2]
        if dims != expected:
            raise ValueError(f"expected paths with (obs_dim, act_dim) = {expected}, got {dims}")
        parts = (torch.from_numpy(array) for array in paths.rows().values())
        rows = torch.cat([part.to(self.rows.dtype) for part in parts], dim=1)
        first = self.rows.append(task_ids, paths.lengths, rows)
        self.episodes.append(task_ids, first, paths.lengths, self.rows.oldest())

    def add_rows(self, task_id: int, rows: Tensor, lengths: np.ndarray | None = None) -> None:
        """Append rows [n, width] in the buffer's own layout to one task.

        Args:
            task_id: the task.
            rows: the rows, in their order.
            lengths: steps [k] of the episodes that the last rows consist of; the rows before these
                belong to no whole episode. None: all rows are one episode.
        Raises:
            ValueError: the rows have another width or are fewer than the lengths say, or the task
                does not exist.
        """
        width = self.rows.width
        if rows.ndim != 2 or rows.shape[1] != width:
            raise ValueError(f"expected rows [n, {width}], got shape {tuple(rows.shape)}")
        lengths = np.array([len(rows)]) if lengths is None else lengths
        rest = len(rows) - int(lengths.sum())
        if rest < 0:
            raise ValueError(
                f"episodes of {lengths.tolist()} steps cannot be the end of {len(rows)} rows"
            )
        task_ids = np.full(1 + len(lengths), task_id)
        first = self.rows.append(task_ids, np.array([rest, *lengths]), rows)
        self.episodes.append(task_ids[1:], first[1:], lengths, self.rows.oldest())

    def add_copy(self, task_id: int, source: "MultiTaskReplayBuffer", source_id: int) -> None:
        """Append to one task all rows and episodes of a task of another buffer of the same kind."""
        lengths = source.episodes.lengths(source_id)
        self.add_rows(task_id, source.rows.oldest_first(source_id), lengths)

    def clear(self, task_id: int) -> None:
        """Remove the rows of one task; on a CPU their memory returns to the operating system."""
        self.rows.clear(task_id)
        self.episodes.clear(task_id)

    def gather(self, task_ids: TaskIds, positions: Tensor) -> Batch:
        """Fetch rows by their positions in the rings of their tasks.

        Args:
            task_ids: [m]. Ids that are on a GPU are not checked: that would wait for the device.
            positions: [m, k] int64 on the device, each below the size of its task (not checked).
        Returns:
            Views [m, k, dim] of one new tensor. Nothing waits for the device.
        Raises:
            ValueError: a task does not exist or has no rows.
        """
        rows = self.rows.gather(self.filled_tasks(task_ids), positions)
        return Batch(*rows.split(self.columns, dim=-1))

    def random_batch(self, task_ids: TaskIds, batch_size: int, generator: torch.Generator) -> Batch:
        """Draw transitions uniformly with replacement, [m, batch_size, dim].

        Args:
            task_ids: [m], as for `gather`.
            batch_size: rows per task.
            generator: on the buffer's device.
        Raises:
            ValueError: a task does not exist or has no rows.
        """
        shape = len(task_ids), batch_size
        draws = torch.randint(LARGE, shape, generator=generator, device=self.device)
        return self.rows_at(task_ids, draws)

    def rows_at(self, task_ids: TaskIds, draws: Tensor) -> Batch:
        """Fetch rows selected by large random integers [m, k], taken modulo each task's size.

        With integers below 2^63 - 1 this is uniform, with a bias below size / 2^63.
        """
        ids = self.filled_tasks(task_ids)
        return self.gather(ids, draws % self.rows.sizes.index_select(0, ids).unsqueeze(1))

    def draw(self, task_id: int, num_rows: int, generator: np.random.Generator) -> Batch:
        """Draw rows [1, num_rows, dim] of one task uniformly, using a numpy generator."""
        self.filled_tasks([task_id])
        positions = generator.integers(self.size(task_id), size=(1, num_rows))
        return self.gather([task_id], torch.from_numpy(positions).to(self.device))

    @property
    def num_rows(self) -> int:
        """Stored rows of all tasks together."""
        return self.rows.num_rows

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return self.rows.row_bytes

    @property
    def addresses(self) -> tuple[int, ...]:
        """Addresses of the tensors that draws read. A captured draw is void once they change."""
        bounds, counts = self.episodes.bounds, self.episodes.counts
        return (*self.rows.addresses, bounds.data_ptr(), counts.data_ptr())

    def size(self, task_id: int) -> int:
        """Rows of one task."""
        return self.rows.size(task_id)

    def rows_of(self, task_id: int) -> Tensor:
        """Copy all rows of one task, [size, width], by position."""
        return self.rows.rows_of(task_id)

    def saved_as(self, name: str) -> dict[str, SavedRows]:
        """The parts that a checkpoint saves and loads, in this order, for a buffer of this name."""
        return {name: self}

    def state_dict(self) -> dict[str, Tensor]:
        """The counters of the rows, and the episodes."""
        return {**self.rows.state_dict(), **self.episodes.state_dict()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the counters. The rows are undefined until `load_segment` has put them back.

        Raises:
            ValueError: the counters belong to another number of tasks.
        """
        self.rows.load_state_dict(state)
        for task_id in range(self.num_tasks):
            self.episodes.clear(task_id)
        if "episodes" in state:  # early versions did not keep them
            self.episodes.load_state_dict(state["episodes"], state["boundaries"])

    def segment(self, since_totals: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
        """Copy the rows added since earlier counters; see `PagedRings.segment`."""
        return self.rows.segment(since_totals)

    def load_segment(self, entries: Tensor | np.ndarray, rows: Tensor) -> int:
        """Put a segment's rows back; see `PagedRings.load_segment`."""
        return self.rows.load_segment(entries, rows)

    def count_valid(self, entries: np.ndarray) -> int:
        """How many rows of a segment with these entries [k, 3] are still stored."""
        return self.rows.count_valid(entries)

    def filled_tasks(self, task_ids: TaskIds) -> Tensor:
        """Ids [m] on the device, of tasks that have rows; those on a GPU are not checked.

        Raises:
            ValueError: a task does not exist or has no rows.
        """
        if isinstance(task_ids, Tensor) and task_ids.device.type != "cpu":
            return task_ids
        ids = np.array(task_ids.numpy() if isinstance(task_ids, Tensor) else task_ids, np.int64)
        self.rows.check_tasks(ids, filled=True)
        return torch.from_numpy(ids).to(self.device)
