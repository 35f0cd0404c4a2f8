"""PEARL's settings: oyster's `algo_params`, each with meaning, unit and range."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Literal, Self, cast

from pydantic import Field

from rlkit.core.config import Relation
from rlkit.core.names import as_expected, import_class
from rlkit.core.settings import (
    AlgorithmSettings,
    Count,
    Fraction,
    NonNegative,
    Positive,
    PositiveCount,
    PositiveScale,
    Scale,
)
from rlkit.torch.context_encoder import ContextEncoder

# The names that `encoder` accepts in addition to "module:Class".
ENCODERS = {
    "mlp": "rlkit.torch.encoders:MlpEncoder",
    "gru": "rlkit.torch.sequence_encoders:GruEncoder",
    "lstm": "rlkit.torch.sequence_encoders:LstmEncoder",
    "attention": "rlkit.torch.attention_encoder:AttentionEncoder",
}

OYSTERS_MINI_BATCH = 64  # embedding_mini_batch_size of its configs/default.py

ExplorationCount = Annotated[
    int, Field(ge=1, description="1 means what 0 does in some forks of oyster")
]


@dataclass(frozen=True)
class PEARLConfig(AlgorithmSettings):
    """Settings of a PEARL run, with the names and defaults of oyster (its configs/default.py)."""

    # How much is collected, in environment steps (transitions)
    meta_batch: PositiveCount = 16  # tasks per gradient step
    num_initial_steps: PositiveCount = 2000  # prior transitions per train task before training
    num_tasks_sample: PositiveCount = 5  # train tasks visited per iteration, with replacement
    num_steps_prior: Count = 400  # transitions per visit with z from the prior, to both buffers
    num_steps_posterior: Count = 0  # the same with z from the posterior, to both buffers
    num_extra_rl_steps_posterior: Count = 400  # the same, to the RL buffer only
    num_train_steps_per_itr: PositiveCount = 2000  # meta-gradient steps per iteration
    update_post_train: Count = (
        1  # trajectories between posterior updates while collecting; 0: no update within a block
    )
    posterior_from_start: bool = (
        False  # a posterior block's first z is from the posterior too, if there are encoder rows
    )
    replay_buffer_size: PositiveCount = 1_000_000  # rows per task in each of the two buffers

    # Evaluation
    num_evals: PositiveCount = 2  # independent meta-test runs per task
    num_steps_per_eval: PositiveCount = 600  # transitions of one meta-test run
    num_exp_traj_eval: ExplorationCount = (
        1  # trajectories with z from the prior before the posterior is used
    )
    eval_deterministic: bool = (
        True  # the mean action at meta-test; false: noise in all trajectories
    )
    eval_exploration: Literal["deterministic", "stochastic"] = (
        "deterministic"  # actions in the first num_exp_traj_eval trajectories
    )
    eval_protocol: Literal["online", "oyster2019"] = (
        "online"  # adaptation after every trajectory, or the meta-test of oyster's first release
    )
    dump_eval_paths: bool = False  # store evaluation trajectories as NPZ

    # One gradient step
    batch_size: PositiveCount = 256  # RL rows per task
    embedding_batch_size: PositiveCount = (
        64  # context rows per task; ignored by encoders of episodes
    )
    embedding_mini_batch_size: Count | None = (
        None  # context rows per update (encoders of episodes: rows with a gradient); 0: all
    )
    rl_batch_sampling: Literal["transitions", "trajectories"] = (
        "transitions"  # draw single RL rows, or whole episodes up to batch_size rows
    )
    context_source: Literal["recent", "whole", "rl_batch"] = (
        "recent"  # training context from the encoder buffer, the RL buffer or the RL batch
    )
    context_trajectories: PositiveCount | None = (
        None  # context rows come from a random number of trajectories up to this; null: all
    )
    discount: Fraction = 0.99  # gamma
    soft_target_tau: Fraction = 0.005  # fraction of V mixed into target V at every step
    policy_lr: NonNegative = 3e-4  # Adam step size of the policy
    qf_lr: NonNegative = 3e-4  # of Q1 and Q2
    vf_lr: NonNegative = 3e-4  # of V
    context_lr: NonNegative = 3e-4  # of the context encoder (and the convolutional network)
    reward_scale: PositiveScale = (
        5.0  # multiplies the reward in the Bellman target only; the inverse of SAC's temperature
    )
    policy_mean_reg_weight: NonNegative = 1e-3  # weight of mean(m^2), m the pre-tanh mean
    policy_std_reg_weight: NonNegative = 1e-3  # weight of mean(log_std^2)
    policy_pre_activation_weight: NonNegative = (
        0.0  # weight of mean(sum_i u_i^2), u the pre-tanh action
    )
    init: Literal["fanout", "fanin"] = (
        "fanout"  # hidden weights U(+-1/sqrt(k)), k a layer's output or input width
    )
    gradient_clip: Positive | None = None  # largest norm of a network's gradient; null: no clipping
    target_clip: Positive | None = None  # largest absolute Bellman target; null: no clipping

    # The latent task variable
    kl_lambda: NonNegative = (
        0.1  # weight of KL(q(z|c) || N(0, I)), summed over tasks and dimensions
    )
    kl_reduction: Literal["sum", "mean_task"] = (
        "sum"  # the KL in the loss: summed over tasks, or averaged over them
    )
    min_sigma: Scale = 0.0  # smallest standard deviation of a posterior
    use_information_bottleneck: bool = (
        True  # probabilistic z; false: z is the mean of the encoder's outputs, no KL
    )
    use_next_obs_in_context: bool = False  # context rows end with the next observation
    sparse_rewards: bool = (
        False  # encoder and reported returns use sparse rewards; Q, V and the policy stay dense
    )
    encoder: str = "mlp"  # a name of ENCODERS, or "module:Class" of a ContextEncoder
    recurrent: bool = False  # oyster's name for the lstm encoder

    # Storage of collected trajectories
    relabeler: str = "original"  # decides under which task they are stored; or "module:Class"

    @property
    def encoder_kind(self) -> str:
        """The encoder, whichever of the two settings chose it."""
        return "lstm" if self.recurrent else self.encoder

    @cached_property
    def encoder_class(self) -> type[ContextEncoder]:
        """The class of the encoder.

        Raises:
            ValueError: there is no such class; the message says why.
        """
        return cast(type[ContextEncoder], import_class(self.encoder_kind, ENCODERS, ContextEncoder))

    @cached_property
    def takes_episodes(self) -> bool:
        """Whether the encoder's context is whole episodes in order."""
        return self.encoder_class.needs_sequences

    @cached_property
    def rows_per_update(self) -> int:
        """Context rows per task in one update of a train step, for the mlp encoder.

        If the setting is null: oyster's default for single rows of the encoder buffer, else all.
        """
        size, all_rows = self.embedding_mini_batch_size, self.embedding_batch_size
        if self.takes_episodes or self.context_source != "recent" or self.context_trajectories:
            return all_rows
        return (OYSTERS_MINI_BATCH if size is None else size) or all_rows

    @cached_property
    def updates_per_step(self) -> int:
        """Number of consecutive updates in a train step. Source: katerakelly/oyster."""
        return max(1, self.embedding_batch_size // self.rows_per_update)

    @cached_property
    def context_episodes(self) -> int:
        """Maximum number of episodes in a context: as many as a meta-test's last posterior sees."""
        return max(1, math.ceil(self.num_steps_per_eval / self.max_path_length) - 1)

    def relations(self) -> Iterator[Relation]:
        """Yield the violated relations between the fields."""
        try:
            import_class(self.encoder_kind, ENCODERS, ContextEncoder)
        except ValueError as error:
            yield Relation(("encoder",), as_expected(error))
            return
        yield from self._encoder_relations()
        if self.context_source == "rl_batch" and self.embedding_batch_size > self.batch_size:
            yield Relation(
                ("context_source", "embedding_batch_size", "batch_size"),
                "the context to fit into the RL batch",
            )
        if self.update_post_train == 0 and not self.posterior_from_start:
            yield Relation(
                ("update_post_train", "posterior_from_start"),
                "an update, or the posterior from the start",
            )
        if self.min_sigma > 0 and not self.use_information_bottleneck:
            yield Relation(
                ("min_sigma", "use_information_bottleneck"),
                "0 without the bottleneck: z has no variance",
            )
        if self.num_steps_prior + self.num_steps_posterior == 0:
            keys = ("num_steps_prior", "num_steps_posterior", "num_extra_rl_steps_posterior")
            yield Relation(
                keys,
                "one of the first two above 0: they fill the encoder buffer, which every visit "
                "empties first",
            )
        if self.num_steps_per_eval < self.max_path_length:
            yield Relation(
                ("num_steps_per_eval", "max_path_length"),
                "the first to be at least the second, so that a trajectory fits",
            )

    def new_run_relations(self) -> Iterator[Relation]:
        """Yield the violated relations that only new runs must satisfy, not resumed ones."""
        trajectories = math.ceil(self.num_steps_per_eval / self.max_path_length)
        if self.eval_protocol == "online" and self.num_exp_traj_eval >= trajectories:
            keys = ("eval_protocol", "num_exp_traj_eval", "num_steps_per_eval", "max_path_length")
            yield Relation(
                keys,
                f"the second below {trajectories}, the trajectories of a meta-test, so that the "
                'last one uses a posterior, or "oyster2019"',
            )

    def _encoder_relations(self) -> Iterator[Relation]:
        if self.recurrent and self.encoder not in ("mlp", "lstm"):
            yield Relation(("recurrent", "encoder"), "one kind of encoder: recurrent means lstm")
        sizes = ("embedding_mini_batch_size", "embedding_batch_size")
        if self.rows_per_update > self.embedding_batch_size:
            null = f" (null is {OYSTERS_MINI_BATCH})"
            yield Relation(sizes, f"the first at most the second, or 0 for all at once{null}")
        at_once = self.embedding_mini_batch_size in (None, 0, self.embedding_batch_size)
        if self.context_trajectories is not None and not (self.takes_episodes or at_once):
            expected = "null, 0 or equal numbers: trajectories are not cut"
            yield Relation((*sizes, "context_trajectories"), expected)
        elif self.context_source != "recent" and not (self.takes_episodes or at_once):
            expected = 'null, 0 or equal numbers, unless the source is "recent"'
            yield Relation((*sizes, "context_source"), expected)
        if self.takes_episodes and self.context_source != "recent":
            yield Relation(
                ("context_source", "encoder", "recurrent"),
                '"recent": it reads episodes from the encoder buffer',
            )
        if self.context_trajectories is not None and (
            self.takes_episodes or self.context_source != "recent"
        ):
            expected = (
                'null, or the "mlp" encoder and the "recent" source: other contexts have their own '
                "trajectories"
            )
            yield Relation(
                ("context_trajectories", "encoder", "recurrent", "context_source"), expected
            )
        if self.takes_episodes and self.eval_protocol != "online":
            yield Relation(
                ("eval_protocol", "encoder", "recurrent"), '"online": the other draws single rows'
            )
        whole = (
            self.takes_episodes
            or self.rl_batch_sampling == "trajectories"
            or self.context_trajectories is not None
        )
        if whole and self.replay_buffer_size < self.max_path_length:
            expected = "room for a whole trajectory"
            keys = (
                "replay_buffer_size",
                "max_path_length",
                "encoder",
                "recurrent",
                "rl_batch_sampling",
                "context_trajectories",
            )
            yield Relation(keys, expected)

    def cut_for_debug(self) -> Self:
        """Cut the counts to the smallest for which a run still collects, trains and evaluates.

        Network and batch sizes stay the same; a second call changes nothing.
        """
        trajectory = self.max_path_length
        return replace(
            super().cut_for_debug(),
            num_initial_steps=min(self.num_initial_steps, trajectory),
            num_tasks_sample=min(self.num_tasks_sample, 2),
            num_steps_prior=min(self.num_steps_prior, trajectory),
            num_steps_posterior=min(
                self.num_steps_posterior, 2 * trajectory
            ),  # the second one uses the posterior
            num_extra_rl_steps_posterior=min(self.num_extra_rl_steps_posterior, 2 * trajectory),
            num_train_steps_per_itr=min(self.num_train_steps_per_itr, 5),
            num_evals=1,
            num_steps_per_eval=min(
                self.num_steps_per_eval, (self.num_exp_traj_eval + 1) * trajectory
            ),
        )
