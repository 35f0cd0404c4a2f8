"""Classes written for old gym as task distributions: faithful, reproducible, trained unchanged, refused with one message."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import launch_experiment
import sim_policy
from rlkit.core.errors import UserError
from rlkit.envs import env_class, make_env
from rlkit.envs.old_gym_adapter import adapted
from rlkit.envs.point_robot import PointRobot
from rlkit.launchers.load_config import parse_config


class Box:
    """All that is asked of a space."""

    def __init__(self, low, high):
        self.low, self.high = np.array(low, np.float32), np.array(high, np.float32)
        self.shape = self.low.shape


class Toy:
    """A noisy point on a line, as such classes were written: numpy's global generator, 4-tuples, reset_task that resets."""

    def __init__(self, task={}, n_tasks=2, randomize_tasks=False, noise=0.1):  # noqa: B006
        self.goals = np.random.uniform(-1, 1, n_tasks) if randomize_tasks else np.linspace(-1, 1, n_tasks)
        self.noise, self.steps = noise, 0
        self.observation_space, self.action_space = Box([-9] * 3, [9] * 3), Box([-0.5], [0.1])
        self.reset_task(0)

    def get_all_task_idx(self):
        return range(len(self.goals))

    def reset_task(self, idx):
        self.goal = self.goals[idx]
        self.reset()

    def reset(self):
        self.place, self.clock = np.random.normal(), 0
        return self.observe()

    def observe(self):
        return np.array([[self.place, self.clock, self.goal]])

    def step(self, action):
        self.steps += 1
        self.clock += 1
        self.place += float(action[0]) + self.noise * np.random.normal()
        reward = -abs(self.place - self.goal)
        return self.observe(), reward, self.place > 1.5, {"sparse_reward": 1.0 * (reward > -0.2)}


def made(old_class=Toy, num_lanes=1, n_tasks=4, first=0, **settings):
    """Lanes with the tasks and random numbers first, first + 1, ...; float64, raw actions."""
    env = adapted(old_class, "toys:Toy")(n_tasks=n_tasks, num_envs=num_lanes, dtype=np.float64, **settings)
    env.reset_task([lane % n_tasks for lane in range(first, first + num_lanes)])
    return env, env.reset([np.random.default_rng(lane) for lane in range(first, first + num_lanes)])


def run(env, steps=12):
    rows = []
    for _ in range(steps):
        obs, reward, _, _, info = env.step(np.full((env.num_lanes, 1), 0.1))
        rows.append(np.column_stack([obs, reward, info["sparse_reward"]]))
    return np.array(rows)


def test_steps_and_rewards_are_the_classs_own():
    env, obs = made(noise=0.0, first=1)
    place, goal = obs[0, 0], np.linspace(-1, 1, 4)[1]
    obs, reward, terminated, truncated, info = env.step([[-0.25]])
    np.testing.assert_allclose(obs, [[place - 0.25, 1, goal]])
    np.testing.assert_allclose(reward, [-abs(place - 0.25 - goal)])
    assert info["sparse_reward"].tolist() == [float(reward[0] > -0.2)]
    assert not terminated.any() and not truncated.any()


def test_lanes_do_not_depend_on_how_many_there_are():
    env, obs = made(num_lanes=3)
    found = run(env)
    for lane in range(3):
        alone, first = made(first=lane)
        np.testing.assert_array_equal(first, obs[[lane]])
        np.testing.assert_array_equal(run(alone), found[:, [lane]])


def test_a_trajectory_depends_on_its_generator_and_task_only():
    env, _ = made(num_lanes=2)
    first = run(env)
    env.reset_task([0, 1])
    env.reset([np.random.default_rng(lane) for lane in range(2)])
    np.testing.assert_array_equal(run(env), first)


def test_numpys_global_generator_goes_on_as_if_nothing_had_happened():
    np.random.seed(5)
    expected = np.random.random_sample(6)
    np.random.seed(5)
    before = np.random.random_sample(3)
    run(made(num_lanes=2, randomize_tasks=True)[0])
    np.testing.assert_array_equal(np.concatenate([before, np.random.random_sample(3)]), expected)


def test_tasks_are_those_of_a_seeded_construction_in_every_lane():
    _, obs = made(num_lanes=4, randomize_tasks=True, task_seed=7)
    np.testing.assert_array_equal(obs[:, 2], np.random.RandomState(7).uniform(-1, 1, 4))


