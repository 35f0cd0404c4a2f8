"""sawyer-reach and sawyer-push: goals, control, rewards by hand and under other tasks."""

import numpy as np
import pytest
import torch

from benchmarks.sawyer_policies import DragPuck, ReachGoal
from rlkit.envs import make_env
from rlkit.policies.simple import RandomPolicy
from rlkit.samplers.util import rollout

NAMES = ["sawyer-push", "sawyer-reach"]
HORIZON = 150
pytestmark = pytest.mark.metaworld


def started(name, task_ids=(0, 1), **settings):
    env = make_env(name, n_tasks=60, num_envs=len(task_ids), **settings)
    env.reset_task(list(task_ids))
    env.reset([np.random.default_rng(lane) for lane in range(len(task_ids))])
    return env


def run_all_tasks(name, policy_class, seed=0):
    """One trajectory on each of the 60 tasks in the sparse form.

    Returns, lengths and whether the last step is a success.
    """
    env = make_env(name, n_tasks=60, num_envs=60, sparse=True)
    policy = policy_class(env.act_dim) if policy_class is RandomPolicy else policy_class(env)
    generators = [np.random.default_rng((seed, task)) for task in range(60)]
    paths = rollout(env, policy, range(60), generators, HORIZON, deterministic=True)
    env.close()
    reached = paths.terminated[np.arange(60), paths.lengths - 1].astype(bool)
    return paths.returns().ravel(), paths.lengths, reached


@pytest.mark.parametrize(
    ("name", "sparse", "y"),
    [("sawyer-reach", True, 0.0), ("sawyer-reach", False, 0.1), ("sawyer-push", True, 0.1)],
)
def test_goals_are_the_published_draws(name, sparse, y):
    env = make_env(name, n_tasks=60, sparse=sparse)
    expected = [
        [0.01015958, 0.7708148, 0.12272619],
        [0.00216552, 0.7892947, 0.27407327],
        [-0.03723618, 0.74195826, 0.26930302],
    ]
    np.testing.assert_allclose(env.tasks[[0, 1, 50]], np.array(expected) + [0, y, 0], atol=1e-7)
    assert env.tasks.dtype == np.float32
    np.testing.assert_array_equal(make_env(name, n_tasks=7, sparse=sparse).tasks, env.tasks[:7])
    assert (make_env(name, n_tasks=7, sparse=sparse, task_seed=4).tasks != env.tasks[:7]).all()


def test_scripted_reaching_earns_minus_twelve_and_always_succeeds():
    returns, lengths, reached = run_all_tasks("sawyer-reach", ReachGoal)
    assert reached.all()
    assert returns.mean() == pytest.approx(-12.3, abs=0.5)
    assert returns.min() == -17
    assert returns.max() == -7
    np.testing.assert_array_equal(lengths, 1 - returns)


def test_scripted_dragging_of_the_puck_succeeds_on_every_task():
    returns, _, reached = run_all_tasks("sawyer-push", DragPuck)
    assert reached.all()
    assert returns.min() > -95
    assert returns.max() < -60


@pytest.mark.parametrize(("name", "successes"), [("sawyer-push", 0), ("sawyer-reach", 6)])
def test_chance_earns_minus_a_hundred_and_fifty(name, successes):
    returns, lengths, reached = run_all_tasks(name, RandomPolicy)
    assert reached.sum() <= successes
    assert (returns[~reached] == -HORIZON).all()
    assert (lengths[~reached] == HORIZON).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_episode_starts_alike_but_for_the_task(name):
    env = make_env(name, n_tasks=3, num_envs=3, sparse=True)
    env.reset_task([0, 1, 2])
    first = env.reset([np.random.default_rng(lane) for lane in range(3)])
    for _ in range(5):
        env.step(np.ones((3, 4)))
    again = env.reset([np.random.default_rng(9)], lanes=[1])
    np.testing.assert_array_equal(first, np.tile(again, (3, 1)))
    np.testing.assert_allclose(first[0, 3:5], [0.0, 0.6], atol=1e-6)
    after = env.step(np.zeros((3, 4)))[0]
    assert np.abs(after[0] - after[1]).max() > 0.01, "other lanes went on"


def test_the_hand_follows_a_point_that_moves_a_centimetre_a_step_within_the_workspace():
    env = started("sawyer-reach", (0,))
    place = env.unwrapped.simulation.mocap_pos
    np.testing.assert_allclose(place[0, 0], [0.0, 0.6, 0.2])
    env.step([[1.0, -0.5, 0.25, 0.0]])
    np.testing.assert_allclose(place[0, 0], [0.01, 0.595, 0.2025])
    for _ in range(60):
        obs = env.step([[1.0, 1.0, 1.0, 0.0]])[0]
    np.testing.assert_allclose(place[0, 0], [0.5, 1.0, 0.5])
    for _ in range(150):
        env.step([[-1.0, -1.0, -1.0, 0.0]])
    np.testing.assert_allclose(place[0, 0], [-0.5, 0.4, 0.05])
    for _ in range(40):
        obs = env.step([[0.5, 0.5, 0.0, 0.0]])[0]
    np.testing.assert_allclose(obs[0, :3], place[0, 0], atol=0.02)


