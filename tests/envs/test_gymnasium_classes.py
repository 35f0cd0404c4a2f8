"""Classes and registered environments of current gymnasium as task distributions."""

import gymnasium
import numpy as np
import pytest

from rlkit.core.eval_util import success_rate
from rlkit.envs import env_class, make_env
from rlkit.envs.class_adapter import adapted
from rlkit.envs.keywords import json_keywords
from rlkit.samplers.util import rollout
from tests.envs.gymnasium_toys import FiveLines, Line, made


class Still:
    """Acts with the middle of the box."""

    def start_trajectories(self, generators):
        self.num_lanes = len(generators)

    def get_actions(self, obs, noise):
        return np.zeros((self.num_lanes, 1))


def paths_of(env, horizon=12):
    generators = [np.random.default_rng(lane) for lane in range(env.num_envs)]
    return rollout(env, Still(), [0] * env.num_envs, generators, horizon)


def test_steps_and_rewards_are_the_classs_own():
    env, obs = made(limit=100.0)
    place, goal = obs[0, 0], env._instances[0].goals[0]
    obs, reward, terminated, truncated, _ = env.step([[-0.25]])
    assert abs(obs[0, 0] - place + 0.25) < 0.1
    np.testing.assert_allclose(reward, [-abs(obs[0, 0] - goal)])
    assert not terminated.any() and not truncated.any()


@pytest.mark.parametrize("own_class", [Line, FiveLines])
def test_a_trajectory_depends_on_its_generator_and_task_only(own_class):
    env, first = made(own_class, num_lanes=3)
    step = env.step(np.zeros((3, 1)))
    again, obs = made(own_class, num_lanes=3)
    np.testing.assert_array_equal(obs, first)
    np.testing.assert_array_equal(again.step(np.zeros((3, 1)))[0], step[0])
    assert len(set(first[:, 0])) == 3
    alone, _ = made(own_class)
    np.testing.assert_array_equal(alone.step([[0.0]])[0], step[0][:1])


def test_a_truncation_of_the_class_ends_the_trajectory_and_does_not_terminate_it():
    env = adapted(Line, "toys:Line")(num_envs=2, limit=4)
    paths = paths_of(env)
    assert paths.lengths.tolist() == [4, 4]
    assert not paths.terminated.any()
    assert [instance.steps for instance in env._instances] == [5, 4]  # one at the construction
    env.step(np.zeros((2, 1)))
    assert [instance.steps for instance in env._instances] == [5, 4]


def test_the_number_of_tasks_is_the_classs_own_where_it_is_not_told():
    assert make_env("tests.envs.gymnasium_toys:FiveLines").n_tasks == 5
    assert "n_tasks" not in json_keywords(env_class("tests.envs.gymnasium_toys:FiveLines"))
    assert json_keywords(env_class("tests.envs.gymnasium_toys:Line"))["n_tasks"].default == 3
    env, _ = made(n_tasks=7)
    assert env.n_tasks == 7


def test_a_default_that_json_cannot_hold_is_left_to_the_class():
    assert json_keywords(env_class("tests.envs.gymnasium_toys:Line"))["limit"].default is None
    assert made(limit=None)[0]._instances[0].limit == np.inf


def test_success_is_that_of_the_last_step_and_nan_for_a_class_that_never_says():
    class Arrives(Line):
        def step(self, action):
            *values, _ = super().step(action)
            return (*values, {"is_success": True} if self.clock == 2 else {})

    for limit, expected in ((2, 1.0), (3, 0.0)):
        env = adapted(Arrives, "toys:Arrives")(limit=limit)
        assert success_rate(env, paths_of(env)) == expected
    env = adapted(FiveLines, "toys:FiveLines")()
    assert np.isnan(success_rate(env, paths_of(env)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({1: None}, r"the reward None \(sparse 0.0\), expected finite numbers"),
        ({1: np.zeros(2)}, r"the reward array\(\[0., 0.\]\)"),
        ({2: None}, "None for an end, expected true or false"),
        ({3: "no"}, "'no' for a truncation, expected true or false"),
        ({4: 3}, "the info 3, expected a dictionary"),
        ({4: {"success": "yes"}}, "'yes' for a success"),
    ],
)
def test_what_a_step_may_not_return_is_named_with_lane_and_step(change, message):
    class Odd(Line):
        def step(self, action):
            result = list(super().step(action))
            if self.clock == 2:
                for index, value in change.items():
                    result[index] = value
            return tuple(result)

    env, _ = made(Odd, num_lanes=2)
    env.step(np.zeros((2, 1)))
    with pytest.raises(
        ValueError, match=rf"toys:Line: step returned .*{message}.*\(lane 0, step 2"
    ):
        env.step(np.zeros((2, 1)))


def test_a_registered_environment_is_one_task_with_its_own_time_limit():
    env = make_env("Pendulum-v1", num_envs=2, g=9.0)
    assert (env.n_tasks, env.max_episode_steps) == (1, 200)
    assert env.unwrapped._instance(0).unwrapped.g == 9.0
    paths = paths_of(env, horizon=300)
    assert paths.lengths.tolist() == [200, 200] and not paths.terminated.any()
    own = gymnasium.make("Pendulum-v1", g=9.0)
    seed = np.random.default_rng(1).integers(2**31, size=2)[1]
    np.testing.assert_array_equal(paths.obs[1, 0], own.reset(seed=int(seed))[0])
    assert json_keywords(env_class("Pendulum-v1"))["g"].default == 10.0


def test_an_id_with_discrete_actions_is_refused():
    with pytest.raises(ValueError, match="CartPole-v1: action_space is Discrete.*expected"):
        make_env("CartPole-v1")


def test_a_class_may_insist_on_the_type_of_its_action_space():
    class Strict(Line):
        def step(self, action):
            assert self.action_space.contains(action)
            return super().step(action)

    env = adapted(Strict, "toys:Strict")(num_envs=2)
    assert paths_of(env).lengths.tolist() == [12, 12]
