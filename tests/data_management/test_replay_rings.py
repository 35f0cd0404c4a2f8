"""The replay buffer compared with a plain model under random additions, clearing and loading."""

import numpy as np
import pytest
import torch

from tests.data_management.numbered_rows import WIDTH, make_buffer, numbered_paths, row_of


class PlainRings:
    """Reference implementation with lists: a task's row at each position."""

    def __init__(self, num_tasks, capacity):
        self.rows, self.added, self.capacity = (
            [{} for _ in range(num_tasks)],
            [0] * num_tasks,
            capacity,
        )

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
        expected = torch.tensor(plain.rows_of(task), dtype=buffer.rows.dtype).view(-1, WIDTH)
        assert torch.equal(buffer.rows_of(task), expected)
        assert buffer.size(task) == int(buffer.rows.sizes[task]) == len(rows)
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
            count = int(
                rng.integers(2 * buffer.rows.capacity + 2)
            )  # more than a whole ring, sometimes
            buffer.add_rows(
                task, torch.tensor([row_of(number + i) for i in range(count)]).view(-1, WIDTH)
            )
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
    rebuilt.add_paths([1, 1], numbered_paths([5, 7], 900))  # previous content must not remain
    rebuilt.load_state_dict(buffer.state_dict())
    restored = sum(rebuilt.load_segment(entries, rows) for entries, rows in segments)
    assert restored == buffer.num_rows
    assert_same(rebuilt, plain)
    # Both continue equally and draw the same rows.
    for each in (buffer, rebuilt):
        each.add_paths([0, 1, 2], numbered_paths([5, 6, 7], 10_000))
    drawn = [
        torch.cat(each.random_batch([2, 0, 1], 50, torch.Generator().manual_seed(3)), -1)
        for each in (buffer, rebuilt)
    ]
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


def test_growth_beyond_the_reserve_keeps_all_rows():
    buffer, plain = make_buffer(2, capacity=200), PlainRings(2, 200)
    first_store = len(buffer.rows.pages.data)
    for i in range(30):
        buffer.add_paths([i % 2, 1], numbered_paths([7, 6], 13 * i))
        plain.add(i % 2, range(13 * i, 13 * i + 7))
        plain.add(1, range(13 * i + 7, 13 * i + 13))
        assert_same(buffer, plain)
    assert len(buffer.rows.pages.data) > 4 * first_store
