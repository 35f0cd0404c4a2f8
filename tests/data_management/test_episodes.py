"""Whole episodes of a replay buffer: kept through full rings and checkpoints, and drawn."""

import numpy as np
import pytest
import torch

from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer

HORIZON = 5


def make_buffer(num_tasks=3, capacity=23, page_rows=4):
    return MultiTaskReplayBuffer(num_tasks, 1, 1, capacity=capacity, page_rows=page_rows)


def make_paths(lengths, start):
    """Trajectories whose rewards number their transitions from `start` on.

    Their observations are the index of the step.
    """
    paths = Paths.empty(len(lengths), HORIZON, 1, 1, 1)
    for i, length in enumerate(lengths):
        paths.obs[i, :, 0] = np.arange(HORIZON + 1)
        paths.rewards[i, :length] = start + np.arange(length)
        paths.lengths[i] = length
        start += length
    return paths


def filled(lengths, capacity=1000):
    """A buffer whose task 1 has episodes of these lengths, numbered from 0."""
    buffer = make_buffer(capacity=capacity)
    buffer.add_paths([1] * len(lengths), make_paths(lengths, 0))
    return buffer


def episodes_of(buffer, task):
    """Numbers of the transitions of each whole episode in the buffer."""
    if not len(buffer.episodes.lengths(task)):
        return []
    batch = buffer.by_episode.newest_episodes(task, 10**6)
    numbers, begins = batch.rows.rewards[0, :, 0].tolist(), batch.begins[0].tolist()
    episodes = []
    for number, begin in zip(numbers, begins, strict=True):
        if begin:
            episodes.append([])
        episodes[-1].append(int(number))
    return episodes


def random_walk(seed, buffer, model, after_step):
    """Add paths and clear tasks at random; the model lists the row numbers of every episode."""
    rng, number = np.random.default_rng(seed), 0
    for _ in range(40):
        if rng.integers(8) == 0:
            task = int(rng.integers(3))
            buffer.clear(task)
            model[task] = []
        lengths = rng.integers(0, HORIZON + 1, size=rng.integers(0, 5))
        tasks = rng.integers(3, size=len(lengths))
        buffer.add_paths(tasks, make_paths(lengths, number))
        for task, length in zip(tasks.tolist(), lengths.tolist(), strict=True):
            if length:
                model[task].append(list(range(number, number + length)))
            number += length
        after_step(rng)


def still_whole(episodes, capacity):
    """The last episodes that fit into the ring."""
    kept, rows = [], 0
    for episode in reversed(episodes):
        rows += len(episode)
        if rows > capacity:
            break
        kept.insert(0, episode)
    return kept


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("capacity", [5, 23, 1000])
def test_random_additions_and_clearings_leave_the_episodes_that_are_whole(seed, capacity):
    buffer, model = make_buffer(capacity=capacity), [[], [], []]

    def check(rng):
        for task in range(3):
            assert episodes_of(buffer, task) == still_whole(model[task], capacity)

    random_walk(seed, buffer, model, check)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("capacity", [23, 1000])
def test_a_rebuilt_buffer_has_the_same_episodes_and_draws_alike(seed, capacity):
    buffer = make_buffer(capacity=capacity)
    random_walk(seed, buffer, [[], [], []], lambda rng: None)
    for task in range(3):
        buffer.add_paths([task], make_paths([HORIZON], 10_000))
    rebuilt = make_buffer(capacity=capacity)
    rebuilt.add_paths([1, 1], make_paths([5, 2], 900))  # must not stay
    rebuilt.load_state_dict(buffer.state_dict())
    rebuilt.load_segment(*buffer.segment(torch.zeros(3)))
    for each in (buffer, rebuilt):
        each.add_paths([0, 1, 2], make_paths([5, 4, 3], 20_000))
    for task in range(3):
        assert episodes_of(rebuilt, task) == episodes_of(buffer, task)
    ours, theirs = (
        each.by_episode.random_episodes([2, 0, 1], 2, HORIZON, torch.Generator().manual_seed(3))
        for each in (buffer, rebuilt)
    )
    assert torch.equal(ours.rows.rewards, theirs.rows.rewards) and torch.equal(
        ours.mask, theirs.mask
    )
    few = [
        each.by_episode.random_batch_from_window(
            [2, 0, 1], 2, 9, torch.Generator().manual_seed(3)
        ).rewards
        for each in (buffer, rebuilt)
    ]
    assert torch.equal(*few)


