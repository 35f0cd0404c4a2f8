"""PEARL's three phases: collect data, take meta-gradient steps, run the meta-test."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from rlkit.core.algorithm import Beside, Loop
from rlkit.core.logger import Table
from rlkit.core.meta_evaluation import FURTHER_SUCCESS_RATES
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.data_management.saved_rows import SavedRows
from rlkit.torch.aux_learner import AuxLearner
from rlkit.torch.sac.collection import Collection
from rlkit.torch.sac.columns import COUNTS, columns_of
from rlkit.torch.sac.evaluation import PEARLEvaluation
from rlkit.torch.sac.sac import PEARLSoftActorCritic


class MetaRLAlgorithm:
    """Off-policy meta-training (PEARL, algorithm 1) and meta-testing (algorithm 2).

    Args:
        trainer: takes the gradient steps.
        collection: fills the buffers.
        evaluation: runs the meta-test.
        aux_learner: learns within the trainer's steps; its networks are saved with PEARL's.
        count_names: extra columns that repeat a count, as {new name: name of the count}.
        before_rollouts: called when a collection or an evaluation begins; refreshes the copies of
            the weights that act.
    """

    beside: Beside | None = None  # runs the meta-test during the next iteration

    def __init__(
        self,
        *,
        trainer: PEARLSoftActorCritic,
        collection: Collection,
        evaluation: PEARLEvaluation,
        aux_learner: AuxLearner | None = None,
        count_names: Mapping[str, str] | None = None,
        before_rollouts: Callable[[], None] | None = None,
    ) -> None:
        self.trainer, self.collection, self.evaluation = trainer, collection, evaluation
        self.aux_learner, self.count_names = aux_learner, dict(count_names or {})
        self.before_rollouts = before_rollouts
        self.env = evaluation.meta_test.env
        self.columns = columns_of(trainer.statistic_names, knows_success=self.env.knows_success)
        self.left_out: tuple[str, ...] = ()

    @property
    def replay_buffer(self) -> MultiTaskReplayBuffer:
        """RL rows of the train tasks."""
        return self.collection.replay_buffer

    @property
    def encoder_buffer(self) -> MultiTaskReplayBuffer:
        """Rows of the train tasks for training contexts."""
        return self.collection.encoder_buffer

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks by the names of their weight files."""
        learned = {} if self.aux_learner is None else self.aux_learner.networks
        return {**self.trainer.networks, **learned}

    @property
    def buffers(self) -> dict[str, SavedRows]:
        """The buffers' data that a checkpoint keeps, by the names of its segments."""
        stores = {
            **self.replay_buffer.saved_as("replay"),
            **self.encoder_buffer.saved_as("encoder"),
        }
        sampler_buffer = self.collection.relabeler.sampler_buffer
        return stores | ({} if sampler_buffer is None else sampler_buffer.saved_as("sampler"))

    def collect_data(self, iteration: int, loop: Loop) -> dict[str, float]:
        """Collect the initial pool (in iteration 0) and the visits of this iteration."""
        if self.before_rollouts is not None:
            self.before_rollouts()
        statistics = self.collection.collect(iteration, loop)
        steps = (iteration + 1) * self.trainer.config.num_train_steps_per_itr
        totals = (steps, self.collection.num_env_steps, self.collection.num_rollouts)
        counts = dict(zip(COUNTS, totals, strict=True))
        repeated = {new: counts[name] for new, name in self.count_names.items()}
        return {**counts, **repeated, **statistics}

    def do_training(self, iteration: int, loop: Loop) -> dict[str, float]:
        """Take `num_train_steps_per_itr` meta-gradient steps; a run can resume between any two."""
        total, steps = self.trainer.config.num_train_steps_per_itr, self.trainer.steps
        with self.trainer.training(self.replay_buffer, self.encoder_buffer):
            while steps.num_taken < total:
                self.trainer.take(1)
                loop.tick(steps.num_taken, total, save="due")
        loop.tick(total, total, save="after")
        return self.trainer.fetch()

    def evaluate(self, iteration: int, loop: Loop) -> dict[str, float]:
        """Measure returns on train and test tasks. Source: PEARL, algorithm 2."""
        if self.before_rollouts is not None:
            self.before_rollouts()
        statistics = self.evaluation.evaluate(iteration, loop)
        return {name: value for name, value in statistics.items() if name not in self.left_out}

    def tables(self, iteration: int) -> dict[str, Table]:
        """Returns of the first, second, ... trajectory of the meta-test."""
        return {"online_returns": self.evaluation.online_returns(iteration)}

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next iteration depends on, except the rows of the buffers.

        Random streams need no state, because they are made from keys.
        """
        learned = {} if self.aux_learner is None else self.aux_learner.state_dict()
        env = {} if self.left_out else {"env": self.env.state_dict()}
        return {
            **env,
            "trainer": self.trainer.state_dict(),
            "relabeler": self.collection.relabeler.state_dict(),
            "aux_learner": learned,
            "num_env_steps": self.collection.num_env_steps,
            "num_rollouts": self.collection.num_rollouts,
            "num_pools": self.collection.num_pools,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state, including those of older versions.

        The relabeler's state once included the auxiliary learner's, and before that did not exist.
        A run whose checkpoint lacks the environment's state keeps the columns of its version.
        """
        if "env" in state:
            self.env.load_state_dict(state["env"])
        else:
            self.left_out = FURTHER_SUCCESS_RATES
            self.columns = columns_of(self.trainer.statistic_names, knows_success=False)
        self.trainer.load_state_dict(state["trainer"])
        self.collection.relabeler.load_state_dict(state.get("relabeler", {}))
        if self.aux_learner is not None and "aux_learner" in state:
            self.aux_learner.load_state_dict(state["aux_learner"])
        self.collection.num_env_steps = state["num_env_steps"]
        self.collection.num_rollouts = state["num_rollouts"]
        self.collection.num_pools = state.get("num_pools", 0)  # used in iteration 0 only
