"""Lanes stopped inside episodes resume bit for bit."""

import importlib.util

import numpy as np
import pytest
import torch

from rlkit.core.seeding import stream
from rlkit.envs import make_env
from rlkit.torch.steve.lanes import Lanes
from rlkit.torch.steve.policy import explore


def lanes(name: str, horizon: int = 30, count: int = 3) -> Lanes:
    return Lanes(make_env(name, num_envs=count), horizon, seed=5)


def steps(found: Lanes, first: int, last: int) -> torch.Tensor:
    shape = found.num_lanes, found.env.act_dim
    actions = [stream(1, "actions", t).uniform(-1, 1, shape) for t in range(first, last)]
    return torch.stack([found.step(action.astype(np.float32)) for action in actions])


HARDCORE = pytest.param(
    "BipedalWalkerHardcore-v3",
    marks=pytest.mark.skipif(
        importlib.util.find_spec("Box2D") is None, reason="Box2D is not installed (extra steve)"
    ),
)


@pytest.mark.parametrize("name", ["Pendulum-v1", "Hopper-v5", "cheetah-run", HARDCORE])
@pytest.mark.parametrize("stop", [0, 17, 30, 44])
def test_a_stopped_lane_goes_on_bit_for_bit(name, stop):
    whole = lanes(name)
    expected = steps(whole, 0, 60)
    one = lanes(name)
    before, state = steps(one, 0, stop) if stop else expected[:0], one.state_dict()
    two = lanes(name)
    two.load_state_dict(state)
    after = steps(two, stop, 60)
    assert torch.equal(torch.cat([before, after]), expected)
    for some in (whole, one, two):
        some.env.close()


def test_a_time_out_is_no_end_and_an_end_is():
    found = lanes("Hopper-v5", horizon=12, count=2)
    rows = steps(found, 0, 60)
    obs, ended = rows[..., :11], rows[..., -1]
    following = rows[..., 16:27]
    assert 0 < ended.sum()
    continued = (obs[1:] == following[:-1]).all(-1)
    cut = ~continued & (ended[:-1] == 0)
    assert cut.any() and not continued[ended[:-1] == 1].any()
    numbers = [np.flatnonzero(~continued[:, lane].numpy()) for lane in range(2)]
    assert all(np.diff([-1, *ends]).max() <= 12 for ends in numbers)
    found.env.close()


def test_exploration_adds_noise_to_single_dimensions():
    outputs = np.linspace(-2, 2, 4000).reshape(1000, 4)
    greedy = np.tanh(outputs)
    found = explore(outputs, 0.05, np.random.default_rng(0))
    changed = ~np.isclose(found, greedy)
    assert 0.03 < changed.mean() < 0.07
    assert changed.sum(axis=1).max() < 4  # not whole actions
    shifts = np.arctanh(found[changed].astype(float)) - outputs[changed]
    assert 0.8 < shifts.std() < 1.2 and abs(shifts.mean()) < 0.2
    assert np.allclose(explore(outputs, 0, np.random.default_rng(0)), greedy)
    assert np.abs(found).max() <= 1
