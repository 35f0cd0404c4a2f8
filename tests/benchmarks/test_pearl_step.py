"""References of the step benchmark: the counted matrix products, and the twin's inputs."""

import numpy as np
import pytest
import torch

from benchmarks.pearl_step import ROWS_PER_TASK, fill, flops_of
from benchmarks.step_floor import Product, floor_seconds, products
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.envs import make_env
from rlkit.launchers.load_config import load_config
from rlkit.launchers.pearl import PEARL
from tests.reference.plain_rollouts import PlainCheetah


def test_the_floor_of_cheetah_vel_counts_27_gflop():
    networks = PEARL().build(load_config("configs/cheetah-vel.json"), "cpu", 0).networks
    counts = products(networks, rows=16 * 256, context_rows=16 * 100)
    gflop = sum(product.flops * count for product, count in counts.items()) / 1e9
    assert gflop == pytest.approx(27.0, abs=0.15)


def test_every_product_of_the_floor_is_timed():
    counts = {Product(kind, 64, 5, 7): 2 for kind in ("forward", "dx", "dw")}
    assert 0 < floor_seconds(counts, num_threads=2, repeats=1) < 1


def test_flops_are_counted_of_matrix_products():
    assert flops_of(lambda: torch.ones(3, 4) @ torch.ones(4, 5)) == pytest.approx(
        2 * 3 * 4 * 5 / 1e9
    )


def test_the_twin_gets_the_rows_of_the_buffer():
    buffer = MultiTaskReplayBuffer(2, 3, 2)
    twins = fill(buffer, np.random.RandomState(0))
    for task_id, twin in enumerate(twins):
        assert twin.size == buffer.size(task_id) == ROWS_PER_TASK
        rows = buffer.rows_of(task_id)
        np.testing.assert_array_equal(twin.fields["obs"].astype(np.float32), rows[:, :3].numpy())


def test_the_plain_cheetah_earns_what_a_lane_earns():
    env = make_env("cheetah-vel", n_tasks=1, dtype=np.float64)
    env.reset_task([0])
    env.reset([np.random.default_rng(0)])
    plain = PlainCheetah(env.unwrapped.model, seed=0)
    plain.goal = float(env.tasks[0, 0])
    plain.reset()
    env.env.set_state(plain.data.qpos[None], plain.data.qvel[None])
    rng = np.random.default_rng(1)
    for _ in range(10):
        action = rng.uniform(-1, 1, 6)
        obs, reward, *_ = env.step(action[None])
        plain_obs, plain_reward, *_ = plain.step(action)
        assert reward[0] == pytest.approx(plain_reward, abs=1e-9)
        np.testing.assert_allclose(plain_obs, obs[0], atol=1e-6)
