"""The settings of STEVE and its baselines: the released code's sections and a few more."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, Self

from pydantic import Field

from rlkit.core.config import Relation
from rlkit.core.settings import (
    AlgorithmSettings,
    Count,
    Fraction,
    NonNegative,
    Positive,
    PositiveCount,
    PositiveScale,
    Probability,
)
from rlkit.torch.steve.reductions import Method

EnsembleInit = Literal["reference", "per_member"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]


@dataclass(frozen=True)
class EnsembleSettings:
    """Numbers of ensemble members; 1, 1, 1 is a single network."""

    ensemble_size: PositiveCount = 4
    train_sample_count: PositiveCount = 4  # random members among which a training batch is divided
    eval_sample_count: PositiveCount = 4  # random members used in targets and policy losses

    def relations(self) -> Iterator[Relation]:
        """Yield the constraints between fields that are violated."""
        for name in ("train_sample_count", "eval_sample_count"):
            if getattr(self, name) > self.ensemble_size:
                yield Relation((name, "ensemble_size"), "no more members drawn than there are")


@dataclass(frozen=True)
class PolicySettings:
    """`algo_params.policy_config`: policy, critics and their updates."""

    hidden_dim: PositiveCount = 128  # width of policy and critics, 4 layers each
    batch_size: PositiveCount = 512
    learning_rate: Positive = 3e-4
    frames_per_update: Positive = 0.25
    epoch_every_n: PositiveCount = 500  # updates between checkpoints, which copy critics and model
    log_every_n: PositiveCount = 500  # updates between lines of valuerl.log
    backup_every_n: PositiveCount = 2_500_000  # updates between numbered backups
    explore_chance: Probability = 0.05  # probability of noise per action dimension
    ddpg_explore_chance: Probability | None = None  # the released code's name for explore_chance
    critic: EnsembleSettings = field(default_factory=EnsembleSettings)
    # Departures, all off
    target_policy: bool = False  # targets use a copy of the policy, refreshed like the critics'
    polyak: Fraction | None = None  # soft update rate of the copies; null: hard copies
    twin_critics: bool = False  # bootstrap from the minimum of the critics

    @property
    def epsilon(self) -> float:
        """Probability of noise in each dimension of an action."""
        alias = self.ddpg_explore_chance
        return self.explore_chance if alias is None else alias

    def relations(self) -> Iterator[Relation]:
        """Yield the constraints between fields that are violated."""
        if self.twin_critics and self.critic.eval_sample_count < 2:
            keys = "twin_critics", "critic.eval_sample_count"
            yield Relation(keys, "at least 2 critics to take the minimum of")


@dataclass(frozen=True)
class ModelSettings:
    """`algo_params.model_config`: the world model and its updates."""

    transition_hidden_dim: PositiveCount = 512  # width of the transition networks, 8 layers
    aux_hidden_dim: PositiveCount = 128  # width of termination and reward networks, 4 layers each
    batch_size: PositiveCount = 512
    learning_rate: Positive = 3e-4
    frames_per_update: Positive = 0.25
    epoch_every_n: PositiveCount = 500
    log_every_n: PositiveCount = 500
    backup_every_n: PositiveCount = 2_500_000
    pretrain_n: Count = 10_000  # model updates before the first policy update
    regularizer: NonNegative = 1e-4  # coefficient of ||theta||^2 / 2
    transition: EnsembleSettings = field(default_factory=EnsembleSettings)  # also for termination
    reward: EnsembleSettings = field(default_factory=EnsembleSettings)
    fresh_model: bool = False  # targets use the current model, not that of the last checkpoint


@dataclass(frozen=True)
class ExpansionSettings:
    """`algo_params.value_expansion`: how targets are computed."""

    method: Method = "steve"
    rollout_len: PositiveCount = 3  # H, number of imagined steps after the real one
    lambda_return: Probability = 0.25  # lambda of td_lambda
    tdk_trick: bool = False  # train the critics at imagined states too

    def relations(self) -> Iterator[Relation]:
        """Yield the constraints between fields that are violated."""
        if self.tdk_trick and self.method == "ddpg":
            yield Relation(("tdk_trick", "method"), "a method other than ddpg, or no tdk_trick")


@dataclass(frozen=True)
class STEVESettings(AlgorithmSettings):
    """`algo_params` of STEVE."""

    num_iterations: PositiveCount = 793  # 10,000 random frames, then 990,000 in 792 iterations
    max_path_length: PositiveCount = 1000  # `max_frames`; values bootstrap at this time limit
    name: Name | None = None  # in file names; null: name of the configuration
    num_agents: PositiveCount = 8  # environments that step together, `agent_config.batch_size`
    frames_per_iteration: PositiveCount = 1250
    num_eval_episodes: PositiveCount = 2
    fixed_eval_starts: bool = False  # the same start states at every evaluation and for every seed
    discount: Probability = 0.99
    reward_scale: PositiveScale = 1.0
    replay_size: PositiveCount = 1_000_000
    frames_before_learning: PositiveCount = 10_000  # frames with uniformly random actions
    ensemble_init: EnsembleInit = "reference"
    row_routing: bool = True  # each training row passes only through its own member
    value_expansion: ExpansionSettings = field(default_factory=ExpansionSettings)
    policy_config: PolicySettings = field(default_factory=PolicySettings)
    model_config: ModelSettings = field(default_factory=ModelSettings)

    @property
    def horizon(self) -> int:
        """Number of imagined steps of a rollout; 0 for DDPG."""
        return self.value_expansion.rollout_len if self.has_model else 0

    @property
    def has_model(self) -> bool:
        """Whether there is a world model."""
        return self.value_expansion.method != "ddpg"

    def frames_after(self, iteration: int) -> int:
        """Total frames at the end of an iteration, a multiple of `num_agents`."""
        wanted = self.frames_before_learning + iteration * self.frames_per_iteration
        return -(-wanted // self.num_agents) * self.num_agents

    def relations(self) -> Iterator[Relation]:
        """Yield the constraints between fields that are violated."""
        if self.row_routing:
            parts = [("policy_config", "critic", self.policy_config.critic)]
            if self.has_model:
                model = self.model_config
                parts += [("model_config", "transition", model.transition)]
                parts += [("model_config", "reward", model.reward)]
            for section, name, ensemble in parts:
                batch = getattr(self, section).batch_size
                if batch % ensemble.train_sample_count:
                    keys = f"{section}.batch_size", f"{section}.{name}.train_sample_count"
                    yield Relation(keys, "rows that the members can share equally (row_routing)")

    def cut_for_debug(self) -> Self:
        """Cut the settings to 40 random frames, then 8 with updates, and short episodes."""
        policy, model = self.policy_config, self.model_config
        return replace(
            super().cut_for_debug(),
            max_path_length=min(self.max_path_length, 20),
            frames_before_learning=min(self.frames_before_learning, 40),
            frames_per_iteration=min(self.frames_per_iteration, 8),
            num_eval_episodes=min(self.num_eval_episodes, 2),
            policy_config=replace(
                policy,
                frames_per_update=max(policy.frames_per_update, 2.0),
                epoch_every_n=min(policy.epoch_every_n, 2),
                log_every_n=min(policy.log_every_n, 2),
            ),
            model_config=replace(
                model,
                frames_per_update=max(model.frames_per_update, 2.0),
                epoch_every_n=min(model.epoch_every_n, 2),
                log_every_n=min(model.log_every_n, 2),
                pretrain_n=min(model.pretrain_n, 2),
            ),
        )
