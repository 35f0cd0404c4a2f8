"""Classes in the style of current gymnasium, named in configurations."""

import gymnasium
import numpy as np

from rlkit.envs.class_adapter import adapted


class Line(gymnasium.Env):
    """A noisy point on a line, cut off after `limit` steps; at its goal it says so."""

    def __init__(self, n_tasks=3, limit=float("inf")):
        self.observation_space = gymnasium.spaces.Box(-9, 9, (2,), np.float64)
        self.action_space = gymnasium.spaces.Box(np.float32([-0.5]), np.float32([0.1]))
        self.goals = np.random.uniform(-1, 1, n_tasks)
        self.limit, self.steps = limit, 0

    def get_all_task_idx(self):
        return range(len(self.goals))

    def reset_task(self, idx):
        self.goal = self.goals[idx]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.clock = self.np_random.normal(), 0
        return np.array([self.place, self.clock]), {}

    def step(self, action):
        self.steps += 1
        self.clock += 1
        self.place += float(action[0]) + 0.01 * self.np_random.normal()
        reward = np.array([-abs(self.place - self.goal)])
        info = {"success": bool(reward > -0.2)}
        obs = np.array([self.place, self.clock])
        return obs, reward, self.place > 4, self.clock >= self.limit, info


class FiveLines:
    """Not derived from gymnasium; fixed tasks, numpy's global generator, no success."""

    num_tasks = 5

    def __init__(self):
        self.observation_space = gymnasium.spaces.Box(-9, 9, (1,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def reset_task(self, idx):
        self.goal = idx - 2.0

    def reset(self, seed=None, options=None):
        self.place = np.random.normal()
        return np.array([self.place], np.float32), {}

    def step(self, action):
        self.place += 0.1 * action[0]
        return np.array([self.place]), -abs(self.place - self.goal), False, False, {}


def made(own_class=Line, num_lanes=1, **settings):
    """Lanes with tasks and random numbers 0, 1, ..., float64, raw actions."""
    env = adapted(own_class, "toys:Line")(num_envs=num_lanes, dtype=np.float64, **settings)
    env.reset_task([lane % env.n_tasks for lane in range(num_lanes)])
    return env, env.reset([np.random.default_rng(lane) for lane in range(num_lanes)])
