"""Classes written for old gym: one to call directly, and one in a file, as a user has it."""

import numpy as np

from rlkit.envs.class_adapter import adapted


class Box:
    """The used part of a space."""

    def __init__(self, low, high):
        self.low, self.high = np.array(low, np.float32), np.array(high, np.float32)
        self.shape = self.low.shape


class Toy:
    """A noisy point on a line, as such classes were written.

    Numpy's global generator, 4-tuples, reset_task that resets.
    """

    def __init__(self, task={}, n_tasks=2, randomize_tasks=False, noise=0.1):  # noqa: B006
        self.goals = (
            np.random.uniform(-1, 1, n_tasks) if randomize_tasks else np.linspace(-1, 1, n_tasks)
        )
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
    env = adapted(old_class, "toys:Toy")(
        n_tasks=n_tasks, num_envs=num_lanes, dtype=np.float64, **settings
    )
    env.reset_task([lane % env.n_tasks for lane in range(first, first + num_lanes)])
    return env, env.reset([np.random.default_rng(lane) for lane in range(first, first + num_lanes)])


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
        spread = np.linspace(-1, 1, n_tasks)
        self.goals = np.random.uniform(-1, 1, n_tasks) if randomize_tasks else spread
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
        obs, reward = np.array([self.place, action[0]]), -abs(self.place - self.goal)
        return obs, reward, abs(self.place) > 3, {}
"""


def write_toy(monkeypatch, folder):
    """Write package toy_tasks with the module lines into a folder and make it importable."""
    (folder / "toy_tasks").mkdir()
    (folder / "toy_tasks" / "__init__.py").write_text("")
    (folder / "toy_tasks" / "lines.py").write_text(TOY_FILE)
    monkeypatch.syspath_prepend(folder)
