"""Task classes in public styles: old gym, gymnasium with and without success, a `MetaEnv`."""

import gymnasium
import numpy as np

from rlkit.envs.base import Advance, MetaEnv


def strip(place, height=32, width=128):
    """A picture of a line with a red mark at a place from -2 to 2."""
    picture = np.full((height, width, 3), 255, np.uint8)
    column = int((np.clip(place, -1.9, 1.9) + 2) / 4 * width)
    picture[:, column - 2 : column + 2] = 200, 0, 0
    return picture


class Box:
    def __init__(self, size, bound):
        self.low, self.high, self.shape = -bound * np.ones(size), bound * np.ones(size), (size,)


class OldLine:
    """Old gym: global random numbers, four values, `render(mode)`."""

    metadata = {"render.modes": ["rgb_array"], "video.frames_per_second": 20}  # noqa: RUF012
    observation_space, action_space = Box(1, 5.0), Box(1, 0.2)

    def __init__(self, n_tasks, randomize_tasks=True):
        self.goals = np.random.uniform(-1, 1, n_tasks)

    def get_all_task_idx(self):
        return range(len(self.goals))

    def reset_task(self, idx):
        self.goal = self.goals[idx]
        self.reset()

    def reset(self):
        self.place = np.random.uniform(-0.5, 0.5, 1)
        return self.place

    def step(self, action):
        self.place = self.place + action + 0.01 * np.random.normal(size=1)
        return self.place, -abs(self.place - self.goal), abs(self.place[0]) > 1.9, {}

    def render(self, mode="human"):
        np.random.random()  # drawing must not change what follows
        return strip(self.place[0]) if mode == "rgb_array" else None


class GymLine(gymnasium.Env):
    """Gymnasium without success, cut off after `limit` steps."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012

    def __init__(self, n_tasks=5, limit=8, render_mode=None):
        self.observation_space = gymnasium.spaces.Box(-5, 5, (1,), np.float64)
        self.action_space = gymnasium.spaces.Box(-0.2, 0.2, (1,), np.float64)
        self.goals, self.limit = np.random.uniform(-1, 1, n_tasks), limit
        self.n_tasks, self.render_mode = n_tasks, render_mode

    def reset_task(self, idx):
        self.goal = self.goals[idx]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.clock = self.np_random.uniform(-0.5, 0.5, 1), 0
        return self.place, {}

    def step(self, action):
        self.clock += 1
        self.place = self.place + action + 0.01 * self.np_random.normal(size=1)
        distance = float(abs(self.place - self.goal)[0])
        return self.place, -distance, False, self.clock >= self.limit, self.told(distance)

    def told(self, distance):
        return {}

    def render(self):
        return strip(self.place[0], width=96) if self.render_mode == "rgb_array" else None


class GymLineWithSuccess(GymLine):
    """The same, which says how it went."""

    def told(self, distance):
        return {"is_success": distance < 0.5}


class Plane(MetaEnv):
    """A `MetaEnv` that draws itself."""

    name = "plane"
    obs_dim = act_dim = outcome_dim = task_dim = 2
    max_episode_steps = 10
    action_box = (-0.2, 0.2)

    def __init__(self, n_tasks, **settings):
        super().__init__(n_tasks, **settings)
        self._place = np.zeros((self.num_envs, 2))

    def sample_tasks(self, rng, num_tasks):
        return rng.uniform(-1, 1, (num_tasks, 2))

    def compute_reward(self, outcome, task):
        reward = -(((outcome - task) ** 2).sum(-1) ** 0.5)
        return reward, 0 * reward, reward < reward

    def _reset_lanes(self, generators, lanes):
        self._place[lanes] = [generator.uniform(-0.5, 0.5, 2) for generator in generators]
        return self._place[lanes]

    def _advance(self, action, lanes):
        self._place[lanes] += action
        return Advance(self._place[lanes], self._place[lanes])

    def draw(self, lanes, size):
        return np.stack([strip(place, size, size) for place in self._place[lanes, 0]])
