"""Planning on the true simulator: candidates, elites, and that it beats chance."""

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.studies.pets_true_simulator import Sizes, TrueSimulatorPlanner, main
from rlkit.envs.pets.cartpole import PetsCartpole
from rlkit.envs.pets.pusher import PetsPusher

SMALL = Sizes(horizon=10, popsize=50, num_elites=5)


def planner(env_class=PetsCartpole, sizes=SMALL, seed=0):
    env = env_class(num_envs=sizes.popsize, dtype=np.float64)
    return TrueSimulatorPlanner(env, sizes, np.random.default_rng(seed))


def test_normal_variables_are_truncated_at_two_standard_deviations():
    planned = planner(sizes=Sizes(horizon=100, popsize=500, num_elites=1))
    drawn = planned._truncated_normal()
    assert 1.99 < np.abs(drawn).max() <= 2
    assert drawn.std() == pytest.approx(0.8796, abs=0.01)  # of the normal distribution within ±2


def test_candidates_are_scored_by_the_rewards_of_their_own_steps():
    planned = planner()
    actions = np.random.default_rng(1).uniform(-3, 3, (50, 10, 1))
    qpos, qvel = np.array([0.1, 3.0]), np.array([0.2, -0.4])
    found = planned._returns(qpos, qvel, actions)
    single = PetsCartpole(dtype=np.float64)
    single.reset_task([0])
    for candidate in (0, 17):
        single.set_state([qpos], [qvel])
        total = sum(single.step(action[None])[1][0] for action in actions[candidate])
        assert found[candidate] == pytest.approx(total, abs=1e-12)


def test_the_pusher_is_scored_by_the_states_after_its_steps():
    planned = planner(PetsPusher)
    qpos, qvel = np.zeros(11), np.zeros(11)
    still = planned._returns(qpos, qvel, np.zeros((50, 2, 7)))
    single = PetsPusher(dtype=np.float64)
    single.reset_task([0])
    single.set_state([qpos], [qvel])
    rewards = [single.step(np.zeros((1, 7)))[1][0] for _ in range(3)]
    assert still[0] == pytest.approx(sum(rewards[1:]), abs=1e-12)


def test_a_plan_is_kept_shifted_by_a_step_with_zeros_at_its_end():
    planned = planner()
    action = planned.act(np.array([0.0, 0.1]), np.zeros(2))
    assert action.shape == (1,)
    assert planned.mean.shape == (10, 1)
    assert planned.mean[-1] == 0
    assert np.abs(planned.mean[:-1]).max() > 0.1


def test_a_plan_keeps_a_pole_up_that_falls_without_one():
    planned = planner(sizes=Sizes(horizon=15, popsize=60, num_elites=6))
    env = PetsCartpole(num_envs=1, dtype=np.float64)
    env.reset_task([0])
    totals = []
    for plan in (True, False):
        env.set_state([[0.0, np.pi - 0.1]], np.zeros((1, 2)))
        total = 0.0
        for _ in range(30):
            action = planned.act(*env.get_state(0)) if plan else np.zeros(1)
            total += env.step(action[None])[1][0]
        totals.append(total)
    assert totals[0] > 28
    assert totals[1] < 20


def test_an_unknown_task_is_refused():
    result = CliRunner().invoke(main, ["--tasks", "cartpole", "--no-write"])
    assert result.exit_code == 2
    assert "known are pets-cartpole" in result.output
