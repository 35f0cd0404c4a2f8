"""The replay buffer against a plain model of it: rings, clearing, drawing, growth, segments."""

import numpy as np
import pytest
import torch

from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer, SimpleReplayBuffer

OBS, ACT = 2, 1
WIDTH = 2 * OBS + ACT + 3


def make_buffer(num_tasks=3, capacity=10, page_rows=4, **options):
    """A small buffer whose pages and rings are soon full."""
    return MultiTaskReplayBuffer(num_tasks, OBS, ACT, capacity=capacity, page_rows=page_rows, **options)


def numbered_paths(lengths, start, horizon=7, dtype=np.float32):
    """Trajectories whose rewards number the transitions from `start` on; the other entries follow from the number."""
    paths = Paths.empty(len(lengths), horizon, OBS, ACT, outcome_dim=1, dtype=dtype)
    for i, length in enumerate(lengths):
        numbers = start + np.arange(length)
        paths.obs[i, :length] = numbers[:, None] + [0.25, 0.5]
        paths.obs[i, 1 : length + 1] = numbers[:, None] + [1.25, 1.5]
        paths.actions[i, :length, 0] = -numbers
        paths.rewards[i, :length] = numbers
        paths.sparse_rewards[i, :length] = numbers / 2
        paths.terminated[i, :length] = numbers % 2 == 1
        paths.lengths[i] = length
        start += length
    return paths


def row_of(number):
    """The stored row of a numbered transition."""
    n = float(number)
    return [n + 0.25, n + 0.5, -n, n, n / 2, n + 1.25, n + 1.5, n % 2]


class PlainRings:
    """What the buffer is to do, with lists: a task's row at each position."""

    def __init__(self, num_tasks, capacity):
        self.rows, self.added, self.capacity = [{} for _ in range(num_tasks)], [0] * num_tasks, capacity

    def add(self, task, numbers):
        for number in numbers:
            self.rows[task][self.added[task] % self.capacity] = row_of(number)
            self.added[task] += 1

    def clear(self, task):
        self.rows[task], self.added[task] = {}, 0

    def rows_of(self, task):
        return [self.rows[task][position] for position in range(len(self.rows[task]))]


def assert_same(buffer, plain):
    """Every row of every task, read in both ways, and the sizes."""
    for task, rows in enumerate(plain.rows):
        expected = torch.tensor(plain.rows_of(task), dtype=buffer.dtype).view(-1, WIDTH)
        assert torch.equal(buffer.rows_of(task), expected)
        assert buffer.size(task) == int(buffer.sizes[task]) == len(rows)
        if rows:
            batch = buffer.gather([task], torch.arange(len(rows))[None])
            assert torch.equal(torch.cat(batch, dim=-1)[0], expected)
    assert buffer.num_rows == sum(map(len, plain.rows))


def walk(seed, buffer, plain, num_steps, after_step):
    """Do random additions of paths and rows, and clearings, to both."""
    rng, number = np.random.default_rng(seed), 0
    for _ in range(num_steps):
        what = rng.integers(6)
        task = int(rng.integers(buffer.num_tasks))
        if what == 0:
            buffer.clear(task)
            plain.clear(task)
        elif what == 1:
            count = int(rng.integers(2 * buffer.capacity + 2))  # more than a whole ring, sometimes
            buffer.add_rows(task, torch.tensor([row_of(number + i) for i in range(count)]).view(-1, WIDTH))
            plain.add(task, range(number, number + count))
            number += count
        else:
            lengths = rng.integers(0, 7, size=rng.integers(0, 6))
            tasks = rng.integers(buffer.num_tasks, size=len(lengths))
            buffer.add_paths(tasks, numbered_paths(lengths, number))
            for task, length in zip(tasks, lengths, strict=True):
                plain.add(task, range(number, number + length))
                number += length
        after_step(rng)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("capacity, page_rows", [(10, 4), (16, 4), (5, 8), (23, 1), (1, 1)])
def test_random_operations_leave_what_a_plain_model_has(seed, capacity, page_rows):
    buffer, plain = make_buffer(3, capacity, page_rows), PlainRings(3, capacity)
    walk(seed, buffer, plain, 25, lambda rng: assert_same(buffer, plain))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("capacity", [7, 16, 1000])
def test_a_buffer_rebuilt_from_its_segments_equals_the_original_in_every_row(seed, capacity):
    buffer, plain = make_buffer(3, capacity), PlainRings(3, capacity)
    segments, since = [], torch.zeros(3, dtype=torch.int64)

    def sometimes_take_a_segment(rng):
        nonlocal since
        if rng.integers(3) == 0:
            segments.append(buffer.segment(since))
            since = buffer.state_dict()["totals"]

    walk(seed, buffer, plain, 30, sometimes_take_a_segment)
    segments.append(buffer.segment(since))
    rebuilt = make_buffer(3, capacity)
    rebuilt.add_paths([1, 1], numbered_paths([5, 7], 900))  # what was there before must not stay
    rebuilt.load_state_dict(buffer.state_dict())
    restored = sum(rebuilt.load_segment(entries, rows) for entries, rows in segments)
    assert restored == buffer.num_rows
    assert_same(rebuilt, plain)
    # Both go on alike, and draw alike.
    for each in (buffer, rebuilt):
        each.add_paths([0, 1, 2], numbered_paths([5, 6, 7], 10_000))
    drawn = [torch.cat(each.random_batch([2, 0, 1], 50, torch.Generator().manual_seed(3)), -1) for each in (buffer, rebuilt)]
    assert torch.equal(*drawn)


