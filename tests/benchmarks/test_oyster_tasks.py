"""Oyster's published point robots as a user's file: the tasks, and the command."""

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.studies.oyster_tasks import CASES, FILE, as_users_file, main
from rlkit.envs.old_gym import OldGymEnv
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.pearl import PEARL

# Goals of oyster's code with 100 tasks, by their numbers.
GOALS = {
    "PointEnv": {
        0: (-0.4759506499688366, -0.6826320556910688),
        80: (0.7966378440628668, -0.4751950943033574),
        99: (0.7042328659939507, 0.0948723942233416),
    },
    "SparsePointEnv": {
        0: (0.9979866764718844, 0.0634239196565645),
        80: (-0.5, 0.8660254037844385),
        99: (0.7452644496757548, 0.6667690005162916),
    },
}
# A file like oyster's: what it imports, how it registers its classes, and how these draw.
PUBLISHED = """\
from gym import Env, spaces
import numpy as np
from . import register_env


@register_env("point-robot")
class PointEnv(Env):
    action_space = spaces.Box(-0.1, 0.1, (2,))
    observation_space = spaces.Box(-np.inf, np.inf, (2,))

    def __init__(self, n_tasks=2, randomize_tasks=False):
        assert randomize_tasks, "that is what runs are given"
        np.random.seed(1337)
        self.goals = self.draw(n_tasks)
        self.reset_task(0)

    def draw(self, count):
        return [np.random.uniform(-1, 1, 2) for _ in range(count)]

    def start(self):
        return np.random.uniform(-1, 1, 2)

    def get_all_task_idx(self):
        return range(len(self.goals))

    def reset_task(self, idx):
        self._goal = self.goals[idx]
        self.reset()

    def reset(self):
        self.place = self.start()
        return self.place

    def step(self, action):
        self.place = self.place + action
        return self.place, -np.linalg.norm(self.place - self._goal), False, {}


@register_env("sparse-point-robot")
class SparsePointEnv(PointEnv):
    def draw(self, count):
        angle = np.linspace(0, np.pi, count)
        circle = np.stack([np.cos(angle), np.sin(angle)], 1)
        np.random.shuffle(circle)
        return circle

    def start(self):
        return np.zeros(2)

    def step(self, action):
        place, reward, done, _ = super().step(action)
        return place, reward, done, {"sparse_reward": (1 + reward) * (reward >= -0.2)}
"""
JSON = {"n_train_tasks": 80, "n_eval_tasks": 20, "env_params": {"n_tasks": 100}}


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / FILE).parent.mkdir(parents=True)
    (tmp_path / FILE).write_text(PUBLISHED)
    (tmp_path / "configs").mkdir()
    for name in CASES.values():
        (tmp_path / "configs" / f"{name}.json").write_text(json.dumps({**JSON, "env_name": name}))
    return tmp_path


@pytest.fixture
def users_file(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "users_point_robot", raising=False)
    (tmp_path / "users_point_robot.py").write_text(as_users_file(PUBLISHED))


def test_gyms_name_and_the_registration_are_all_that_changes():
    before, after = PUBLISHED.splitlines(), as_users_file(PUBLISHED).splitlines()
    assert [line for line in after if line not in before] == ["from gymnasium import Env, spaces"]
    assert [line for line in before if line not in after] == [
        "from gym import Env, spaces",
        "from . import register_env",
        '@register_env("point-robot")',
        '@register_env("sparse-point-robot")',
    ]


@pytest.mark.parametrize("class_name", GOALS)
def test_a_users_file_draws_the_tasks_of_oyster_in_every_lane(users_file, class_name):
    env_name = f"users_point_robot:{class_name}"
    config = parse_config({**JSON, "env_name": env_name}, "test")
    assert config.env_params == {"randomize_tasks": True, "n_tasks": 100, "task_seed": 1337}
    env = PEARL().build_env(config, num_envs=2)
    own = env.unwrapped
    assert isinstance(own, OldGymEnv), "though it is derived from gymnasium.Env"
    for task, goal in GOALS[class_name].items():
        env.reset_task([task, task])
        places = env.reset([np.random.default_rng(lane) for lane in range(2)])
        _, reward, _, _, _ = env.step(np.ones((2, 2)))
        distance = np.linalg.norm(places + 0.1 - np.array(goal), axis=1)
        np.testing.assert_allclose(reward, -distance, rtol=1e-6)
        for _ in range(2):
            instance = own.construct()
            instance.reset_task(task)
            np.testing.assert_allclose(instance._goal, goal, rtol=1e-15)
    env.close()


def test_the_command_finds_equal_tasks(checkout):
    result = CliRunner().invoke(main, [str(checkout)])
    assert result.exit_code == 0, result.output
    for name, built_in in zip(GOALS, CASES.values(), strict=True):
        lanes = "a user's class, lane 0 0, lane 1 0"
        expected = f"{name}, 100 tasks: greatest difference from oyster's goals: {lanes}"
        assert f"{expected}, {built_in} 0\n" in result.output
    assert "gym" not in sys.modules and "oyster_point_robot" not in sys.modules


def test_the_command_fails_where_tasks_differ(checkout):
    (checkout / FILE).write_text(PUBLISHED.replace("seed(1337)", "seed(1338)"))
    result = CliRunner().invoke(main, [str(checkout)])
    assert result.exit_code == 1
    assert "the tasks differ" in result.stderr


def test_a_folder_without_oyster_is_refused(tmp_path):
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 2
    assert result.stderr == f"{tmp_path}: there is no {FILE}; expected a checkout of oyster\n"
