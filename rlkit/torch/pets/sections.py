"""The sections of PETS' settings, as kchua/handful-of-trials nests its overrides."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from rlkit.core.settings import Count, NonNegative, Positive, PositiveCount
from rlkit.core.user_paths import PathSetting

Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class SimulationSettings:
    """A trial. null: the published value of the environment."""

    task_hor: PositiveCount | None = None  # its length, environment steps
    stochastic: bool = False  # disturb the executed actions
    noise_std: Positive | None = None  # standard deviation of the disturbance; with stochastic


@dataclass(frozen=True)
class RolloutSettings:
    """Numbers of training trials."""

    nrollouts_per_iter: PositiveCount = 1  # of an iteration
    ninit_rollouts: Count = 1  # random ones of iteration 0; 0: it is like the others


@dataclass(frozen=True)
class RolloutLogSettings:
    """How many trials are reported."""

    nrecord: Count = 0  # trials per iteration recorded as video
    neval: PositiveCount = 1  # trials of an iteration whose returns are logged


@dataclass(frozen=True)
class ExperimentSettings:
    """The outer loop."""

    sim_cfg: SimulationSettings = field(default_factory=SimulationSettings)
    exp_cfg: RolloutSettings = field(default_factory=RolloutSettings)
    log_cfg: RolloutLogSettings = field(default_factory=RolloutLogSettings)


@dataclass(frozen=True)
class ModelSettings:
    """The networks. null: the published value of the environment, or that of the model type."""

    num_nets: PositiveCount | None = None  # members: 1 for D and P, otherwise 5
    model_dir: PathSetting | None = None  # holds model.mat and model.nns
    load_model: bool = False  # read the networks from model_dir
    hidden_sizes: tuple[PositiveCount, ...] | None = None  # widths of the hidden layers


@dataclass(frozen=True)
class TrainSettings:
    """Their training. null: the published value of the environment."""

    batch_size: PositiveCount = 32  # rows per member and step
    epochs: PositiveCount = 5  # passes over the data per iteration
    holdout_ratio: Share = 0.0  # rows set aside for the holdout error
    max_logging: PositiveCount = 5000  # most rows set aside, and that errors are measured on
    learning_rate: Positive | None = None  # of Adam
    weight_decays: tuple[NonNegative, ...] | None = None  # of ||W||^2 / 2, one per layer


@dataclass(frozen=True)
class PropagationSettings:
    """How predictions are made. null: 1 particle for E, otherwise 20; ign_var true for E and for
    DE with TS."""

    model_pretrained: bool = False  # plan from the start, with the networks that were loaded
    npart: PositiveCount | None = None  # particles per candidate
    ign_var: bool | None = None  # members predict their means
    mm_on: Literal["output", "state"] = "output"  # what moment matching draws again
    model_init_cfg: ModelSettings = field(default_factory=ModelSettings)
    model_train_cfg: TrainSettings = field(default_factory=TrainSettings)


@dataclass(frozen=True)
class PlannerSettings:
    """The search. null: the published value of the environment; all but popsize are CEM's."""

    popsize: PositiveCount | None = None  # candidates (per iteration of CEM)
    max_iters: PositiveCount = 5
    num_elites: PositiveCount | None = None
    epsilon: NonNegative = 0.001  # CEM ends where no variance is greater
    alpha: Share = 0.1  # weight of the old mean and variance
    smooth_variance: bool = True  # False: the variance as before November 2018


@dataclass(frozen=True)
class PlanningSettings:
    """Plans. null: the published value of the environment."""

    plan_hor: PositiveCount | None = None  # actions in a plan
    cfg: PlannerSettings = field(default_factory=PlannerSettings)


@dataclass(frozen=True)
class ControlLogSettings:
    """Settings of what is written in addition to the returns."""

    save_all_models: bool = False  # keep model.mat and model.nns of every iteration
    log_traj_preds: bool = False  # mean and variance of the predictions of every plan
    log_particles: bool = False  # all particles of them instead


@dataclass(frozen=True)
class ControlSettings:
    """The controller."""

    per: PositiveCount = 1  # actions of a plan that are done before the next
    prop_cfg: PropagationSettings = field(default_factory=PropagationSettings)
    opt_cfg: PlanningSettings = field(default_factory=PlanningSettings)
    log_cfg: ControlLogSettings = field(default_factory=ControlLogSettings)