def test_a_segment_holds_only_what_came_since_and_is_still_there():
    buffer = make_buffer(3, capacity=10)
    buffer.add_paths([0, 1], numbered_paths([4, 4], 0))
    since = buffer.state_dict()["totals"]
    buffer.add_paths([1, 2, 2], numbered_paths([3, 7, 7], 100))
    buffer.clear(1)
    buffer.add_paths([1], numbered_paths([2], 200))
    entries, rows = buffer.segment(since)
    assert entries.tolist() == [[1, 7, 2], [2, 4, 10]]  # of task 2's 14 rows the ring has kept 10
    assert rows[:, 3].tolist() == [200, 201, *range(107, 117)]
    assert buffer.count_valid(entries.numpy()) == 12
    buffer.clear(2)
    assert buffer.count_valid(entries.numpy()) == 2


def test_a_segment_of_another_buffer_is_refused():
    buffer = make_buffer(3)
    buffer.add_paths([0], numbered_paths([4], 0))
    entries, rows = buffer.segment(torch.zeros(3))
    with pytest.raises(ValueError, match=r"expected rows \(4, 8\), got shape \(3, 8\)"):
        buffer.load_segment(entries, rows[1:])
    with pytest.raises(ValueError, match="expected task ids from 0 to 2, got"):
        buffer.load_segment(torch.tensor([[3, 0, 4]]), rows)
    with pytest.raises(ValueError, match="3 tasks"):
        buffer.load_state_dict(make_buffer(4).state_dict())


def test_a_full_ring_overwrites_its_oldest_rows():
    buffer = make_buffer(1, capacity=6)
    buffer.add_paths([0, 0], numbered_paths([5, 4], 0))
    assert buffer.rows_of(0)[:, 3].tolist() == [6, 7, 8, 3, 4, 5]
    assert buffer.size(0) == 6


def test_paths_are_stored_under_the_given_tasks_and_not_under_their_own():
    buffer, paths = make_buffer(3), numbered_paths([2, 3], 0)
    paths.task_ids[:] = [0, 1]
    buffer.add_paths([2, 0], paths)
    assert [buffer.size(task) for task in range(3)] == [3, 0, 2]


def test_paths_of_double_precision_are_stored_in_the_dtype_of_the_buffer():
    buffer = make_buffer()
    paths = numbered_paths([3], 0, dtype=np.float64)
    paths.rewards[0, 0] = 1 / 3
    buffer.add_paths([0], paths)
    assert buffer.store.dtype == torch.float32
    assert buffer.rows_of(0)[0, 3].item() == np.float32(1 / 3)
    double = make_buffer(dtype=torch.float64)
    double.add_paths([0], paths)
    assert double.rows_of(0)[0, 3].item() == 1 / 3


def test_a_batch_is_views_of_one_tensor_with_the_columns_of_the_row():
    buffer = make_buffer(3, capacity=100)
    buffer.add_paths([0, 2], numbered_paths([7, 5], 0))
    batch = buffer.random_batch([2, 0, 2], 20, torch.Generator().manual_seed(0))
    assert [tuple(part.shape) for part in batch] == [(3, 20, dim) for dim in (OBS, ACT, 1, 1, OBS, 1)]
    assert len({part.untyped_storage().data_ptr() for part in batch}) == 1
    assert torch.equal(batch.next_obs, batch.obs + 1)
    assert torch.equal(batch.actions, -batch.rewards)
    assert torch.equal(batch.terminated, batch.rewards % 2)
    assert set(batch.rewards[1].flatten().tolist()) <= set(range(7))
    assert set(batch.rewards[[0, 2]].flatten().tolist()) <= set(range(7, 12))


def test_rows_are_drawn_uniformly_over_the_filled_part():
    buffer = make_buffer(2, capacity=100)
    buffer.add_paths([0, 1], numbered_paths([5, 3], 0))
    rows = buffer.random_rows([0, 1], 30_000, torch.Generator().manual_seed(0))
    for task, size in enumerate((5, 3)):
        counts = rows[task].bincount(minlength=size)
        assert len(counts) == size
        expected = 30_000 / size
        assert ((counts - expected) ** 2 / expected).sum() < 20  # chi squared; beyond it with probability 5e-4 at most


