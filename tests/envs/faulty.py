"""One small class of each kind; any method can be made to fail from a given call on."""

import contextlib
import sys
import time

import numpy as np

from rlkit.envs.base import Advance, MetaEnv

PLAN = {}  # what misbehaves: method, fault, and how many calls go well before


class Space:
    """The used part of old gym's box."""

    def __init__(self, size):
        self.low, self.high, self.shape = -np.ones(size), np.ones(size), (size,)


@contextlib.contextmanager
def misbehaving(method, fault, after=0):
    """Let a method misbehave in every class of this module."""
    PLAN.update(method=method, fault=fault, after=after)
    try:
        yield
    finally:
        PLAN.clear()


def spoilt(method, right):
    """Result of a method: `right`, unless it is its turn to misbehave."""
    if PLAN.get("method") != method:
        return right
    PLAN["after"] -= 1
    return right if PLAN["after"] >= 0 else FAULTS[PLAN["fault"]](right)


def raises(right):
    raise RuntimeError("the arm is stuck")


def leaves(right):
    sys.exit(3)


def prints(right):
    print("x" * 10_000_000)
    return right


def hangs(right):
    time.sleep(3)


def filled(number):
    return lambda right: np.full(np.shape(right), number)


FAULTS = {
    "raises": raises,
    "sys.exit": leaves,
    "None": lambda right: None,
    "text": lambda right: "nonsense",
    "wrong length": lambda right: np.zeros(7),
    "wrong dtype": lambda right: np.full(np.shape(right), 1j),
    "objects": lambda right: np.full(np.shape(right), "a", dtype=object),
    "vector": lambda right: np.zeros((*np.shape(right), 2)),
    "NaN": filled(np.nan),
    "1e300": filled(1e300),
    "prints": prints,
    "hangs": hangs,
}


class OldGym:
    """A place on a line, for old gym."""

    def __init__(self):
        spoilt("constructor", None)
        self.observation_space, self.action_space = Space(2), Space(1)
        for bound in ("low", "high"):
            right = getattr(self.action_space, bound)
            setattr(self.action_space, bound, spoilt("spaces", right))

    def get_all_task_idx(self):
        return spoilt("number of tasks", range(3))

    def reset_task(self, idx):
        self.goal = idx
        return spoilt("reset_task", None)

    def reset(self):
        self.place = np.random.uniform(-0.1, 0.1)
        return spoilt("reset", np.array([self.place, 0.0]))

    def step(self, action):
        self.place += 0.1 * action[0]
        obs = spoilt("observation", np.array([self.place, 0.0]))
        reward, end = spoilt("reward", -abs(self.place - self.goal)), spoilt("end", False)
        return spoilt("step", (obs, reward, end, {}))

    def close(self):
        return spoilt("close", None)


class Gymnasium(OldGym):
    """The same for gymnasium."""

    def reset(self, *, seed=None, options=None):
        return super().reset(), {}

    def step(self, action):
        result = super().step(action)
        if not isinstance(result, tuple):
            return result
        obs, reward, end, info = result
        return obs, reward, end, False, info


class Own(MetaEnv):
    """The same as a `MetaEnv`."""

    name = "own"
    obs_dim, act_dim, outcome_dim, task_dim = 2, 1, 2, 1
    max_episode_steps = 10
    action_box = (-1.0, 1.0)

    def __init__(self, n_tasks=3, **settings):
        spoilt("constructor", None)
        self.action_box = tuple(spoilt("spaces", np.array([bound])) for bound in (-1.0, 1.0))
        super().__init__(n_tasks, **settings)
        self.place = np.zeros((self.num_envs, 2))

    def sample_tasks(self, rng, num_tasks):
        return spoilt("number of tasks", np.arange(num_tasks)[:, None])

    def _select_tasks(self, lanes):
        spoilt("reset_task", None)

    def compute_reward(self, outcome, task):
        reward = spoilt("reward", -abs(outcome[..., 0] - task[..., 0]))
        return reward, 0 * outcome[..., 0], spoilt("end", outcome[..., 0] > 9)

    def _reset_lanes(self, generators, lanes):
        self.place[lanes] = 0
        return spoilt("reset", self.place[lanes])

    def _advance(self, action, lanes):
        self.place[lanes, :1] += 0.1 * action
        obs = spoilt("observation", self.place[lanes])
        return spoilt("step", Advance(obs, self.place[lanes]))

    def close(self):
        super().close()
        spoilt("close", None)
