"""The tasks of an iteration: drawn anew, or chosen from the train tasks of the set."""

import numpy as np

from rlkit.core.seeding import stream
from rlkit.envs.base import MetaEnv


def can_be_drawn_anew(env: MetaEnv) -> bool:
    """Whether two draws of tasks differ in more than their order, and can replace the set."""
    draws = [
        np.asarray(env.sample_tasks(np.random.RandomState(seed), env.n_tasks), np.float64)
        for seed in (0, 1)
    ]
    one, two = (draw[np.lexsort(draw.T)] for draw in draws)
    return not np.array_equal(one, two)


class TaskSource:
    """Chooses the tasks of every iteration; never one of the held-out tasks.

    Fresh tasks take the place of the first train tasks of the set, so that the set keeps its size
    and the held-out tasks, at its end, are untouched.

    Args:
        env: whose task set it is.
        num_train_tasks: number of train tasks, which come first in the set.
        num_tasks: tasks of an iteration, at most `num_train_tasks` where they are fresh.
        fresh: draw them anew; False: a random choice of train tasks, each as often as the others.
        seed: of the run.
    """

    def __init__(
        self, env: MetaEnv, num_train_tasks: int, num_tasks: int, *, fresh: bool, seed: int
    ) -> None:
        self.env, self.num_train_tasks, self.num_tasks = env, num_train_tasks, num_tasks
        self.fresh, self.seed = fresh, seed

    def tasks_of(self, iteration: int) -> np.ndarray:
        """Put the tasks of an iteration into the environment and return their numbers, [n]."""
        if not self.fresh:
            draw = stream(self.seed, "train tasks", iteration)
            rounds = -(-self.num_tasks // self.num_train_tasks)
            orders = [draw.permutation(self.num_train_tasks) for _ in range(rounds)]
            return np.concatenate(orders)[: self.num_tasks]
        draw = stream(self.seed, "fresh tasks", iteration)
        random_state = np.random.RandomState(int(draw.integers(2**32)))
        tasks = self.env.tasks.copy()
        tasks[: self.num_tasks] = self.env.sample_tasks(random_state, self.num_tasks)
        self.env.set_tasks(tasks)
        return np.arange(self.num_tasks)
