"""A task distribution written only from the docstring of `MetaEnv`."""

import numpy as np

from rlkit.envs.base import Advance, MetaEnv


class LineWalk(MetaEnv):
    """Walk to a place on a line; cut off after `limit` steps, a class's own time limit."""

    name = "line-walk"
    obs_dim = act_dim = outcome_dim = task_dim = 1
    max_episode_steps = 10
    action_box = (-0.1, 0.3)

    def __init__(self, n_tasks: int, *, limit: int = 1000, **settings) -> None:
        self.limit = limit
        super().__init__(n_tasks, **settings)
        self._place = np.zeros((self.num_envs, 1))
        self.steps = np.zeros(self.num_envs, int)

    def sample_tasks(self, rng, num_tasks):
        return rng.uniform(-1, 1, (num_tasks, 1))

    def compute_reward(self, outcome, task):
        reward = -abs(outcome[..., 0] - task[..., 0])
        return reward, 0 * reward, outcome[..., 0] > 1

    def _reset_lanes(self, generators, lanes):
        self._place[lanes] = [[g.uniform(-0.1, 0.1)] for g in generators]
        self.steps[lanes] = 0
        return self._place[lanes]

    def _advance(self, action, lanes):
        self._place[lanes] += action
        self.steps[lanes] += 1
        place = self._place[lanes]
        return Advance(place, place, truncated=self.steps[lanes] >= self.limit)


class TwoWays(LineWalk):
    """Left or right."""

    name = "two-ways"
    fixed_n_tasks = 2

    def sample_tasks(self, rng, num_tasks):
        return np.array([[-1.0], [1.0]])
