"""`OneTask`: an ordinary environment, as a distribution of one task with no parameters."""

from typing import Any

import numpy as np

from rlkit.envs.base import MetaEnv


class OneTask(MetaEnv):
    """One task; `tasks` is [1, 0]. Mix-in: the rest comes from the body class it is combined with."""

    task_dim = 0
    fixed_n_tasks = 1

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Return the task, [num_tasks, 0]; nothing is drawn."""
        return np.zeros((num_tasks, self.task_dim))

    @staticmethod
    def for_each_task(value: Any, task: Any) -> Any:
        """Broadcast a value [...] that is the same for every task against tasks [..., 0]."""
        return value + task.sum(-1)  # the sum of no numbers is 0