def test_equal_generators_draw_equal_batches_and_others_do_not():
    buffer = make_buffer(2, capacity=1000)
    buffer.add_rows(0, torch.randn(500, WIDTH, generator=torch.Generator().manual_seed(1)))
    draws = [buffer.random_batch([0, 0], 30, torch.Generator().manual_seed(seed)).obs for seed in (5, 5, 6)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0][0], draws[0][1])


def test_a_numpy_generator_draws_from_one_task():
    buffer = make_buffer(2, capacity=100)
    buffer.add_paths([1], numbered_paths([6], 0))
    batch = buffer.draw(1, 40, np.random.default_rng(0))
    assert batch.obs.shape == (1, 40, OBS)
    assert set(batch.rewards.flatten().tolist()) == set(range(6))


@pytest.mark.parametrize("ids", [[0, 1], np.array([1]), torch.tensor([2, 1])])
def test_drawing_from_a_task_without_rows_is_refused_by_its_number(ids):
    buffer = make_buffer(3)
    buffer.add_paths([0, 1, 2], numbered_paths([3, 3, 3], 0))
    buffer.clear(1)
    with pytest.raises(ValueError, match=r"without rows: \[1\]"):
        buffer.random_batch(ids, 4, torch.Generator())
    with pytest.raises(ValueError, match=r"without rows: \[1\]"):
        buffer.draw(1, 4, np.random.default_rng(0))


def test_a_task_that_does_not_exist_is_refused():
    buffer = make_buffer(3)
    for act in (
        lambda: buffer.random_rows([3], 2, torch.Generator()),
        lambda: buffer.add_paths([-1], numbered_paths([2], 0)),
        lambda: buffer.clear(3),
        lambda: buffer.rows_of(-1),
    ):
        with pytest.raises(ValueError, match="expected task ids from 0 to 2, got"):
            act()
    assert buffer.num_rows == 0


def test_paths_and_rows_of_other_dimensions_are_refused():
    buffer = make_buffer(3)
    with pytest.raises(ValueError, match=r"\(obs_dim, act_dim\) = \(2, 1\), got \(3, 1\)"):
        buffer.add_paths([0], Paths.empty(1, 4, 3, 1, 1))
    with pytest.raises(ValueError, match="one task id for each of 2 paths"):
        buffer.add_paths([0], numbered_paths([1, 1], 0))
    with pytest.raises(ValueError, match="expected rows"):
        buffer.add_rows(0, torch.zeros(3, WIDTH + 1))


@pytest.mark.parametrize("options", [{"page_rows": 3}, {"page_rows": 0}, {"capacity": 0}, {"num_tasks": 0}])
def test_sizes_that_make_no_buffer_are_refused_by_name(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        make_buffer(**options)


def test_growth_beyond_the_reserve_keeps_all_rows():
    buffer, plain = make_buffer(2, capacity=200), PlainRings(2, 200)
    first_store = len(buffer.store)
    for i in range(30):
        buffer.add_paths([i % 2, 1], numbered_paths([7, 6], 13 * i))
        plain.add(i % 2, range(13 * i, 13 * i + 7))
        plain.add(1, range(13 * i + 7, 13 * i + 13))
        assert_same(buffer, plain)
    assert len(buffer.store) > 4 * first_store


def test_within_the_reserve_no_tensor_of_the_buffer_moves():
    buffer = make_buffer(3, capacity=100, reserve_rows=120)
    before = [tensor.data_ptr() for tensor in (buffer.store, buffer.page_table, buffer.sizes)]
    for i in range(17):
        buffer.add_paths([i % 3], numbered_paths([7], 7 * i))
    buffer.clear(1)
    buffer.add_paths([1], numbered_paths([7], 0))
    assert [tensor.data_ptr() for tensor in (buffer.store, buffer.page_table, buffer.sizes)] == before


def test_drawing_never_waits_for_a_value_of_a_tensor():
    class Refuse(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            name = str(func)
            assert not any(word in name for word in ("_local_scalar_dense", "nonzero", "masked_select", "aten.item")), name
            return func(*args, **(kwargs or {}))

    buffer = make_buffer(3, capacity=100)
    buffer.add_paths([0, 1, 2], numbered_paths([3, 4, 5], 0))
    ids, generator = torch.tensor([2, 0]), torch.Generator().manual_seed(0)
    with Refuse():
        buffer.random_batch(ids, 16, generator)


def test_a_buffer_like_another_has_its_rows_but_none_of_its_data():
    buffer = make_buffer(3, capacity=50, dtype=torch.float64)
    buffer.add_paths([0], numbered_paths([3], 0))
    other = buffer.like(num_tasks=5)
    assert (other.num_tasks, other.capacity, other.width, other.dtype) == (5, 50, WIDTH, torch.float64)
    assert other.num_rows == 0


def test_the_simple_buffer_is_a_buffer_of_one_task():
    buffer = SimpleReplayBuffer(OBS, ACT, capacity=20)
    buffer.add_paths([0, 0], numbered_paths([3, 4], 0))
    assert (buffer.num_tasks, buffer.size(0)) == (1, 7)