def test_the_classs_own_generator_is_seeded_from_the_lanes():
    class Seeded(Toy):
        def seed(self, seed=None):
            self.generator = np.random.RandomState(seed)
            return [seed]

        def reset(self):
            self.place, self.clock = self.generator.normal() if hasattr(self, "generator") else 0.0, 0
            return self.observe()

    first, again = (made(Seeded, num_lanes=3)[1] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len(set(first[:, 0])) == 3


def test_stored_rewards_are_reproduced_by_compute_reward_in_single_precision():
    env = adapted(Toy, "toys:Toy")(n_tasks=4, num_envs=4)
    env.reset_task([0, 1, 2, 3])
    env.reset([np.random.default_rng(lane) for lane in range(4)])
    for _ in range(20):
        _, reward, terminated, _, info = env.step(np.full((4, 1), 0.1))
        again = env.compute_reward(info["outcome"], env.tasks[env.task_ids])
        for stored, recomputed in zip((reward, info["sparse_reward"], terminated), again, strict=True):
            np.testing.assert_array_equal(stored, recomputed)
        assert reward.dtype == np.float32


def test_a_lane_that_has_ended_stands_still():
    env, _ = made(num_lanes=2, noise=0.0)
    while not (terminated := env.step(np.array([[0.1], [-0.05]]))[2])[0]:
        pass
    steps = [instance.steps for instance in env._instances]
    obs, *_ = env.step(np.array([[0.1], [0.0]]))
    assert terminated.tolist() == [True, False]
    assert obs[0, 0] > 1.5
    assert [instance.steps - before for instance, before in zip(env._instances, steps, strict=True)] == [0, 1]


def test_a_time_limit_of_old_gym_is_no_termination():
    class Limited(Toy):
        def step(self, action):
            obs, reward, _, info = super().step(action)
            return obs, reward, True, {**info, "TimeLimit.truncated": True}

    env, _ = made(Limited)
    assert not env.step([[0.0]])[2].any()


def test_without_a_sparse_reward_there_is_zero():
    class Dense(Toy):
        def step(self, action):
            return (*super().step(action)[:3], {})

    env, _ = made(Dense)
    assert env.step([[0.0]])[4]["sparse_reward"].tolist() == [0.0]


def test_actions_from_minus_one_to_one_cover_the_classs_box(monkeypatch, tmp_path):
    write_toy(monkeypatch, tmp_path)
    env = make_env("toy_tasks.lines:Toy", n_tasks=2, noise=0.0, dtype=np.float64)
    env.reset_task([0])
    place = env.reset([np.random.default_rng(0)])[0, 0]
    assert env.step([[1.0]])[0][0, 0] == pytest.approx(place + 0.1)
    assert env.step([[-1.0]])[0][0, 0] == pytest.approx(place + 0.1 - 0.4)


def test_a_meta_env_of_ones_own_is_taken_as_it_is():
    assert env_class("rlkit.envs.point_robot:PointRobot") is PointRobot


class NoReset(Toy):
    reset_task = get_all_task_idx = None


class NewGym(Toy):
    def step(self, action):
        obs, reward, done, info = super().step(action)
        return obs, reward, done, False, info


class NewReset(Toy):
    def reset(self):
        return super().reset(), {}


class NoCount:
    reset_task = get_all_task_idx = reset = step = Toy.step

    def __init__(self, size=1):
        pass


class Discrete(Toy):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.action_space = object()


class Unbounded(Toy):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.action_space = Box([-np.inf], [np.inf])


class TwoOnly(Toy):
    def __init__(self, n_tasks=2):
        super().__init__(n_tasks=2)


class Short(Toy):
    def observe(self):
        return np.zeros(2)


class NotFinite(Toy):
    def step(self, action):
        obs, _, done, info = super().step(action)
        return obs, np.nan, done, info


class Broken(Toy):
    def step(self, action):
        raise RuntimeError("the arm is stuck")


@pytest.mark.parametrize(
    ("old_class", "message"),
    [
        (NoReset, r"toys:Toy lacks method reset_task, method get_all_task_idx; expected a task distribution of old gym"),
        (NoCount, r"toys:Toy lacks constructor argument n_tasks"),
        (NewGym, r"toys:Toy: step returned 5 values, expected 4: observation, reward, done, info"),
        (NewReset, r"toys:Toy: reset gave an observation \(array.*expected an array of 3 numbers"),
        (Discrete, r"toys:Toy: action_space is <object.*expected something with shape, low and high"),
        (Unbounded, r"toys:Toy: the bounds of action_space are \[-inf\] and \[inf\], expected finite numbers"),
        (TwoOnly, r"toys:Toy: n_tasks is 4, but the class has 2 tasks"),
        (Short, r"toys:Toy: reset gave an observation .*expected an array of 3 numbers"),
        (NotFinite, r"toys:Toy: step returned the reward nan \(sparse .*expected finite numbers"),
        (Broken, r"toys:Toy: .*failed \(RuntimeError: the arm is stuck, test_old_gym.py line \d+\)"),
        (print, r"toys:Toy is <built-in function print>, expected a class"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_class_that_does_not_fit_is_refused_with_one_message(old_class, message):
    with pytest.raises(ValueError, match=message):
        made(old_class)


def test_a_constructor_that_fails_is_named_with_what_it_was_given():
    class Loud(Toy):
        def reset(self):
            return self.noise - 1

    with pytest.raises(
        ValueError, match=r"toys:Toy: cannot be constructed with n_tasks=4, noise='loud' \(TypeError: .*line \d+\)"
    ):
        made(Loud, noise="loud")


# Run from a file of its own, as a user's class would be.
TOY_FILE = """
import numpy as np


class Space:
    def __init__(self, size):
        self.low, self.high, self.shape = -np.ones(size), np.ones(size), (size,)


class Toy:
    def __init__(self, n_tasks=2, randomize_tasks=True, noise=0.05):
        self.observation_space, self.action_space = Space(2), Space(1)
        self.action_space.low, self.action_space.high = np.array([-0.4]), np.array([0.1])
        self.goals = np.random.uniform(-1, 1, n_tasks) if randomize_tasks else np.linspace(-1, 1, n_tasks)
        self.noise = noise
        self.reset_task(0)

    def get_all_task_idx(self):
        return range(len(self.goals))

    def reset_task(self, idx):
        self.goal = self.goals[idx]
        self.reset()

    def reset(self):
        self.place = np.random.uniform(-0.1, 0.1)
        return np.array([self.place, 0.0])

    def step(self, action):
        self.place += action[0] + self.noise * np.random.randn()
        return np.array([self.place, action[0]]), -abs(self.place - self.goal), abs(self.place) > 3, {}
"""


def write_toy(monkeypatch, folder):
    """Write package toy_tasks with the module lines into a folder and make it importable."""
    (folder / "toy_tasks").mkdir()
    (folder / "toy_tasks" / "__init__.py").write_text("")
    (folder / "toy_tasks" / "lines.py").write_text(TOY_FILE)
    monkeypatch.syspath_prepend(folder)


def config_of(**changes):
    return {
        "env_name": "toy_tasks.lines:Toy",
        "n_train_tasks": 4,
        "n_eval_tasks": 2,
        "net_size": 8,
        "latent_size": 2,
        "env_params": {"n_tasks": 6, "randomize_tasks": True, "noise": 0.1},
        "algo_params": {
            "max_path_length": 10,
            "meta_batch": 2,
            "batch_size": 8,
            "embedding_batch_size": 8,
            "embedding_mini_batch_size": 8,
            "num_train_steps_per_itr": 2,
        },
        "util_params": {"use_gpu": False, "torch_threads": 1, "physics_threads": 1},
        "seed": 1,
        **changes,
    }


def invoke(script, *arguments):
    result = CliRunner().invoke(script.main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_such_a_class_is_trained_resumed_and_evaluated(monkeypatch, tmp_path):
    write_toy(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.json").write_text(json.dumps(config_of()))
    run_dir = tmp_path / "output" / "toy-tasks.lines.Toy" / "debug"

    def weights():
        with (run_dir / "policy.pth").open("rb") as file:
            return file.read()

    invoke(launch_experiment, "toy.json", "--debug", "--set", "algo_params.num_iterations=2")
    uninterrupted = weights()
    invoke(launch_experiment, "toy.json", "--debug", "--set", "algo_params.num_iterations=1")
    assert weights() != uninterrupted
    invoke(launch_experiment, "--resume", run_dir, "--set", "algo_params.num_iterations=2")
    assert weights() == uninterrupted
    variant = json.loads((run_dir / "variant.json").read_text())
    assert variant["env_name"] == "toy_tasks.lines:Toy"
    assert variant["env_params"] == {"n_tasks": 6, "randomize_tasks": True, "noise": 0.1, "task_seed": 1337}
    with np.load(run_dir / "tasks.npz", allow_pickle=False) as arrays:
        assert arrays["tasks"].ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert "return by trajectory" in invoke(sim_policy, run_dir)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env_name": "toy_tasks.circles:Toy"}, r"toy_tasks.circles cannot be imported .*set PYTHONPATH to the folder"),
        ({"env_name": "toy_tasks.lines:Toi"}, r"module toy_tasks.lines has no class 'Toi' \(did you mean 'Toy'\?\)"),
        ({"env_name": "toy_tasks.lines:Space"}, r"toy_tasks.lines:Space lacks method reset_task"),
        ({"env_params": {"n_tasks": 6, "nois": 0.1}}, r"env_params.nois.*noise"),
        ({"env_params": {"n_tasks": 6, "num_envs": 3}}, r"env_params.num_envs"),
        ({"env_params": {"n_tasks": 6, "noise": "loud"}}, r"step failed \(.*line \d+\)"),
    ],
)
def test_a_wrong_configuration_is_answered_with_one_message(monkeypatch, tmp_path, changes, message):
    write_toy(monkeypatch, tmp_path)
    with pytest.raises(UserError, match=message):
        parse_config(config_of(**changes), "toy.json")
