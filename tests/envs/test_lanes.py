"""Lanes of every MuJoCo task are independent: lanes, threads, both routes, divergence."""

import functools
import importlib.util

import numpy as np
import pytest

from rlkit.envs import env_class

LANES, STEPS = 5, 15
NAMES = [
    "ant-dir",
    "ant-goal",
    "humanoid-dir",
    "hopper-rand-params",
    "walker-rand-params",
    "sawyer-push",
]
ROUTES = [(name, {}) for name in NAMES] + [(name, {"backend": "pool"}) for name in NAMES[3:]]
ROUTES += [(name, {"contact_forces": False}) for name in NAMES[:3]]


def made(name, **settings):
    return env_class(name)(3, dtype=np.float64, **settings)


def actions(env):
    drawn = np.random.default_rng(8).uniform(-1, 1, (STEPS, LANES, env.act_dim))
    return drawn * env.action_high


def trajectory(env, lanes):
    """Run these lanes' generators, tasks and actions side by side.

    Observations, and outcomes with rewards, [steps, lanes, …].
    """
    env.reset_task([lane % env.n_tasks for lane in lanes])
    obs, outcomes = [env.reset([np.random.default_rng(lane) for lane in lanes])], []
    for action in actions(env)[:, lanes]:
        step = env.step(action)
        obs.append(step[0])
        outcomes.append(np.column_stack([step[4]["outcome"], step[1], step[2]]))
    env.close()
    return np.array(obs), np.array(outcomes)


@functools.cache
def one_at_a_time(name, contact_forces):
    settings = {} if contact_forces else {"contact_forces": False}
    parts = [trajectory(made(name, **settings), [lane]) for lane in range(LANES)]
    return tuple(np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True))


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize(("name", "settings"), ROUTES)
def test_lanes_equal_single_simulations_bit_for_bit(name, settings, threads):
    expected = one_at_a_time(name, settings.get("contact_forces", True))
    together = trajectory(
        made(name, num_envs=LANES, physics_threads=threads, **settings), list(range(LANES))
    )
    for ours, alone in zip(together, expected, strict=True):
        np.testing.assert_array_equal(ours, alone)
    assert (
        np.abs(together[0][-1, 0] - together[0][-1, 3]).max() > 1e-6
    )  # lanes of one task, and yet not the same


@pytest.mark.parametrize("name", NAMES)
def test_lanes_may_be_stepped_after_their_episode_has_ended(name):
    env = made(name, num_envs=2)
    env.reset_task([0, 1])
    env.reset([np.random.default_rng(lane) for lane in range(2)])
    for action in np.tile(actions(env)[:, :2], (8, 1, 1)):
        obs, reward, _, _, info = env.step(action)
        assert np.isfinite(obs).all()
        assert np.isfinite(reward).all()
        assert not info["diverged"].any()


@pytest.mark.parametrize("name", NAMES)
def test_a_diverged_lane_is_terminated_and_disturbs_no_other(name, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    calm, env = (made(name, num_envs=3, physics_threads=2) for _ in range(2))
    for each in (calm, env):
        each.reset_task([0, 1, 2])
        each.reset([np.random.default_rng(lane) for lane in range(3)])
    env.set_state([env.model.qpos0], np.full((1, env.model.nv), 1e9), lanes=[1])
    for round_number, action in enumerate(actions(env)[:5, :3]):
        expected = calm.step(action)
        obs, reward, terminated, _, info = env.step(action)
        assert info["diverged"].tolist() == [False, round_number == 0, False]
        assert (terminated >= info["diverged"]).all()
        assert np.isfinite(obs).all()
        assert np.isfinite(reward).all()
        np.testing.assert_array_equal(obs[[0, 2]], expected[0][[0, 2]])
        np.testing.assert_array_equal(reward[[0, 2]], expected[1][[0, 2]])
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    importlib.util.find_spec("mujoco.batch") is None, reason="this MuJoCo has no mujoco.batch"
)
@pytest.mark.parametrize("name", NAMES[:3])
def test_contact_forces_and_the_batch_route_exclude_each_other(name):
    with pytest.raises(ValueError, match="mujoco.batch has no place for contact forces"):
        made(name, backend="batch")
    assert (
        type(made(name, contact_forces=False, backend="batch").simulation).__name__
        == "BatchSimulation"
    )