def test_the_fourth_number_closes_and_opens_the_gripper():
    env = started("sawyer-reach", (0, 1))
    for _ in range(30):
        env.step([[0, 0, 0, 1.0], [0, 0, 0, -1.0]])
    closed, opened = env.unwrapped.qpos[:, 7] - env.unwrapped.qpos[:, 8]
    assert closed > opened + 0.05


@pytest.mark.parametrize("name", NAMES)
def test_an_episode_begins_where_the_state_is_set(name):
    env = started(name, (0, 1))
    for _ in range(20):
        env.step([[1.0, 1.0, 0.5, -1.0], [0.0, 0.0, 0.0, 0.0]])
    qpos, qvel = env.unwrapped.get_state(0)
    obs = env.unwrapped.set_state([qpos], [qvel], lanes=[1])
    np.testing.assert_array_equal(
        env.unwrapped.simulation.mocap_pos[1, 0].astype(np.float32), obs[0, :3]
    )
    outcome = env.step(np.zeros((2, 4)))[4]["outcome"]
    assert np.abs(
        outcome[1, -env.unwrapped.start_dim :] - outcome[0, -env.unwrapped.start_dim :]
    ).max() > (0.05 if name == "sawyer-reach" else 0)


def bonus(distance, start):
    return max(
        0.0,
        1000 * (start - distance)
        + 1000 * (np.exp(-(distance**2) / 0.01) + np.exp(-(distance**2) / 0.001)),
    )


def by_hand(name, sparse, outcome, task):
    """Reward, sparse reward, end and success of one step, in float64, from the formulas."""
    finger = outcome[:3]
    if name == "sawyer-reach":
        away, start = np.linalg.norm(finger - task), np.linalg.norm(outcome[3:] - task)
        reached, dense = away <= 0.05, bonus(away, start)
    else:
        puck = outcome[3:6]
        touch, away = np.linalg.norm(finger - puck), np.linalg.norm(puck[:2] - task[:2])
        reached = away <= 0.07
        dense = -touch + (
            bonus(away, np.linalg.norm(outcome[6:] - task[:2])) if touch < 0.05 else 0
        )
    rewarded = float(reached) - 1
    return (rewarded if sparse else dense), rewarded, bool(reached and sparse), bool(reached)


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_rewards_are_those_of_the_formulas_under_every_task(name, sparse):
    env = make_env(name, n_tasks=8, sparse=sparse, dtype=np.float64)
    rng = np.random.default_rng(0)
    outcome = rng.uniform((-0.15, 0.6, 0.0), (0.15, 1.0, 0.3), (200, 3))
    outcome = np.concatenate(
        [outcome, outcome + rng.normal(size=(200, 3)) * 0.04, np.full((200, 2), 0.1)], axis=1
    )
    outcome = outcome[:, : env.outcome_dim]
    outcome[:8, 3 * (name == "sawyer-push") :][:, :3] = env.tasks + 0.01  # at the goals
    reward, rewarded, ended = env.compute_reward(outcome[:, None], env.tasks)
    reached = env.success(outcome[:, None], env.tasks)
    for step in range(200):
        for task in range(8):
            expected = by_hand(name, sparse, outcome[step], env.tasks[task])
            assert reward[step, task] == pytest.approx(expected[0], rel=1e-12, abs=1e-12)
            assert (rewarded[step, task], ended[step, task], reached[step, task]) == expected[1:]
    assert 8 <= reached.sum() < 800


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_a_reward_under_another_task_is_what_that_task_would_have_given(name, sparse):
    env = started(name, tuple(range(6)), sparse=sparse, dtype=np.float64)
    script = (ReachGoal if name == "sawyer-reach" else DragPuck)(env)
    script.start_trajectories([None] * 6)
    twin = started(
        name, tuple((lane + 1) % 6 for lane in range(6)), sparse=sparse, dtype=np.float64
    )
    obs = env.reset([None] * 6)
    for _ in range(90):
        action = script.get_actions(obs, None)
        obs, *_, info = env.step(action)
        other = twin.step(action)
        np.testing.assert_array_equal(obs, other[0])
        found = env.compute_reward(info["outcome"], env.tasks[twin.task_ids])
        for ours, theirs in zip(
            found, (other[1], other[4]["sparse_reward"], other[2]), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_numpy_and_torch_give_the_same_rewards(name, sparse):
    env = make_env(name, n_tasks=5, sparse=sparse)
    outcome = np.random.default_rng(1).uniform(0, 0.9, (300, 1, env.outcome_dim)).astype(np.float32)
    on_torch = env.compute_reward(torch.from_numpy(outcome), torch.from_numpy(env.tasks))
    for ours, theirs in zip(env.compute_reward(outcome, env.tasks), on_torch, strict=True):
        assert ours.dtype == theirs.numpy().dtype
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5, atol=1e-3)
