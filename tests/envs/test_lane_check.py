"""Instances of a class are compared at the start: equal tasks, no shared state, separate noise."""

import json
import random

import numpy as np
import pytest
from click.testing import CliRunner

import launch_experiment
from rlkit.envs.class_adapter import adapted
from rlkit.envs.lane_check import compare_lanes
from tests.envs.gymnasium_toys import FiveLines, Line
from tests.envs.old_gym_toys import Toy
from tests.envs.test_old_gym_training import config_of


def lines_of(own_class, num_lanes=4):
    return compare_lanes(adapted(own_class, "toys:Own")(num_envs=num_lanes), num_lanes)


class Sparse(Line):
    """Rewarded only near the goal, so that few random steps distinguish tasks."""

    def step(self, action):
        obs, reward, *rest = super().step(action)
        return obs, float(reward[0] > -0.01), *rest


class OwnGoals(Sparse):
    """Draws its goals from an unseeded generator."""

    def __init__(self, n_tasks=5):
        super().__init__(n_tasks)
        self.goals = np.random.default_rng().uniform(-1, 1, n_tasks)


class HiddenGoals(Line):
    """The same, where only rewards show the difference."""

    def __init__(self, n_tasks=5):
        super().__init__(n_tasks)
        self.places = np.random.default_rng().uniform(-1, 1, n_tasks)

    def reset_task(self, idx):
        self.place_sought = self.places[idx]

    def step(self, action):
        self.goal = self.place_sought
        return super().step(action)


class GivenSeed(Line):
    """Draws from the given seed."""

    def __init__(self, n_tasks=5, task_seed=3):
        super().__init__(n_tasks)
        self.goals = np.random.default_rng(task_seed).uniform(-1, 1, n_tasks)


class Noisy(Line):
    """Noise that no seed reaches."""

    def step(self, action):
        obs, *rest = super().step(action)
        return obs + random.gauss(0, 0.1), *rest


class NoisyOwnGoals(OwnGoals, Noisy):
    """Both: different goals are detected despite the noise."""


TASK = [0]


class Global(FiveLines):
    """Its task is kept in the module."""

    def reset_task(self, idx):
        TASK[0] = idx

    def step(self, action):
        self.goal = TASK[0] - 2.0
        return super().step(action)


class InClass(FiveLines):
    """Its task is kept in the class."""

    def reset_task(self, idx):
        InClass.goal = idx - 2.0


@pytest.mark.parametrize("own_class", [Toy, Line, Sparse, FiveLines, GivenSeed])
def test_a_class_that_draws_from_numpy_or_the_given_seed_is_taken_without_a_word(own_class):
    assert lines_of(own_class) == []


@pytest.mark.parametrize("num_lanes", [1, 4])
@pytest.mark.parametrize("own_class", [OwnGoals, HiddenGoals, NoisyOwnGoals])
def test_different_task_sets_are_always_refused_with_the_cure(own_class, num_lanes):
    with pytest.raises(ValueError, match=r"different tasks.*numpy\.random, or from the seed"):
        lines_of(own_class, num_lanes)


def test_noise_of_its_own_is_said_in_one_line_and_not_refused():
    (line,) = lines_of(Noisy)
    assert "with the same seed gave different observations" in line and "\n" not in line


@pytest.mark.parametrize("own_class", [Global, InClass])
def test_a_shared_task_is_refused_with_more_than_one_lane(own_class):
    with pytest.raises(ValueError, match=r"of another.*util_params\.num_envs = 1"):
        lines_of(own_class)
    assert lines_of(own_class, num_lanes=1) == []


def test_a_run_is_refused_before_anything_is_written_and_the_cure_works(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    data = config_of(env_name="tests.envs.test_lane_check:InClass")
    del data["env_params"]
    data |= {"n_train_tasks": 3, "n_eval_tasks": 2}
    (tmp_path / "own.json").write_text(json.dumps(data))
    arguments = ["own.json", "--debug", "--set", "algo_params.num_iterations=1"]
    result = CliRunner().invoke(launch_experiment.main, arguments)
    assert result.exit_code == 2 and "util_params.num_envs = 1" in result.stderr
    assert not (tmp_path / "output").exists()
    arguments += ["--set", "util_params.num_envs=1"]
    assert CliRunner().invoke(launch_experiment.main, arguments).exit_code == 0


def test_a_run_says_the_noise_and_its_log_has_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    data = config_of(env_name="tests.envs.test_lane_check:Noisy", n_train_tasks=2, n_eval_tasks=1)
    del data["env_params"]
    (tmp_path / "own.json").write_text(json.dumps(data))
    arguments = ["own.json", "--debug", "--set", "algo_params.num_iterations=1"]
    result = CliRunner().invoke(launch_experiment.main, arguments)
    assert result.exit_code == 0 and "gave different observations" in result.output
    (log,) = tmp_path.glob("output/*/debug/debug.log")
    assert "gave different observations" in log.read_text()
