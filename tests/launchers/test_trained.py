"""`rlkit.load`: a trained agent acts within the action bounds and adapts, in one lane or many."""

import json
import subprocess
import sys

import numpy as np
import pytest

import rlkit
from rlkit.core.errors import UserError
from rlkit.core.seeding import stream
from rlkit.envs import make_single_env
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.pearl import PEARL
from rlkit.launchers.trained import TrainedAgent, load_agent
from rlkit.samplers.util import rollout
from tests.samplers.test_feedback import Told
from tests.test_extending import write_files
from tests.test_old_runs import old_run  # noqa: F401  a fixture
from tests.test_sim_policy import ROBOT, make_run, run, save, steer_by_z, table
from tests.tiny_runs import launch

HORIZON = 5


@pytest.fixture
def robot(tmp_path):
    """A run folder of a sparse point robot with fresh weights."""
    make_run(tmp_path / "run", ROBOT)
    return tmp_path / "run"


def trajectory(seed, length=HORIZON):
    """Observations, actions in the box ±0.1 and rewards, at random."""
    draw = np.random.default_rng(seed)
    actions = draw.uniform(-0.1, 0.1, (length, 2))
    return draw.normal(size=(length + 1, 2)), actions, draw.normal(size=length)


def play(agent, env, task, steps=HORIZON):
    """One trajectory from the start of seed 0."""
    obs, actions, rewards = [env.reset(seed=0, options={"task": task})[0]], [], []
    for _ in range(steps):
        actions.append(agent.act(obs[-1]))
        assert env.action_space.contains(actions[-1])
        next_obs, reward, *_ = env.step(actions[-1])
        obs.append(next_obs)
        rewards.append(reward)
    return obs, actions, rewards


def test_importing_the_package_imports_neither_torch_nor_numpy():
    code = "import sys, rlkit; print({'torch', 'numpy', 'mujoco'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_actions_fill_the_environments_own_box_and_never_leave_it(tmp_path):
    networks = make_run(tmp_path / "run", ROBOT)
    steer_by_z(networks)
    networks["policy"].last_fc.weight.data *= 100  # all the way to the right or to the left
    save(tmp_path / "run", networks)
    agent = rlkit.load(tmp_path / "run")
    env = make_single_env("sparse-point-robot", n_tasks=5)
    obs, actions, _ = play(agent, env, 0)
    assert np.abs(actions).max() == np.float32(0.1)
    np.testing.assert_allclose(
        obs[-1] - obs[0], np.sum(actions, axis=0), atol=1e-6, err_msg="no clipping"
    )
    noisy = [agent.act(obs[-1], deterministic=False) for _ in range(3)]
    assert len({tuple(action) for action in noisy}) == 3
    env.close()


