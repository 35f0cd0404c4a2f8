"""Counts and means of an iteration's relabeling, updated with every trajectory."""

import math
from collections.abc import Callable

import numpy as np

from rlkit.data_management.assignment import entropy
from rlkit.data_management.paths import Paths
from rlkit.torch.hfr.methods import Scores

Success = Callable[[np.ndarray, np.ndarray], np.ndarray | None]
ADAPTATION = {
    "Q Vals": "utilities",
    "log pi": "log_pis",
    "partition": "partitions",
    "logits": "logits",
}


class RelabelingStatistics:
    """Counts of one iteration; `columns` converts them to log columns.

    Args:
        num_tasks: number of train tasks.
        success: the environment's function of (outcomes, task); None where success is undefined.
        tasks: the train tasks, [num_tasks, task_dim].
        learned_reward: whether rewards are learned.
    """

    def __init__(
        self, num_tasks: int, success: Success, tasks: np.ndarray, *, learned_reward: bool
    ) -> None:
        self.num_tasks, self.success, self.tasks, self.learned_reward = (
            num_tasks,
            success,
            tasks,
            learned_reward,
        )
        self.begin()

    def begin(self) -> None:
        """Reset the counts for a new iteration."""
        self.num_paths = self.num_kept = 0
        self.moved, self.back = 0.0, 0.0  # in trajectories, including fractions
        self.rows = np.zeros(self.num_tasks, np.int64)
        self.judged: list[
            tuple[float, float, float]
        ] = []  # entropy, its exponential, largest probability
        self.first: Scores | None = None
        self.reward_errors: list[float] = []  # of the learned reward on rows it has not seen
        self.own_successes = self.own_successes_moved = self.new_successes = 0.0
        self.has_success = True

    def count(self, path: Paths, task_ids: int | np.ndarray, *, kept: bool) -> None:
        """Count a trajectory and its new task, or the new task of each step [T]."""
        own, steps = int(path.task_ids[0]), int(path.lengths[0])
        each = np.broadcast_to(task_ids, steps)
        elsewhere = each != own
        moved = float(elsewhere.mean())
        self.num_paths += 1
        self.num_kept += kept
        self.moved += moved
        self.back += 0.0 if kept else 1.0 - moved
        np.add.at(self.rows, each, 1)
        outcomes = path.outcomes[0, :steps]
        succeeded = self.success(outcomes[-1], self.tasks[own])
        self.has_success = succeeded is not None
        if self.has_success:
            self.own_successes += bool(succeeded)
            self.own_successes_moved += bool(succeeded) * moved
            self.new_successes += bool((self.success(outcomes, self.tasks[each]) & elsewhere).any())

    def judge(self, scores: Scores, distribution: np.ndarray) -> None:
        """Record a distribution [num_tasks, ...] from which a task was drawn.

        For the first one, the scores are recorded too.
        """
        entropies = entropy(distribution)
        self.judged.append(
            (entropies.mean(), np.exp(entropies).mean(), distribution.max(axis=0).mean())
        )
        if self.first is None:
            self.first = scores

    def columns(self, ages: np.ndarray) -> dict[str, float]:
        """The log columns.

        Args:
            ages: iterations since each task's encoder rows were added, [num_tasks].
        """
        paths, relabeled = max(1, self.num_paths), np.array(self.judged or [(math.nan,) * 3])
        means = relabeled.mean(axis=0)
        columns = {}
        for name, part in ADAPTATION.items():
            values = (
                np.zeros(1)
                if self.first is None or self.first.logits.ndim > 1
                else getattr(self.first, part)
            )
            for statistic in ("mean", "std", "max", "min"):
                columns[f"Adaptation {name} {statistic.capitalize()}"] = float(
                    getattr(values, statistic)()
                )
        if self.learned_reward:
            columns["RF Held-out Error"] = (
                float(np.mean(self.reward_errors)) if self.reward_errors else math.nan
            )
        unknown = math.nan
        return {
            **columns,
            "Relabeling kept": self.num_kept / paths,
            "Relabeling moved": self.moved / paths,
            "Relabeling back to own task": self.back / paths,
            "Relabeling entropy": float(means[0]),
            "Relabeling effective tasks": float(means[1]),
            "Relabeling max probability": float(means[2]),
            "Rows per task Mean": float(self.rows.mean()),
            "Rows per task Max": int(self.rows.max()),
            "Rows per task Min": int(self.rows.min()),
            "Tasks without new rows": int((self.rows == 0).sum()),
            "Encoder rows age Mean": float(ages.mean()),
            "Encoder rows age Max": int(ages.max()),
            "Own-task successes": self.own_successes if self.has_success else unknown,
            "Own-task successes moved": self.own_successes_moved if self.has_success else unknown,
            "New-task successes": self.new_successes if self.has_success else unknown,
        }
