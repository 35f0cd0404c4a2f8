"""Base class of the policy-gradient methods: counters, meta-test, columns, state."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

from torch import Tensor, nn

from rlkit.core.algorithm import Loop, Statistics
from rlkit.core.checkpoint import SavedRows
from rlkit.core.eval_util import Adaptation
from rlkit.core.logger import Table
from rlkit.core.loop import Progress
from rlkit.core.meta_evaluation import MetaEvaluation
from rlkit.core.online_returns import online_returns
from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.torch.execution import torch_threads
from rlkit.torch.meta_pg.gaussian import entropy


class Update(Protocol):
    """The update that ends an iteration, with the state of its optimizer."""

    @property
    def num_steps(self) -> int:
        """Gradient steps of the last update."""

    def state_dict(self) -> dict[str, Any]:
        """State that a resumed run needs."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""


class MetaTest(NamedTuple):
    """The meta-test of an iteration on test tasks.

    Attributes:
        iteration: the iteration.
        final: statistics of the meta-test, also on train tasks.
        tasks: the test tasks.
        adaptation: trajectories of the meta-test on them.
    """

    iteration: int
    final: Statistics
    tasks: Sequence[int]
    adaptation: Adaptation


class OnPolicyMetaLearner(ABC):
    """An algorithm that uses its data for one iteration only.

    Args:
        env: takes actions in [-1, 1].
        network: the network to train.
        update: updates the network.
        evaluation: the meta-test.
        seed: seeds the random streams.
        num_threads: CPU threads of the updates.
    Attributes:
        state_name: name of the update's state in checkpoints.
    """

    state_name: ClassVar[str]

    def __init__(
        self,
        env: MetaEnv,
        network: nn.Module,
        update: Update,
        evaluation: MetaEvaluation,
        *,
        seed: int = 0,
        num_threads: int = 1,
    ) -> None:
        self._env, self._network, self._update = env, network, update
        self.evaluation, self.seed, self.num_threads = evaluation, seed, num_threads
        self.num_env_steps = self.num_nominal_steps = 0
        self.num_train_steps: int | None = 0  # None: resumed where no count was kept
        self._online: Table = []

    @property
    @abstractmethod
    def evaluation_columns(self) -> Sequence[str]:
        """Columns of progress.csv that the meta-test adds to the common ones."""

    @property
    @abstractmethod
    def collection_columns(self) -> Sequence[str]:
        """Columns that the collection adds."""

    @property
    def columns(self) -> Sequence[str]:
        """The first columns of progress.csv."""
        return (
            "AverageReturn_all_test_tasks",
            "AverageReturn_prior_test_tasks",
            "AverageReturn_all_train_tasks",
            *self.evaluation_columns,
            "Adaptation gain",
            *self.collection_columns,
            "Number of env steps total",
            "Number of env steps nominal",
        )

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The policy before adaptation; that of RL² includes the value head."""
        return {"policy": self._network}

    @property
    def buffers(self) -> Mapping[str, SavedRows]:
        """No buffers: data are used for one iteration only."""
        return {}

    def count(self, paths: Paths) -> None:
        """Count the steps taken, and the nominal steps if no trajectory had ended early."""
        self.num_env_steps += paths.num_steps
        self.num_nominal_steps += paths.num_paths * paths.horizon

    @property
    def counters(self) -> Statistics:
        """The counts so far, for progress.csv."""
        return {
            "Number of env steps total": float(self.num_env_steps),
            "Number of env steps nominal": float(self.num_nominal_steps),
        }

    @abstractmethod
    def collect_data(self, iteration: int, loop: Loop) -> Statistics:
        """Collect the data of the iteration."""

    @abstractmethod
    def take_update(self) -> tuple[Statistics, Tensor]:
        """Update on the iteration's data, then drop them; return statistics and the log σ."""

    def do_training(self, iteration: int, loop: Loop) -> Statistics:
        """Update on the data of the iteration."""
        loop.tick(0, 1)
        with torch_threads(self.num_threads):
            statistics, log_std = self.take_update()
        loop.tick(1, 1)
        steps = self._update.num_steps
        if self.num_train_steps is None:
            self.num_train_steps = iteration * steps
        self.num_train_steps += steps
        return {
            **statistics,
            "Policy std": log_std.exp().mean().item(),
            "Policy entropy": entropy(log_std).item(),
            "Number of train steps total": float(self.num_train_steps),
        }

    @abstractmethod
    def adaptation_gain(self, test: MetaTest) -> Statistics:
        """The gain of adaptation on test tasks, and the returns that it is computed from."""

    def evaluate(self, iteration: int, loop: Loop) -> Statistics:
        """Run the meta-test on train and test tasks, trajectory by trajectory."""
        splits = self.evaluation.draw_tasks(iteration)
        progress = Progress(loop, self.evaluation.budget)
        adaptations = self.evaluation.adaptations(iteration, splits, progress)
        self._online = online_returns(iteration, adaptations, self.evaluation.settings.sparse)
        final = self.evaluation.statistics(adaptations)
        test = MetaTest(iteration, final, splits["test"], adaptations["test"])
        return {**final, **self.adaptation_gain(test)}

    def tables(self, iteration: int) -> Mapping[str, Table]:
        """Returns of the first, second, … trajectory of the meta-test."""
        return {"online_returns": self._online}

    def state_dict(self) -> dict[str, Any]:
        """The complete state: data are not kept, and random streams are made from keys."""
        return {
            "env": self._env.state_dict(),
            "policy": self._network.state_dict(),
            self.state_name: self._update.state_dict(),
            "num_env_steps": self.num_env_steps,
            "num_nominal_steps": self.num_nominal_steps,
            "num_train_steps": self.num_train_steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state; earlier versions kept neither the environment's nor gradient steps."""
        if "env" in state:
            self._env.load_state_dict(state["env"])
        self._network.load_state_dict(state["policy"])
        self._update.load_state_dict(state[self.state_name])
        self.num_env_steps = state["num_env_steps"]
        self.num_nominal_steps = state["num_nominal_steps"]
        self.num_train_steps = state.get("num_train_steps")
