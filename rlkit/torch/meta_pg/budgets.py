"""Returns of a gradient method after adaptation to 0, 1, 2, 3, 5, 10 or 20 trajectories."""

from collections.abc import Sequence

import numpy as np

from rlkit.core.eval_util import Adaptation
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.torch.meta_pg.gradient_policy import GradientPolicy

BUDGETS = (0, 1, 2, 3, 5, 10, 20)


class BudgetReturns:
    """Measures the return of a trajectory after an inner step on the first n exploratory ones.

    Args:
        sampler: runs the trajectories with `policy`.
        policy: takes the inner steps.
        num_explored: number of exploratory trajectories of a meta-test, run with θ.
        deterministic: act with the mean.
        seed: seeds the random streams.
    """

    def __init__(
        self,
        sampler: InPlacePathSampler,
        policy: GradientPolicy,
        num_explored: int,
        *,
        deterministic: bool,
        seed: int,
    ) -> None:
        self.sampler, self.policy, self.deterministic = sampler, policy, deterministic
        self.budgets = tuple(n for n in BUDGETS if n <= num_explored)
        self.seed = seed

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of progress.csv, one for each number of trajectories."""
        return tuple(f"Return after {n} trajectories" for n in self.budgets)

    def measure(
        self, iteration: int, tasks: Sequence[int], explored: Adaptation
    ) -> dict[str, float]:
        """Adapt to the first n trajectories of every run of a meta-test and run one more.

        Args:
            iteration: keys the random streams, which are the same for each n.
            tasks: tasks of the meta-test.
            explored: the meta-test, whose first trajectories were run with θ.
        Returns:
            Mean return by column.
        """
        task_ids = np.repeat(np.asarray(tasks), explored.num_runs)
        lanes = range(len(task_ids))
        found = {}
        for n, column in zip(self.budgets, self.columns, strict=True):
            seen = explored.trajectories[:n]
            generators = [stream(self.seed, "after adaptation", iteration, lane) for lane in lanes]

            def begin(numbers: Sequence[int], seen: Sequence[Paths] = seen) -> None:
                self._adapt(seen, numbers)

            paths = self.sampler.obtain_samples(
                task_ids.tolist(), generators, begin=begin, deterministic=self.deterministic
            )
            found[column] = float(paths.returns().mean())
        return found

    def _adapt(self, seen: Sequence[Paths], numbers: Sequence[int]) -> None:
        """Take an inner step from θ on the chosen lanes of these trajectories, if there are any."""
        theta = self.policy.theta(len(numbers))
        if not seen:
            self.policy.use(None)
            return
        chosen = np.asarray(numbers)
        together = Paths.concatenate([paths.select(chosen) for paths in seen])
        order = np.arange(together.num_paths).reshape(len(seen), -1).T.ravel()
        data = self.policy.data_of(together.select(order), theta)
        self.policy.use(self.policy.inner_step(theta, data), np.arange(len(numbers)))
