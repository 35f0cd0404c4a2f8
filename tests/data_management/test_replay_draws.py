"""Draws from a replay buffer: uniform, reproducible, views of one gather; rejected input."""

import numpy as np
import pytest
import torch

from tests.data_management.numbered_rows import ACT, OBS, WIDTH, make_buffer, numbered_paths


def test_a_batch_is_views_of_one_tensor_with_the_columns_of_the_row():
    buffer = make_buffer(3, capacity=100)
    buffer.add_paths([0, 2], numbered_paths([7, 5], 0))
    batch = buffer.random_batch([2, 0, 2], 20, torch.Generator().manual_seed(0))
    assert [tuple(part.shape) for part in batch] == [
        (3, 20, dim) for dim in (OBS, ACT, 1, 1, OBS, 1)
    ]
    assert len({part.untyped_storage().data_ptr() for part in batch}) == 1
    assert torch.equal(batch.next_obs, batch.obs + 1)
    assert torch.equal(batch.actions, -batch.rewards)
    assert torch.equal(batch.terminated, batch.rewards % 2)
    assert set(batch.rewards[1].flatten().tolist()) <= set(range(7))
    assert set(batch.rewards[[0, 2]].flatten().tolist()) <= set(range(7, 12))


def test_rows_are_drawn_uniformly_over_the_filled_part():
    buffer = make_buffer(2, capacity=100)
    buffer.add_paths([0, 1], numbered_paths([5, 3], 0))
    rewards = buffer.random_batch([0, 1], 30_000, torch.Generator().manual_seed(0)).rewards[..., 0]
    rows = rewards.long() - torch.tensor([[0], [5]])
    for task, size in enumerate((5, 3)):
        counts = rows[task].bincount(minlength=size)
        assert len(counts) == size
        expected = 30_000 / size
        assert (
            (counts - expected) ** 2 / expected
        ).sum() < 20  # chi squared; beyond it with probability 5e-4 at most


def test_equal_generators_draw_equal_batches_and_others_do_not():
    buffer = make_buffer(2, capacity=1000)
    buffer.add_rows(0, torch.randn(500, WIDTH, generator=torch.Generator().manual_seed(1)))
    draws = [
        buffer.random_batch([0, 0], 30, torch.Generator().manual_seed(seed)).obs
        for seed in (5, 5, 6)
    ]
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
        lambda: buffer.random_batch([3], 2, torch.Generator()),
        lambda: buffer.add_paths([-1], numbered_paths([2], 0)),
        lambda: buffer.clear(3),
        lambda: buffer.rows_of(-1),
    ):
        with pytest.raises(ValueError, match="expected task ids from 0 to 2, got"):
            act()
    assert buffer.num_rows == 0


def test_drawing_never_waits_for_a_value_of_a_tensor():
    class Refuse(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            name = str(func)
            assert not any(
                word in name
                for word in ("_local_scalar_dense", "nonzero", "masked_select", "aten.item")
            ), name
            return func(*args, **(kwargs or {}))

    buffer = make_buffer(3, capacity=100)
    buffer.add_paths([0, 1, 2], numbered_paths([3, 4, 5], 0))
    ids, generator = torch.tensor([2, 0]), torch.Generator().manual_seed(0)
    with Refuse():
        buffer.random_batch(ids, 16, generator)
