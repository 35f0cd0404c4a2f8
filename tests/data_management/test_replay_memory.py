"""Memory that the kernel reports for a replay buffer of the size of the cheetah-vel run."""

import sys

import numpy as np
import pytest

from benchmarks.replay_memory import resident_bytes as resident
from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="mincore and MADV_DONTNEED are Linux's"
)

TASKS, OBS, ACT, HORIZON = 100, 20, 6, 200
ROW_BYTES = 4 * (2 * OBS + ACT + 3)


def resident_bytes(buffer):
    """Bytes of the store that are in memory, and of its tables."""
    pages = buffer.rows.pages
    return resident(pages.data) + pages.table.nbytes + buffer.rows.sizes.nbytes


def make_buffer(reserve_rows=2_700_000):
    return MultiTaskReplayBuffer(TASKS, OBS, ACT, reserve_rows=reserve_rows)


def make_paths(num_paths, length=HORIZON):
    paths = Paths.empty(num_paths, HORIZON, OBS, ACT, outcome_dim=2)
    paths.obs[:, : length + 1], paths.rewards[:, :length], paths.lengths[:] = 1, 2, length
    return paths


def assert_lean(buffer):
    data = buffer.num_rows * ROW_BYTES
    assert data <= resident_bytes(buffer) <= 1.2 * data


# A reserve for 2.7 million rows has tables of 43 kB, which is more than a few rows take.
TABLES = 44_000


def test_an_empty_buffer_takes_no_memory_whatever_it_reserves():
    buffer = make_buffer()
    assert buffer.rows.pages.data.numel() * 4 > 500e6
    assert resident_bytes(buffer) < TABLES


def test_the_initial_pool_of_cheetah_vel_takes_at_most_208_bytes_a_row():
    buffer = make_buffer()
    buffer.add_paths(np.repeat(np.arange(TASKS), 10), make_paths(1000))
    assert buffer.num_rows == 200_000
    assert resident_bytes(buffer) <= 208 * buffer.num_rows
    pages = buffer.rows.pages
    # What a GPU would hold, slack of pages included.
    assert pages.num_owned * pages.page_rows * ROW_BYTES <= 208 * buffer.num_rows


def test_unequal_filling_takes_at_most_a_fifth_more_than_the_data():
    buffer = make_buffer(reserve_rows=0)
    for count, tasks in ((1, 1), (1, TASKS), (40, 3), (7, 50)):
        buffer.add_paths(np.repeat(np.arange(tasks), count), make_paths(count * tasks))
        assert_lean(buffer)


def test_clearing_everything_but_a_little_gives_the_memory_back():
    buffer = make_buffer(reserve_rows=0)
    buffer.add_paths(np.repeat(np.arange(TASKS), 10), make_paths(1000))
    for task in range(TASKS):
        if task != 7:
            buffer.clear(task)
    assert buffer.num_rows == 2000
    assert_lean(buffer)
    buffer.clear(7)
    buffer.add_paths([50], make_paths(1))
    assert_lean(buffer)
    buffer.clear(50)
    assert resident_bytes(buffer) < TABLES


def test_clearing_and_refilling_as_the_encoder_buffer_does_stays_lean():
    buffer, rng = make_buffer(), np.random.default_rng(0)
    buffer.add_paths(np.repeat(np.arange(TASKS), 2), make_paths(2 * TASKS))
    for _ in range(30):
        task = int(rng.integers(TASKS))
        buffer.clear(task)
        buffer.add_paths(np.full(2, task), make_paths(2))
        assert_lean(buffer)


def test_short_episodes_stay_lean_from_a_hundred_rows_a_task_on():
    buffer = make_buffer(reserve_rows=0)
    buffer.add_paths(np.repeat(np.arange(TASKS), 4), make_paths(4 * TASKS, length=30))
    assert_lean(buffer)


def test_growing_makes_no_page_resident_that_holds_no_row():
    buffer = make_buffer(reserve_rows=0)
    stores = set()
    for _ in range(12):
        buffer.add_paths(np.arange(TASKS), make_paths(TASKS))
        stores.add(buffer.rows.pages.data.data_ptr())
        assert_lean(buffer)
    assert len(stores) > 1


def test_the_memory_before_growth_is_given_back_page_by_page():
    buffer = make_buffer(reserve_rows=0)
    buffer.add_paths(np.repeat(np.arange(TASKS), 5), make_paths(5 * TASKS))
    old = buffer.rows.pages.data  # keeps the old addresses alive
    while buffer.rows.pages.data is old:
        buffer.add_paths(np.arange(TASKS), make_paths(TASKS))
    assert resident(old) < TABLES


def test_pages_of_wide_rows_are_at_most_a_megabyte_and_whole_pages_of_the_system():
    humanoid = MultiTaskReplayBuffer(3, 376, 17)
    assert make_buffer().rows.pages.page_rows == 1024
    assert humanoid.rows.pages.page_rows == 256
    assert 256 * humanoid.rows.row_bytes <= 2**20
    assert 256 * humanoid.rows.row_bytes % 4096 == 0
