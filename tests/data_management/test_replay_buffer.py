"""The replay buffer: storage, rejected sizes, growth."""

import numpy as np
import pytest
import torch

from rlkit.data_management.paths import Paths
from rlkit.data_management.simple_replay_buffer import SimpleReplayBuffer
from tests.data_management.numbered_rows import ACT, OBS, WIDTH, make_buffer, numbered_paths


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
    assert buffer.rows.pages.data.dtype == torch.float32
    assert buffer.rows_of(0)[0, 3].item() == np.float32(1 / 3)
    double = make_buffer(dtype=torch.float64)
    double.add_paths([0], paths)
    assert double.rows_of(0)[0, 3].item() == 1 / 3


def test_paths_and_rows_of_other_dimensions_are_refused():
    buffer = make_buffer(3)
    with pytest.raises(ValueError, match=r"\(obs_dim, act_dim\) = \(2, 1\), got \(3, 1\)"):
        buffer.add_paths([0], Paths.empty(1, 4, 3, 1, 1))
    with pytest.raises(ValueError, match="one task id for each of 2 paths"):
        buffer.add_paths([0], numbered_paths([1, 1], 0))
    with pytest.raises(ValueError, match="expected rows"):
        buffer.add_rows(0, torch.zeros(3, WIDTH + 1))


@pytest.mark.parametrize(
    "options", [{"page_rows": 3}, {"page_rows": 0}, {"capacity": 0}, {"num_tasks": 0}]
)
def test_sizes_that_make_no_buffer_are_refused_by_name(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        make_buffer(**options)


def test_within_the_reserve_no_tensor_of_the_buffer_moves():
    buffer = make_buffer(3, capacity=100, reserve_rows=120)

    def addresses():
        pages = buffer.rows.pages
        return [tensor.data_ptr() for tensor in (pages.data, pages.table, buffer.rows.sizes)]

    before = addresses()
    for i in range(17):
        buffer.add_paths([i % 3], numbered_paths([7], 7 * i))
    buffer.clear(1)
    buffer.add_paths([1], numbered_paths([7], 0))
    assert addresses() == before


def test_a_buffer_like_another_has_its_rows_but_none_of_its_data():
    buffer = make_buffer(3, capacity=50, dtype=torch.float64)
    buffer.add_paths([0], numbered_paths([3], 0))
    other = buffer.empty_like(num_tasks=5)
    rows = other.rows
    assert (other.num_tasks, rows.num_tasks, rows.capacity, rows.width) == (5, 5, 50, WIDTH)
    assert rows.dtype == torch.float64
    assert other.num_rows == 0


def test_the_simple_buffer_is_a_buffer_of_one_task():
    buffer = SimpleReplayBuffer(OBS, ACT, capacity=20)
    buffer.add_paths([0, 0], numbered_paths([3, 4], 0))
    assert (buffer.num_tasks, buffer.size(0)) == (1, 7)