def test_a_state_written_before_episodes_were_kept_loads_and_has_rows_only():
    buffer = filled([5, 3])
    state = {
        name: value for name, value in buffer.state_dict().items() if name in ("totals", "origins")
    }
    rebuilt = make_buffer(capacity=1000)
    rebuilt.load_state_dict(state)
    rebuilt.load_segment(*buffer.segment(torch.zeros(3)))
    assert torch.equal(rebuilt.rows_of(1), buffer.rows_of(1))
    with pytest.raises(
        ValueError, match=r"cannot draw episodes of tasks without a whole one: \[1\]"
    ):
        rebuilt.by_episode.random_episodes([1], 2, HORIZON, torch.Generator())
    rebuilt.add_paths([1], make_paths([4], 50))
    assert episodes_of(rebuilt, 1) == [[50, 51, 52, 53]]


def test_boundaries_that_do_not_fit_are_refused():
    state = filled([5, 3]).state_dict()
    with pytest.raises(ValueError, match="2 boundaries"):
        make_buffer().load_state_dict({**state, "boundaries": state["boundaries"][:2]})


def test_boundaries_take_an_integer_an_episode_and_less_than_twice_that_in_reserve():
    buffer = make_buffer(num_tasks=50, capacity=10**6)
    for start in range(40):
        buffer.add_paths(np.arange(50), make_paths([5] * 50, start))
    assert buffer.episodes.bounds.nbytes <= 3 * 8 * 50 * 40
    assert len(buffer.state_dict()["boundaries"]) == 50 * 41


def test_a_copy_of_a_task_keeps_its_order_and_its_episodes_when_the_ring_has_wrapped_round():
    source, target = filled([5, 4, 3], capacity=9), make_buffer(capacity=1000)
    target.add_copy(2, source, 1)
    assert target.rows_of(2)[:, 2].tolist() == list(range(3, 12))
    assert episodes_of(target, 2) == [[5, 6, 7, 8], [9, 10, 11]]
    with pytest.raises(ValueError, match=r"episodes of \[4, 6\] steps cannot be the end of 9 rows"):
        target.add_rows(2, source.rows.oldest_first(1), np.array([4, 6]))


def test_newest_episodes_are_the_fewest_that_have_so_many_rows():
    buffer = filled([5, 2, 5, 1, 5])
    for num_rows, expected in ((5, 5), (6, 6), (7, 11), (10, 11), (12, 13), (18, 18), (100, 18)):
        batch = buffer.by_episode.newest_episodes(1, num_rows)
        assert batch.rows.rewards[0, :, 0].tolist() == list(range(18 - expected, 18))
        assert batch.mask.all()
        assert torch.equal(batch.begins[0], batch.rows.obs[0, :, 0] == 0)


def drawn_stretches(buffer, most, count=4000):
    batch = buffer.by_episode.random_episodes(
        [1] * count, most, HORIZON, torch.Generator().manual_seed(0)
    )
    numbers = batch.rows.rewards[..., 0]
    assert torch.equal(batch.begins, batch.rows.obs[..., 0] == 0)
    lengths = batch.mask.sum(1)
    assert torch.equal(
        batch.mask, torch.arange(batch.mask.shape[1]) < lengths[:, None]
    )  # true entries first
    first = numbers[:, :1]
    assert torch.equal(
        numbers[batch.mask], (first + torch.arange(numbers.shape[1]))[batch.mask]
    )  # consecutive
    return first[:, 0].long(), lengths, batch


