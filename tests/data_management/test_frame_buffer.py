"""The frame buffer compared with a plain model: both stacks of every row in full rings."""

import numpy as np
import pytest
import torch

from rlkit.data_management import frame_buffer
from rlkit.data_management.frame_buffer import FrameReplayBuffer, stacked
from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer

TASKS, CAPACITY, FRAMES, DIM, HORIZON = 3, 11, 3, 5, 7


def make_buffer(**options):
    """A small buffer whose rings and pages of frames are soon full."""
    sizes = {"capacity": CAPACITY, "page_rows": 4, "page_frames": 4}
    return FrameReplayBuffer(TASKS, DIM, FRAMES, 1, **sizes, **options)


def random_paths(rng, lengths):
    """Trajectories of random images; every step has a unique reward."""
    paths = Paths.empty(len(lengths), HORIZON, DIM, 1, outcome_dim=1, obs_dtype=np.uint8)
    for i, length in enumerate(lengths):
        if length:
            paths.obs[i, : length + 1] = rng.integers(256, size=(length + 1, DIM))
        paths.rewards[i, :length] = rng.random(length)
        paths.lengths[i] = length
    return paths


def rows_of(paths):
    """(stack, next stack, reward) of every step, assembled frame by frame."""
    for i, length in enumerate(paths.lengths):
        seen = [[paths.obs[i, max(0, t - back)] for back in (2, 1, 0)] for t in range(length + 1)]
        for t in range(length):
            yield np.concatenate(seen[t]), np.concatenate(seen[t + 1]), paths.rewards[i, t]


class PlainRings:
    """Reference implementation with lists: the last rows of each task at their positions."""

    def __init__(self):
        self.added = [[] for _ in range(TASKS)]

    def rows(self, task):
        places = {number % CAPACITY: row for number, row in enumerate(self.added[task])}
        return [places[place] for place in sorted(places)]


def assert_same(buffer, plain):
    for task in range(TASKS):
        expected = plain.rows(task)
        assert buffer.size(task) == len(expected)
        if not expected:
            continue
        batch = buffer.gather([task], torch.arange(len(expected))[None])
        assert batch.obs.dtype == torch.uint8
        for found, wanted in zip(
            (batch.obs, batch.next_obs, batch.rewards[..., 0]),
            zip(*expected, strict=True),
            strict=True,
        ):
            assert np.array_equal(found[0].numpy(), np.stack(wanted))


def walk(rng, buffer, plain, num_steps):
    """Random trajectories, several tasks at once, and clearings, to both."""
    for _ in range(num_steps):
        if rng.random() < 0.15:
            task = int(rng.integers(TASKS))
            buffer.clear(task)
            plain.added[task] = []
            continue
        task_ids = rng.integers(TASKS, size=int(rng.integers(1, 4)))
        paths = random_paths(rng, rng.integers(0, HORIZON + 1, size=len(task_ids)))
        buffer.add_paths(task_ids, paths)
        for i, task in enumerate(task_ids):
            plain.added[task] += rows_of(paths.select([i]))


@pytest.mark.parametrize("seed", range(5))
def test_stacks_and_next_stacks_are_those_of_the_episodes_however_the_rings_turn(seed):
    rng, buffer, plain = np.random.default_rng(seed), make_buffer(), PlainRings()
    for _ in range(30):
        walk(rng, buffer, plain, 3)
        assert_same(buffer, plain)


def test_an_episode_longer_than_the_ring_leaves_its_last_rows():
    rng, buffer, plain = np.random.default_rng(0), make_buffer(), PlainRings()
    paths = [random_paths(rng, [HORIZON]) for _ in range(5)]
    for path in paths:
        plain.added[1] += rows_of(path)
    buffer.add_paths([1] * 5, Paths.concatenate(paths))
    assert_same(buffer, plain)


def test_a_step_of_an_episode_shows_the_pictures_before_it_and_never_another_episodes():
    assert stacked(5, 3).tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert stacked(3, 1).tolist() == [[0], [1], [2]]


def test_pictures_are_stored_once_and_removed_with_the_last_row_that_shows_them():
    rng, buffer = np.random.default_rng(1), make_buffer()
    for _ in range(20):
        buffer.add_paths([0], random_paths(rng, [HORIZON]))
    # The oldest of 11 rows is the fourth step of its episode, which shows frames 1 to 3 of 0 to 7.
    # A whole episode follows.
    assert buffer.frames.num_rows == 7 + 8
    assert len(buffer.frames.pages.data) <= 4 * 8  # pages were freed and used again


