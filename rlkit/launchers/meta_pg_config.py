"""The settings of experiments with MAML-TRPO, ProMP and RL²."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Self

from rlkit.core.config import Problem, Relation, relation_problem, to_dict
from rlkit.core.settings import PositiveCount
from rlkit.envs.base import MetaEnv
from rlkit.envs.class_lanes import ClassEnv
from rlkit.launchers.experiment_config import TaskSetExperiment
from rlkit.torch.meta_pg.config import (
    GradientSettings,
    MAMLSettings,
    MetaPGSettings,
    ProMPSettings,
    RL2Settings,
)
from rlkit.torch.meta_pg.policy import make_policy
from rlkit.torch.meta_pg.tasks import can_be_drawn_anew


@dataclass(frozen=True)
class MetaPGExperiment(TaskSetExperiment):
    """Settings common to the experiments of the three methods."""

    env_name: str = "point-robot"
    n_train_tasks: PositiveCount = 80  # train on the first tasks of the set, or on fresh ones
    n_eval_tasks: PositiveCount = 20  # test on the last tasks of the set
    algo_params: MetaPGSettings = field(default_factory=MetaPGSettings)

    def relations(self) -> Iterator[Relation]:
        """Yield the violated relations between fields."""
        yield from super().relations()
        algo = self.algo_params
        if algo.fresh_tasks and algo.meta_batch > self.n_train_tasks:
            keys = "algo_params.meta_batch", "n_train_tasks"
            yield Relation(keys, "at most n_train_tasks fresh tasks, which replace train tasks")

    def _task_counts(self, n_tasks: int, source: tuple[str, ...]) -> Iterator[Relation]:
        """Yield the conflicts of the numbers of train and test tasks with the size of the set."""
        train, test = self.n_train_tasks, self.n_eval_tasks
        if train + test <= n_tasks:
            return
        if not self.algo_params.fresh_tasks and train == test == n_tasks:
            return  # the same tasks for training and test, such as two directions
        keys = ("n_train_tasks", "n_eval_tasks", *source)
        yield Relation(keys, f"together at most the {n_tasks} tasks of the set")

    def env_problems(self, env: MetaEnv) -> Iterator[Problem]:
        """Yield conflicts between these settings and the environment."""
        yield from super().env_problems(env)
        own = isinstance(env.unwrapped, ClassEnv)
        if self.algo_params.fresh_tasks and (own or not can_be_drawn_anew(env)):
            expected = f"false: {self.env_name} cannot draw new tasks"
            relation = Relation(("algo_params.fresh_tasks",), expected)
            yield relation_problem(to_dict(self), relation)

        if isinstance(algo := self.algo_params, GradientSettings):
            try:
                make_policy(algo.policy, env.obs_dim, env.act_dim, algo.hidden_sizes)
            except ValueError as error:
                key = "algo_params.policy"
                yield Problem((key,), f'{key} = "{algo.policy}": {error}')

    def cut_for_debug(self) -> Self:
        """Reduce the counts for a smoke run; with fresh tasks, to at most 3 test tasks too."""
        cut = super().cut_for_debug()
        if self.algo_params.fresh_tasks:
            cut = replace(cut, n_eval_tasks=min(self.n_eval_tasks, 3))
        return cut


@dataclass(frozen=True)
class MAMLExperiment(MetaPGExperiment):
    """Settings of one MAML-TRPO experiment."""

    algo_params: MAMLSettings = field(default_factory=MAMLSettings)
    algorithm: str = "maml-trpo"


@dataclass(frozen=True)
class ProMPExperiment(MetaPGExperiment):
    """Settings of one ProMP experiment."""

    algo_params: ProMPSettings = field(default_factory=ProMPSettings)
    algorithm: str = "promp"


@dataclass(frozen=True)
class RL2Experiment(MetaPGExperiment):
    """Settings of one RL² experiment."""

    algo_params: RL2Settings = field(default_factory=RL2Settings)
    algorithm: str = "rl2"