def test_stretches_of_full_episodes_are_k_consecutive_ones_from_a_uniform_boundary():
    first, lengths, batch = drawn_stretches(filled([5] * 6), most=3)
    assert batch.mask.shape[1] == 15  # exactly as long as the longest
    counts = {(k, s): 0 for k in (1, 2, 3) for s in range(7 - k)}
    for s, length in zip((first // 5).tolist(), (lengths // 5).tolist(), strict=True):
        counts[length, s] += 1  # KeyError where a stretch runs over the end
    assert not (first % 5).any() and not (lengths % 5).any()
    for (k, _), count in counts.items():
        expected = 4000 / 3 / (7 - k)
        assert abs(count - expected) < 5 * expected**0.5


def test_a_task_with_fewer_episodes_than_drawn_gives_all():
    first, lengths, _ = drawn_stretches(filled([5, 5]), most=4)
    assert set(zip(first.tolist(), lengths.tolist(), strict=True)) == {(0, 5), (5, 5), (0, 10)}
    assert (lengths == 10).float().mean().item() == pytest.approx(3 / 4, abs=0.05)


def test_stretches_of_short_episodes_are_the_fewest_whole_ones_that_have_k_horizons_of_rows():
    sizes = [3, 5, 1, 4, 2, 5, 5]
    bounds = np.cumsum([0, *sizes]).tolist()
    first, lengths, batch = drawn_stretches(filled(sizes), most=2)
    assert batch.mask.shape[1] == 2 * HORIZON + HORIZON - 1
    possible = set()
    for k in (1, 2):
        for begin in bounds[:-1]:
            ends = [end for end in bounds if end - begin >= k * HORIZON]
            if ends:
                possible.add((begin, ends[0] - begin))
    assert set(zip(first.tolist(), lengths.tolist(), strict=True)) == possible


def test_trajectories_are_drawn_whole_and_uniformly_and_the_last_is_cut():
    sizes = [5, 1, 3]
    buffer = filled(sizes)
    batch = buffer.by_episode.random_trajectories([1] * 2000, 8, torch.Generator().manual_seed(0))
    assert batch.rewards.shape == (2000, 8, 1)
    counts, bounds = [0, 0, 0], [0, 5, 6]
    for row in batch.rewards[..., 0].long().tolist():
        counts[bounds.index(row[0])] += 1
        at = 0
        while at < 8:
            episode = bounds.index(row[at])
            piece = row[at : at + sizes[episode]]
            assert piece == list(range(bounds[episode], bounds[episode] + sizes[episode]))[: 8 - at]
            at += sizes[episode]
    assert max(abs(count - 2000 / 3) for count in counts) < 5 * (2000 / 3) ** 0.5


def test_trajectories_of_a_wrapped_ring_are_found_at_their_places():
    buffer = filled([5, 4, 3], capacity=9)
    rewards = buffer.by_episode.random_trajectories(
        [1], 40, torch.Generator().manual_seed(0)
    ).rewards
    assert set(rewards.flatten().tolist()) == set(range(5, 12))


def test_rows_of_a_few_trajectories_are_of_k_consecutive_ones_from_a_uniform_first_one():
    sizes, count = [5, 1, 3, 4], 6000
    bounds = np.cumsum([0, *sizes])
    batch = filled(sizes).by_episode.random_batch_from_window(
        [1] * count, 3, 60, torch.Generator().manual_seed(0)
    )
    assert batch.rewards.shape == (count, 60, 1)
    numbers = batch.rewards[..., 0].numpy()
    # Sixty draws hardly ever miss the first or last row of so few, so they show which trajectories
    # they come from.
    first, last = (
        np.searchsorted(bounds, extreme, "right") - 1
        for extreme in (numbers.min(1), numbers.max(1))
    )
    for k in (1, 2, 3):
        for begin in range(5 - k):
            seen = (first == begin) & (last == begin + k - 1)
            assert seen.mean() == pytest.approx(1 / 3 / (5 - k), abs=0.02)
            shares = (
                np.bincount(numbers[seen].ravel().astype(int) - bounds[begin]) / numbers[seen].size
            )
            assert shares == pytest.approx(1 / (bounds[begin + k] - bounds[begin]), abs=0.01)


def test_a_task_with_fewer_trajectories_than_drawn_gives_rows_of_all():
    numbers = (
        filled([5, 5])
        .by_episode.random_batch_from_window([1] * 2000, 4, 40, torch.Generator().manual_seed(0))
        .rewards[..., 0]
    )
    low, high = (numbers < 5).any(1), (numbers >= 5).any(1)
    assert (low & high).float().mean().item() == pytest.approx(3 / 4, abs=0.05)
    assert (low & ~high).float().mean().item() == pytest.approx(1 / 8, abs=0.04)


def test_rows_of_a_few_trajectories_of_a_wrapped_ring_are_of_whole_ones():
    numbers = (
        filled([5, 4, 3], capacity=9)
        .by_episode.random_batch_from_window([1], 2, 200, torch.Generator().manual_seed(0))
        .rewards
    )
    assert set(numbers.flatten().tolist()) <= set(range(5, 12))
    without = make_buffer()
    without.add_rows(1, torch.zeros(3, without.rows.width), np.array([], np.int64))
    with pytest.raises(ValueError, match=r"without a whole one: \[1\]"):
        without.by_episode.random_batch_from_window([1], 2, 4, torch.Generator())
