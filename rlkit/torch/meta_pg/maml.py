"""The loop of MAML-TRPO and ProMP: collect, adapt, collect again; then one outer update."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from rlkit.core.algorithm import Loop, Statistics
from rlkit.core.loop import Progress
from rlkit.core.meta_evaluation import MetaEvaluation
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.torch.execution import torch_threads
from rlkit.torch.meta_pg.budgets import BudgetReturns
from rlkit.torch.meta_pg.config import GradientSettings
from rlkit.torch.meta_pg.gradient_policy import GradientPolicy
from rlkit.torch.meta_pg.on_policy import MetaTest, OnPolicyMetaLearner
from rlkit.torch.meta_pg.outer import exploration_credit
from rlkit.torch.meta_pg.task_data import TaskData
from rlkit.torch.meta_pg.tasks import TaskSource
from rlkit.torch.meta_pg.updates import OuterUpdate


class GradientMetaLearner(OnPolicyMetaLearner):
    """MAML (Finn et al. 2017, algorithm 3) and the methods with its loop: ProMP, VPG-MAML, E-MAML.

    Args:
        policy: acts and takes the inner steps; its network is trained.
        sampler: collects trajectories.
        tasks: chooses the tasks of an iteration.
        update: the outer update.
        evaluation: the meta-test.
        budgets: measures returns after adaptation to fewer trajectories.
        settings: sizes.
        credit: credit the first actions with the rewards after adaptation (E-MAML).
        seed: seeds the random streams.
        num_threads: CPU threads of the updates.
    """

    state_name = "update"

    def __init__(
        self,
        policy: GradientPolicy,
        sampler: InPlacePathSampler,
        tasks: TaskSource,
        update: OuterUpdate,
        evaluation: MetaEvaluation,
        budgets: BudgetReturns,
        settings: GradientSettings,
        *,
        credit: bool = False,
        seed: int = 0,
        num_threads: int = 1,
    ) -> None:
        network, env = policy.network, evaluation.env
        super().__init__(env, network, update, evaluation, seed=seed, num_threads=num_threads)
        self.policy, self.sampler, self.tasks, self.update = policy, sampler, tasks, update
        self.budgets, self.settings, self.credit = budgets, settings, credit
        self._data: list[TaskData] = []  # of the current iteration, one entry per round
        self._credits = torch.zeros(settings.meta_batch)

    @property
    def evaluation_columns(self) -> Sequence[str]:
        """Columns of returns after adaptation to fewer trajectories."""
        return self.budgets.columns

    @property
    def collection_columns(self) -> Sequence[str]:
        """Columns of returns before and after each inner step."""
        return [f"AverageReturn step {k}" for k in range(self.settings.num_inner_steps + 1)]

    def collect_data(self, iteration: int, loop: Loop) -> Statistics:
        """Collect with θ; after each inner step, collect again with the adapted φ."""
        settings, count = self.settings, self.settings.rollouts_per_task
        task_ids = np.repeat(self.tasks.tasks_of(iteration), count)
        params = self.policy.theta(settings.meta_batch)
        progress = Progress(loop, len(task_ids) * (settings.num_inner_steps + 1))
        self._data, statistics = [], Statistics()
        for k in range(settings.num_inner_steps + 1):
            paths = self._collect(iteration, k, task_ids, params, progress)
            statistics[f"AverageReturn step {k}"] = float(paths.returns().mean())
            self.count(paths)
            with torch_threads(self.num_threads):
                self._data.append(self.policy.data_of(paths, params))
                if k < settings.num_inner_steps:
                    before, params = params, self.policy.inner_step(params, self._data[-1])
                    statistics[f"Inner step norm {k}"] = _distance(before, params)
        self._credits = self._credit_of(paths)
        gain = (
            statistics[f"AverageReturn step {settings.num_inner_steps}"]
            - statistics["AverageReturn step 0"]
        )
        return {
            **statistics,
            "Training gain": gain,
            "Return std": float(paths.returns().std()),
            **self.counters,
        }

    def _collect(
        self,
        iteration: int,
        k: int,
        task_ids: np.ndarray,
        params: Mapping[str, torch.Tensor],
        progress: Progress,
    ) -> Paths:
        """Run the trajectories of a round, each task with its own parameters."""
        count = self.settings.rollouts_per_task
        generators = [
            stream(self.seed, "collection", iteration, k, number) for number in range(len(task_ids))
        ]

        def begin(numbers: Sequence[int]) -> None:
            self.policy.use(params, np.asarray(numbers) // count)
            progress.add(len(numbers), f"adaptation step {k}")

        return self.sampler.obtain_samples(task_ids.tolist(), generators, begin=begin)

    def _credit_of(self, paths: Paths) -> torch.Tensor:
        """Weight of each task's first actions, [num_tasks]; zero without E-MAML."""
        if not self.credit:
            return torch.zeros(self.settings.meta_batch)
        shape = self.settings.meta_batch, -1, paths.horizon
        rewards, mask = (
            torch.from_numpy(array.reshape(shape).astype(np.float32))
            for array in (paths.rewards, paths.mask)
        )
        return exploration_credit(rewards, mask)

    def take_update(self) -> tuple[Statistics, torch.Tensor]:
        """Take the outer update."""
        place = self._data[0].obs.device
        statistics = self.update.update(self._data, self._credits.to(place))
        self._data = []
        _, log_std = self.policy.network(torch.zeros(1, self.sampler.env.obs_dim, device=place))
        return statistics, log_std

    def adaptation_gain(self, test: MetaTest) -> Statistics:
        """Gain of the whole budget over no adaptation, and returns after smaller budgets."""
        after = self.budgets.measure(test.iteration, test.tasks, test.adaptation)
        gain = test.final["AverageReturn_all_test_tasks"] - after[self.budgets.columns[0]]
        return {**after, "Adaptation gain": gain}


def _distance(before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> float:
    """Euclidean distance between two sets of parameters, averaged over tasks."""
    squares = sum((after[name] - before[name]).square().flatten(1).sum(1) for name in after)
    return float(torch.as_tensor(squares).sqrt().mean())
