"""The sections of PETS' settings, nested like the overrides of kchua/handful-of-trials."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from rlkit.core.settings import Count, NonNegative, Positive, PositiveCount
from rlkit.core.user_paths import PathSetting

Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class SimulationSettings:
    """Settings of a trial. null: the published value of the environment."""

    task_hor: PositiveCount | None = None  # length in environment steps
    stochastic: bool = False  # disturb the executed actions
    noise_std: Positive | None = None  # standard deviation of the disturbance, if stochastic


@dataclass(frozen=True)
class RolloutSettings:
    """How many training trials are run."""

    nrollouts_per_iter: PositiveCount = 1  # training trials per iteration
    ninit_rollouts: Count = 1  # random trials in iteration 0; 0: it is like the others


@dataclass(frozen=True)
class RolloutLogSettings:
    """How many trials are reported."""

    nrecord: Count = 0  # trials per iteration recorded as video
    neval: PositiveCount = 1  # trials per iteration whose returns are logged


@dataclass(frozen=True)
class ExperimentSettings:
    """Settings of the outer loop."""

    sim_cfg: SimulationSettings = field(default_factory=SimulationSettings)
    exp_cfg: RolloutSettings = field(default_factory=RolloutSettings)
    log_cfg: RolloutLogSettings = field(default_factory=RolloutLogSettings)


@dataclass(frozen=True)
class ModelSettings:
    """Settings of the networks. null: the published value of the environment or model type."""

    num_nets: PositiveCount | None = None  # members: 1 for D and P, otherwise 5
    model_dir: PathSetting | None = None  # folder with model.mat and model.nns
    load_model: bool = False  # read the networks from model_dir
    hidden_sizes: tuple[PositiveCount, ...] | None = None  # widths of the hidden layers


@dataclass(frozen=True)
class TrainSettings:
    """Training of the networks. null: the published value of the environment."""

    batch_size: PositiveCount = 32  # rows per member and step
    epochs: PositiveCount = 5  # passes over the data per iteration
    holdout_ratio: Share = 0.0  # fraction of rows held out for the holdout error
    max_logging: PositiveCount = 5000  # maximum number of held-out rows, and of rows in the errors
    learning_rate: Positive | None = None  # Adam's step size
    weight_decays: tuple[NonNegative, ...] | None = None  # coefficient of ||W||^2 / 2 of each layer


@dataclass(frozen=True)
class PropagationSettings:
    """How predictions are made.

    null: one particle for E, otherwise 20; ign_var is true for E and for DE with TS.
    """

    model_pretrained: bool = False  # plan from the start, with the loaded networks
    npart: PositiveCount | None = None  # particles per candidate
    ign_var: bool | None = None  # use means as predictions; see `propagation.Model`
    mm_on: Literal["output", "state"] = "output"  # what moment matching redraws
    model_init_cfg: ModelSettings = field(default_factory=ModelSettings)
    model_train_cfg: TrainSettings = field(default_factory=TrainSettings)


@dataclass(frozen=True)
class PlannerSettings:
    """Settings of the search. null: the published value. All but popsize are for CEM only."""

    popsize: PositiveCount | None = None  # number of candidates (CEM: per iteration)
    max_iters: PositiveCount = 5
    num_elites: PositiveCount | None = None
    epsilon: NonNegative = 0.001  # CEM stops when no variance exceeds this
    alpha: Share = 0.1  # weight of the old mean and variance
    smooth_variance: bool = True  # false: the variance as before November 2018


@dataclass(frozen=True)
class PlanningSettings:
    """Settings of a plan. null: the published value of the environment."""

    plan_hor: PositiveCount | None = None  # actions in a plan
    cfg: PlannerSettings = field(default_factory=PlannerSettings)


@dataclass(frozen=True)
class ControlLogSettings:
    """What is written in addition to the returns."""

    save_all_models: bool = False  # keep model.mat and model.nns of every iteration
    log_traj_preds: bool = False  # write mean and variance of every plan's predictions
    log_particles: bool = False  # write all their particles instead


@dataclass(frozen=True)
class ControlSettings:
    """Settings of the controller."""

    per: PositiveCount = 1  # actions executed before the next plan
    prop_cfg: PropagationSettings = field(default_factory=PropagationSettings)
    opt_cfg: PlanningSettings = field(default_factory=PlanningSettings)
    log_cfg: ControlLogSettings = field(default_factory=ControlLogSettings)
