"""Stand-ins for an environment and a meta-policy, with trajectories computed by hand."""

import numpy as np


class CountingEnv:
    """obs = number of steps so far.

    Reward = 1; task k terminates after its k-th step (0: never).
    """

    obs_dim, recorded_dim, act_dim, outcome_dim, dtype = 1, 1, 1, 1, np.float32

    can_be_drawn = knows_success = False

    def __init__(self, num_envs: int = 3) -> None:
        self.num_envs, self.lanes_used = num_envs, []

    def reset_task(self, task_ids) -> None:
        assert len(task_ids) <= self.num_envs
        self.task_ids = np.asarray(task_ids)
        self.lanes_used.append(len(task_ids))

    def reset(self, generators):
        self.steps = np.zeros(len(generators))
        self.reset_noise = [g.random() for g in generators]
        return self.steps[:, None].astype(np.float32)

    def step(self, action, running=None):
        assert action.shape == (len(self.task_ids), 1)
        self.steps = self.steps + 1
        ended = (self.task_ids > 0) & (self.steps >= self.task_ids)
        reward = np.ones(len(self.steps), np.float32)
        info = {"sparse_reward": 0.5 * reward, "outcome": self.steps[:, None]}
        return self.steps[:, None].astype(np.float32), reward, ended, np.zeros_like(ended), info

    @property
    def tasks(self):
        return np.arange(100.0)[:, None]

    def speed(self, outcome, task):
        return outcome[..., 0] + task[..., 0]

    def success(self, outcome, task):
        return outcome[..., 0] == task[..., 0]


class RecordingPolicy:
    """Acts with its noise (0 without) and records its inputs."""

    def __init__(self) -> None:
        self.beliefs, self.adapted, self.inferred, self.z = [], [], [], []

    def reset_belief(self, num_envs: int) -> None:
        self.beliefs.append(num_envs)

    def start_trajectories(self, generators) -> None:
        self.z.append([g.standard_normal() for g in generators])

    def infer_posterior(self, context, lanes) -> None:
        self.inferred.append((list(context), list(lanes)))

    def get_actions(self, obs, noise):
        return np.zeros((len(obs), 1), np.float32) if noise is None else noise

    def adapt(self, paths) -> None:
        self.adapted.append(paths.lengths.tolist())
