"""Settings of the MAML family, ProMP and RL² (`algo_params`), and their relations."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Self

from rlkit.core.config import Relation
from rlkit.core.settings import (
    AlgorithmSettings,
    Fraction,
    NonNegative,
    Positive,
    PositiveCount,
    Probability,
)
from rlkit.torch.meta_pg.baseline import Baseline
from rlkit.torch.meta_pg.inner import Surrogate
from rlkit.torch.meta_pg.policy import Nonlinearity


@dataclass(frozen=True)
class MetaPGSettings(AlgorithmSettings):
    """Settings common to gradient methods and RL²."""

    max_path_length: PositiveCount = 20  # horizon of an episode, environment steps
    meta_batch: PositiveCount = 40  # tasks per iteration
    fresh_tasks: bool = True  # draw new tasks in every iteration; false: use the train tasks
    discount: Probability = 0.99
    gae_lambda: Probability = 1.0
    num_evals: PositiveCount = 2  # independent runs of a meta-test per task
    num_exp_traj_eval: PositiveCount = 20  # trajectories before the one that a meta-test reports


@dataclass(frozen=True)
class GradientSettings(MetaPGSettings):
    """Settings common to the gradient methods: policy, inner step, baseline."""

    num_iterations: PositiveCount = 500
    rollouts_per_task: PositiveCount = 20  # trajectories per task before and after each inner step
    num_inner_steps: PositiveCount = 1
    inner_lr: Positive = 0.1  # step size of the inner step
    inner_surrogate: Surrogate = "ratio"  # or "log_likelihood", whose Hessian is biased
    baseline: Baseline = "linear"  # or "linear_time", "zero"
    policy: str = "mlp"  # or "module:Class", built like `GaussianMlp`
    hidden_sizes: tuple[PositiveCount, ...] = (64, 64)
    nonlinearity: Nonlinearity = "tanh"
    init_std: Positive = 1.0  # of the actions, whose range is [-1, 1]

    def relations(self) -> Iterator[Relation]:
        """Yield the constraints between fields that are violated."""
        yield from super().relations()
        if self.baseline != "zero" and self.max_path_length * self.rollouts_per_task < 2:
            keys = "max_path_length", "rollouts_per_task", "baseline"
            yield Relation(keys, "at least two steps per task, or baseline zero")

    def cut_for_debug(self) -> Self:
        """Cut the counts for a smoke run."""
        return replace(
            super().cut_for_debug(),
            meta_batch=min(self.meta_batch, 2),
            rollouts_per_task=min(self.rollouts_per_task, 2),
            num_exp_traj_eval=min(self.num_exp_traj_eval, 2),
            max_path_length=min(self.max_path_length, 10),
            num_evals=1,
        )


@dataclass(frozen=True)
class MAMLSettings(GradientSettings):
    """Settings of MAML whose outer update is a trust-region step or a plain policy gradient."""

    outer: Literal["trpo", "vpg"] = "trpo"  # the outer step
    exploration_credit: bool = False  # E-MAML: credit the first actions with later rewards
    max_kl: Positive = 0.01  # of the trust region
    cg_iterations: PositiveCount = 10  # of the conjugate gradient method
    cg_damping: NonNegative = 1e-5  # added to the Hessian
    line_search_steps: PositiveCount = 15
    line_search_decay: Probability = 0.8
    hvp_subsample: Fraction = 1.0  # fraction of the adapted trajectories used in Hessian products
    learning_rate: Positive = 1e-3  # of Adam, with outer "vpg"

    def relations(self) -> Iterator[Relation]:
        """Yield the constraints between fields that are violated."""
        yield from super().relations()
        if not 0 < self.line_search_decay < 1:
            yield Relation(("line_search_decay",), "a number between 0 and 1, exclusive")


@dataclass(frozen=True)
class ProMPSettings(GradientSettings):
    """Settings of ProMP."""

    num_epochs: PositiveCount = 5  # Adam steps on the data of an iteration
    learning_rate: Positive = 1e-3
    clip: Positive = 0.3  # epsilon of the clipped outer ratio
    kl_coef: NonNegative = 5e-4  # of the KL before the inner steps; its initial value if it adapts
    kl_target: Positive | None = None  # adapt kl_coef to keep that KL near this; null: fixed


@dataclass(frozen=True)
class RL2Settings(MetaPGSettings):
    """Settings of RL² with PPO."""

    num_iterations: PositiveCount = 1000
    meta_batch: PositiveCount = 80  # trials per iteration, one per task
    gae_lambda: Probability = 0.95
    num_exp_traj_eval: PositiveCount = 2  # the meta-test reports the third trajectory
    episodes_per_trial: PositiveCount = 3
    credit: Literal["trial", "episode"] = "trial"  # how far back a reward is credited
    cell: Literal["gru", "lstm"] = "gru"
    hidden_size: PositiveCount = 256
    init_std: Positive = 1.0  # of the actions, whose range is [-1, 1]
    normalize_obs: bool = False  # by running mean and standard deviation
    num_epochs: PositiveCount = 10  # passes over the trials of an iteration
    num_minibatches: PositiveCount = 4  # of whole trials
    learning_rate: Positive = 3e-4
    clip: Positive = 0.2  # epsilon of the clipped ratio
    kl_target: Positive | None = None  # of an update, which ends at 1.5 times as much
    value_coef: NonNegative = 0.5  # of the value loss
    entropy_coef: NonNegative = 0.0  # of the entropy bonus
    max_grad_norm: Positive = 0.5

    def relations(self) -> Iterator[Relation]:
        """Yield the constraints between fields that are violated."""
        yield from super().relations()
        if self.num_exp_traj_eval >= self.episodes_per_trial:
            keys = "num_exp_traj_eval", "episodes_per_trial"
            yield Relation(keys, "fewer exploration trajectories than episodes of a trial")
        if self.num_minibatches > self.meta_batch:
            keys = "num_minibatches", "meta_batch"
            yield Relation(keys, "at least one trial in each minibatch")

    def cut_for_debug(self) -> Self:
        """Cut the counts for a smoke run."""
        return replace(
            super().cut_for_debug(),
            meta_batch=min(self.meta_batch, 4),
            num_minibatches=min(self.num_minibatches, 2),
            num_epochs=min(self.num_epochs, 2),
            max_path_length=min(self.max_path_length, 10),
            num_evals=1,
        )
