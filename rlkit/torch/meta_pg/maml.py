"""The loop of MAML-TRPO and ProMP: collect, adapt, collect again; then one outer update."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from rlkit.core.algorithm import Loop, Statistics
from rlkit.core.checkpoint import SavedRows
from rlkit.core.logger import Table
from rlkit.core.loop import Progress
from rlkit.core.meta_evaluation import MetaEvaluation
from rlkit.core.online_returns import online_returns
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.torch.execution import torch_threads
from rlkit.torch.meta_pg.budgets import BudgetReturns
from rlkit.torch.meta_pg.config import GradientSettings
from rlkit.torch.meta_pg.gaussian import entropy
from rlkit.torch.meta_pg.gradient_policy import GradientPolicy
from rlkit.torch.meta_pg.outer import exploration_credit
from rlkit.torch.meta_pg.task_data import TaskData
from rlkit.torch.meta_pg.tasks import TaskSource
from rlkit.torch.meta_pg.updates import OuterUpdate


class GradientMetaLearner:
    """MAML (Finn et al. 2017, algorithm 3) and methods with the same loop: ProMP, VPG-MAML, E-MAML.

    Args:
        policy: acts and takes the inner steps; its network is trained.
        sampler: collects trajectories.
        tasks: chooses the tasks of an iteration.
        update: the outer update.
        evaluation: the meta-test.
        budgets: returns after adaptation to fewer trajectories.
        settings: sizes.
        credit: credit the first actions by the rewards after adaptation (E-MAML).
        seed: names the random streams.
        num_threads: CPU threads of the updates.
    """

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
        self.policy, self.sampler, self.tasks, self.update = policy, sampler, tasks, update
        self.evaluation, self.budgets, self.settings = evaluation, budgets, settings
        self.credit, self.seed, self.num_threads = credit, seed, num_threads
        self.num_env_steps = self.num_nominal_steps = 0
        self._data: list[TaskData] = []  # of the current iteration, one entry per round
        self._credits = torch.zeros(settings.meta_batch)
        self._online: Table = []

    @property
    def columns(self) -> Sequence[str]:
        """The first columns of progress.csv."""
        return (
            "AverageReturn_all_test_tasks",
            "AverageReturn_prior_test_tasks",
            "AverageReturn_all_train_tasks",
            *self.budgets.columns,
            "Adaptation gain",
            *(f"AverageReturn step {k}" for k in range(self.settings.num_inner_steps + 1)),
            "Number of env steps total",
            "Number of env steps nominal",
        )

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The policy before adaptation."""
        return {"policy": self.policy.network}

    @property
    def buffers(self) -> Mapping[str, SavedRows]:
        """None: data are used for one iteration only."""
        return {}

    def collect_data(self, iteration: int, loop: Loop) -> Statistics:
        """Collect with θ, take the inner step, collect with φ; once for each inner step."""
        settings, count = self.settings, self.settings.rollouts_per_task
        task_ids = np.repeat(self.tasks.tasks_of(iteration), count)
        params = self.policy.theta(settings.meta_batch)
        progress = Progress(loop, len(task_ids) * (settings.num_inner_steps + 1))
        self._data, statistics = [], Statistics()
        with torch_threads(self.num_threads):
            for k in range(settings.num_inner_steps + 1):
                paths = self._collect(iteration, k, task_ids, params, progress)
                self._data.append(self.policy.data_of(paths, params))
                statistics[f"AverageReturn step {k}"] = float(paths.returns().mean())
                self._count(paths)
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
            "Number of env steps total": float(self.num_env_steps),
            "Number of env steps nominal": float(self.num_nominal_steps),
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

    def _count(self, paths: Paths) -> None:
        self.num_env_steps += paths.num_steps
        self.num_nominal_steps += paths.num_paths * paths.horizon

    def _credit_of(self, paths: Paths) -> torch.Tensor:
        """Weights of the first actions of each task; zero without E-MAML."""
        if not self.credit:
            return torch.zeros(self.settings.meta_batch)
        shape = self.settings.meta_batch, -1, paths.horizon
        rewards, mask = (
            torch.from_numpy(array.reshape(shape).astype(np.float32))
            for array in (paths.rewards, paths.mask)
        )
        return exploration_credit(rewards, mask)

    def do_training(self, iteration: int, loop: Loop) -> Statistics:
        """Take the outer update on the data of the iteration."""
        loop.tick(0, 1)
        place = self._data[0].obs.device
        with torch_threads(self.num_threads):
            statistics = self.update.update(self._data, self._credits.to(place))
        self._data = []
        _, log_std = self.policy.network(torch.zeros(1, self.sampler.env.obs_dim, device=place))
        loop.tick(1, 1)
        return {
            **statistics,
            "Policy std": log_std.exp().mean().item(),
            "Policy entropy": entropy(log_std).item(),
            "Number of train steps total": float((iteration + 1) * self.update.num_steps),
        }

    def evaluate(self, iteration: int, loop: Loop) -> Statistics:
        """Run the meta-test, and measure adaptation to fewer trajectories."""
        splits = self.evaluation.draw_tasks(iteration)
        progress = Progress(loop, self.evaluation.budget)
        adaptations = self.evaluation.adaptations(iteration, splits, progress)
        sparse = self.evaluation.settings.sparse
        self._online = online_returns(iteration, adaptations, sparse)
        after = self.budgets.measure(iteration, splits["test"], adaptations["test"])
        final = self.evaluation.statistics(adaptations)
        gain = final["AverageReturn_all_test_tasks"] - after[self.budgets.columns[0]]
        return {**final, **after, "Adaptation gain": gain}

    def tables(self, iteration: int) -> Mapping[str, Table]:
        """Return of the first, second, … trajectory of the meta-test."""
        return {"online_returns": self._online}

    def state_dict(self) -> dict[str, Any]:
        """The complete state; collected data and random streams need none."""
        return {
            "env": self.evaluation.env.state_dict(),
            "policy": self.policy.network.state_dict(),
            "update": self.update.state_dict(),
            "num_env_steps": self.num_env_steps,
            "num_nominal_steps": self.num_nominal_steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state; those of earlier versions lack the environment's."""
        if "env" in state:
            self.evaluation.env.load_state_dict(state["env"])
        self.policy.network.load_state_dict(state["policy"])
        self.update.load_state_dict(state["update"])
        self.num_env_steps = state["num_env_steps"]
        self.num_nominal_steps = state["num_nominal_steps"]


def _distance(before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> float:
    """Mean over tasks of the Euclidean length of the step between two sets of parameters."""
    squares = sum(
        (after[name] - before[name]).square().flatten(1).sum(1)
        for name in after  # of every task
    )
    return float(torch.as_tensor(squares).sqrt().mean())