def test_a_copy_of_a_tasks_rows_brings_its_pictures_along():
    rng, source, target, plain = (
        np.random.default_rng(2),
        make_buffer(),
        make_buffer(),
        PlainRings(),
    )
    walk(rng, target, plain, 6)
    like = source.empty_like(1)
    paths = random_paths(rng, [4, 0, 7, 5])  # more than the ring holds: it begins inside an episode
    like.add_paths([0] * 4, paths)
    target.add_copy(2, like, 0)
    plain.added[2] += list(rows_of(paths))[-CAPACITY:]
    assert_same(target, plain)
    assert target.episodes.lengths(2)[-2:].tolist() == like.episodes.lengths(0)[-2:].tolist()
    with pytest.raises(ValueError, match="without frames"):
        target.add_rows(2, like.rows.oldest_first(0))
    plain_buffer = MultiTaskReplayBuffer(1, FRAMES, 1)
    plain_buffer.add_rows(0, like.rows.oldest_first(0))
    with pytest.raises(ValueError, match="without frames"):
        target.add_copy(2, plain_buffer, 0)
    assert_same(target, plain)


def test_a_buffer_loaded_from_its_segments_is_the_same_and_goes_on_the_same():
    rng, buffer, plain = np.random.default_rng(3), make_buffer(), PlainRings()
    stores, totals, segments = buffer.saved_as("replay"), {}, {"replay": [], "replay_frames": []}
    for _ in range(6):
        walk(rng, buffer, plain, 4)
        for name, store in stores.items():
            state = store.state_dict()
            segments[name].append(
                store.segment(totals.get(name, torch.zeros_like(state["totals"])))
            )
            totals[name] = state["totals"]
    loaded = make_buffer()
    loaded.add_paths([0], random_paths(rng, [3]))  # is replaced
    for name, store in loaded.saved_as("replay").items():
        store.load_state_dict(stores[name].state_dict())
        assert (
            sum(store.load_segment(*segment) for segment in segments[name])
            == store.num_rows
            == stores[name].num_rows
        )
    assert_same(loaded, plain)
    for seed in range(4):
        walk(np.random.default_rng(seed), loaded, plain, 3)
        assert_same(loaded, plain)
    with pytest.raises(ValueError, match="kept_from of 3 tasks"):
        loaded.frames.load_state_dict(stores["replay"].state_dict())


def test_drawn_rows_are_rows_of_their_tasks():
    rng, buffer, plain = np.random.default_rng(4), make_buffer(), PlainRings()
    for task in range(TASKS):
        paths = random_paths(rng, [3, 6])
        buffer.add_paths([task, task], paths)
        plain.added[task] += rows_of(paths)
    batch = buffer.random_batch([2, 0], 50, torch.Generator().manual_seed(0))
    for line, task in enumerate([2, 0]):
        known = {row[2].item(): row for row in plain.rows(task)}
        for k in range(50):
            stack, following, _ = known[batch.rewards[line, k].item()]
            assert np.array_equal(batch.obs[line, k], stack)
            assert np.array_equal(batch.next_obs[line, k], following)


def test_what_is_no_picture_is_refused_and_so_are_more_than_can_be_numbered(monkeypatch):
    buffer, rng = make_buffer(), np.random.default_rng(5)
    states = Paths.empty(1, HORIZON, DIM, 1, outcome_dim=1)
    with pytest.raises(ValueError, match=r"frames of 5 numbers, uint8, got float32 \(5,\)"):
        buffer.add_paths([0], states)
    with pytest.raises(ValueError, match="one task id for each of 1 paths"):
        buffer.add_paths([0, 1], random_paths(rng, [2]))
    monkeypatch.setattr(frame_buffer, "MOST_FRAMES", 20)
    buffer.add_paths([0, 0], random_paths(rng, [7, 7]))
    with pytest.raises(ValueError, match="more than 20 frames"):
        buffer.add_paths([0], random_paths(rng, [7]))


def test_a_loaded_buffer_has_pages_for_the_pictures_that_are_left_only():
    rng, buffer, loaded = np.random.default_rng(6), make_buffer(), make_buffer()
    for _ in range(40):
        buffer.add_paths([0], random_paths(rng, [HORIZON]))
    loaded.frames.load_state_dict(buffer.frames.state_dict())
    loaded.frames.load_segment(*buffer.frames.segment(torch.zeros(TASKS, dtype=torch.int64)))
    assert len(loaded.frames.pages.data) == len(buffer.frames.pages.data)
    assert torch.equal(loaded.frames.oldest_first(0), buffer.frames.oldest_first(0))