def test_the_belief_equals_that_of_the_agent_in_rollouts_of_its_own(robot):
    agent, config = rlkit.load(robot), parse_config(ROBOT, "test")
    env = PEARL().build_env(config)
    policy = PEARL().load(config, env, robot, "cpu")
    policy.reset_belief(1)
    np.testing.assert_array_equal([agent.z_mean, agent.z_var], [[0, 0], [1, 1]])
    for n in range(config.algo_params.num_exp_traj_eval):
        paths = rollout(env, policy, [0], [stream(0, "test", n)], HORIZON)
        policy.adapt(paths)
        agent.adapt(paths.obs[0], 0.1 * paths.actions[0], paths.rewards[0])
    np.testing.assert_allclose(agent.z_mean, policy.z_means[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(agent.z_var, policy.z_vars[0], rtol=1e-4, atol=1e-6)
    assert np.abs(agent.z_mean).max() > 1e-3
    env.close()


def test_lanes_of_unequal_lengths_learn_what_each_would_learn_alone(robot):
    together = rlkit.load(robot)
    together.reset(num_lanes=3)
    lengths = (5, 0, 2)
    for n in range(2):
        parts = [trajectory(10 * lane + n, length) for lane, length in enumerate(lengths)]
        together.adapt(*zip(*parts, strict=True))
    assert together.z_mean.shape == together.z_var.shape == (3, 2)
    for lane, length in enumerate(lengths):
        alone = rlkit.load(robot)
        for n in range(2):
            alone.adapt(*trajectory(10 * lane + n, length))
        np.testing.assert_allclose(together.z_mean[lane], alone.z_mean, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(together.z_var[lane], alone.z_var, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal([together.z_mean[1], together.z_var[1]], [[0, 0], [1, 1]])
    assert together.act(np.zeros((3, 2))).shape == (3, 2)


def test_each_reset_explores_anew_and_each_process_alike(tmp_path):
    networks = make_run(tmp_path / "run", ROBOT)
    steer_by_z(networks)
    save(tmp_path / "run", networks)

    def first_actions(agent):
        actions = []
        for _ in range(3):
            agent.reset()
            actions.append(agent.act(np.zeros(2)).tolist())
        return actions

    actions = first_actions(rlkit.load(tmp_path / "run"))
    assert len({tuple(action) for action in actions}) == 3
    assert first_actions(rlkit.load(tmp_path / "run")) == actions
    assert first_actions(rlkit.load(tmp_path / "run", seed=9)) != actions


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"obs": np.zeros((5, 2))}, "obs of a trajectory of 5 rewards has shape"),
        ({"obs": np.full((6, 2), np.nan)}, "obs contains a non-finite number"),
        ({"actions": np.zeros((4, 2))}, "actions of a trajectory of 5 rewards"),
        ({"actions": np.full((5, 2), 0.5)}, "outside the environment's box"),
        ({"rewards": np.zeros((5, 1))}, "expected \\(5,\\)"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(robot, change, message):
    agent = rlkit.load(robot)
    given = dict(zip(("obs", "actions", "rewards"), trajectory(0), strict=True))
    with pytest.raises(ValueError, match=message):
        agent.adapt(**{**given, **change})
    with pytest.raises(ValueError, match="1 trajectories for 2 lanes"):
        agent.reset(num_lanes=2)
        agent.adapt(*([rows] for rows in trajectory(0)))
    with pytest.raises(ValueError, match="obs has shape"):
        agent.act(np.zeros(2))


@pytest.mark.parametrize("toy", ["Interleaved", "OnPolicy"])
def test_an_algorithm_without_z_acts_and_has_no_posterior(tmp_path, monkeypatch, toy):
    monkeypatch.chdir(tmp_path)
    config = {
        "algorithm": f"tests.toy_algorithms:{toy}",
        "env_name": "point-robot",
        "env_params": {"n_tasks": 1},
        "util_params": {"use_gpu": False},
    }
    (tmp_path / "toy.json").write_text(json.dumps(config))
    assert launch("toy.json", "--debug").exit_code == 0
    (run_dir,) = tmp_path.glob("output/point-robot/*")
    agent = rlkit.load(run_dir)
    before = agent.act(np.ones(2))
    agent.adapt(*trajectory(0))
    np.testing.assert_array_equal(agent.act(np.ones(2)), before)
    with pytest.raises(UserError, match="no latent variable"):
        agent.z_mean  # noqa: B018


def test_a_planner_of_ones_own_acts_in_the_environment_of_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    write_files("An algorithm")
    assert launch("random-shooting.json", "--debug", "--cpu").exit_code == 0
    (run_dir,) = tmp_path.glob("output/point-robot/*")
    agent, env = rlkit.load(run_dir), make_single_env("point-robot", n_tasks=1)
    obs, actions, rewards = play(agent, env, 0)
    agent.adapt(obs, actions, rewards)
    assert len({tuple(action) for action in actions}) == len(actions)
    env.close()


def test_every_shipped_algorithm_and_kind_of_encoder_loads(old_run):  # noqa: F811
    agent = load_agent(old_run)
    agent.reset(num_lanes=2)
    obs_dim, act_dim = agent._env.obs_dim, agent._env.act_dim
    before = agent.act(np.zeros((2, obs_dim)))
    for _ in range(agent.protocol.num_explored):
        agent.adapt([np.zeros((4, obs_dim))] * 2, [np.zeros((3, act_dim))] * 2, [np.ones(3)] * 2)
    assert (agent.z_var < 1).all()
    assert not np.array_equal(agent.act(np.zeros((2, obs_dim))), before)


def test_a_recurrent_policy_is_told_each_result(robot):
    agent = load_agent(robot)
    policy = Told()
    told = TrainedAgent(policy, agent._env, agent.config, agent.protocol, seed=0)
    told.after_step(-1.5, True)
    assert policy.told == [([-1.5], [True])]
    agent.after_step(-1.5, True)  # nothing, where the policy does not listen


def test_a_trained_agent_agrees_with_sim_policy_where_nothing_is_random(tmp_path):
    networks = make_run(tmp_path / "run", ROBOT)
    steer_by_z(networks)
    save(tmp_path / "run", networks)
    assert run(tmp_path / "run").exit_code == 0
    agent, env = rlkit.load(tmp_path / "run"), make_single_env("sparse-point-robot", n_tasks=5)
    for _ in range(3):  # z is drawn from the prior twice, then from a posterior without variance
        obs, actions, rewards = play(agent, env, 3)
        agent.adapt(obs, actions, rewards)
    assert sum(rewards) == pytest.approx(float(table(tmp_path / "run")[2]["task 3"]), abs=1e-4)
    env.close()
