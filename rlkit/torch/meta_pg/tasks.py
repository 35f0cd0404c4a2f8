"""The tasks of an iteration: newly drawn, or chosen from the train tasks."""

import numpy as np

from rlkit.core.seeding import stream
from rlkit.envs.base import MetaEnv


def can_be_drawn_anew(env: MetaEnv) -> bool:
    """Whether two draws of tasks differ in more than order, so that new tasks can be drawn."""
    draws = [
        np.asarray(env.sample_tasks(np.random.RandomState(seed), env.n_tasks), np.float64)
        for seed in (0, 1)
    ]
    one, two = (draw[np.lexsort(draw.T)] for draw in draws)
    return not np.array_equal(one, two)


class TaskSource:
    """Chooses the tasks of every iteration, but never held-out tasks.

    Fresh tasks replace the first train tasks of the set, so that the set keeps its size and the
    held-out tasks at its end do not change.

    Args:
        env: environment with the task set.
        num_train_tasks: number of tasks for training, the first ones of the set.
        num_tasks: tasks per iteration, at most `num_train_tasks` if they are fresh.
        fresh: draw new tasks; False: choose train tasks at random, all equally often.
        seed: seed of the run.
    """

    def __init__(
        self, env: MetaEnv, num_train_tasks: int, num_tasks: int, *, fresh: bool, seed: int
    ) -> None:
        self.env, self.num_train_tasks, self.num_tasks = env, num_train_tasks, num_tasks
        self.fresh, self.seed = fresh, seed

    def tasks_of(self, iteration: int) -> np.ndarray:
        """Set the tasks of an iteration in the environment and return their ids, [num_tasks]."""
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
