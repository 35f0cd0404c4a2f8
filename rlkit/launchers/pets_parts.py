"""Constructs the parts of PETS from its settings and an environment."""

from collections.abc import Callable
from functools import partial
from typing import cast

import torch

from rlkit.envs.base import MetaEnv
from rlkit.envs.pets.base import PetsEnv
from rlkit.torch.pets.config import PETSSettings, given
from rlkit.torch.pets.dynamics import Dynamics, TrainingSettings, make_ensemble
from rlkit.torch.pets.mpc import MPC
from rlkit.torch.pets.objective import ModelCosts
from rlkit.torch.pets.pets import Film
from rlkit.torch.pets.planners import CEM, Planner, RandomShooting
from rlkit.torch.pets.propagation import PROPAGATIONS, Propagation, moment_matching
from rlkit.torch.pets.regression import RegressionEnsemble
from rlkit.torch.pets.task_model import model_sizes, reward_of, transforms_of


def pets_env(env: MetaEnv) -> PetsEnv:
    """Unwrap the PETS environment, which takes actions in its own units.

    Raises:
        ValueError: it is not a `PetsEnv`.
    """
    body = env.unwrapped
    if not isinstance(body, PetsEnv):
        raise ValueError(f"{env.name} is not an environment of PETS: its reward is unknown")
    return body


def filmed(env: PetsEnv, count: int, write: Callable[[str, bytes], None]) -> tuple[MetaEnv, Film]:
    """The environment of the trials, and a function that records the first `count` of them.

    Raises:
        ValueError: rendering does not work on this machine.
    """
    if count == 0:
        return env, lambda iteration, paths, report: None
    from rlkit.launchers.pets_films import FilmedTrials  # imports imageio

    stage = FilmedTrials(env, write)
    return stage, partial(stage.film_trials, count=count)


def build_ensemble(
    algo: PETSSettings, env: PetsEnv, generator: torch.Generator
) -> RegressionEnsemble:
    """Construct the networks with weights from `generator`."""
    model, (inputs, outputs) = algo.ctrl_cfg.prop_cfg.model_init_cfg, model_sizes(env)
    return make_ensemble(
        algo.model_type,
        given(model.num_nets),
        inputs + env.act_dim,
        outputs,
        given(model.hidden_sizes),
        generator=generator,
    )


def build_dynamics(
    algo: PETSSettings, env: PetsEnv, ensemble: RegressionEnsemble, generator: torch.Generator
) -> Dynamics:
    """Make the dynamics model around the networks; `generator` is used in training."""
    train = algo.ctrl_cfg.prop_cfg.model_train_cfg
    settings = TrainingSettings(
        weight_decays=given(train.weight_decays),
        learning_rate=given(train.learning_rate),
        batch_size=train.batch_size,
        epochs=train.epochs,
        holdout_ratio=train.holdout_ratio,
        max_logging=train.max_logging,
    )
    return Dynamics(
        ensemble,
        transforms_of(env),
        settings,
        generator,
        ignore_variance=given(algo.ctrl_cfg.prop_cfg.ign_var),
    )


def build_controller(
    algo: PETSSettings, env: PetsEnv, dynamics: Dynamics, device: torch.device
) -> MPC:
    """Construct the planner, in the units of the environment."""
    prop, plan, cfg = algo.ctrl_cfg.prop_cfg, algo.ctrl_cfg.opt_cfg, algo.ctrl_cfg.opt_cfg.cfg
    low, high = (
        torch.tensor(bound, dtype=torch.float32, device=device)
        for bound in (env.action_low, env.action_high)
    )
    propagation: Propagation = PROPAGATIONS[algo.prop_type]
    if algo.prop_type == "MM":
        propagation = cast(Propagation, partial(moment_matching, on=prop.mm_on))
    planner: Planner
    if algo.opt_type == "Random":
        planner = RandomShooting(low, high, given(cfg.popsize))
    else:
        planner = CEM(
            low,
            high,
            given(cfg.popsize),
            given(cfg.num_elites),
            cfg.max_iters,
            cfg.alpha,
            cfg.epsilon,
            smooth_variance=cfg.smooth_variance,
        )
    costs = ModelCosts(dynamics, propagation, reward_of(env, device), given(prop.npart))
    logged = algo.ctrl_cfg.log_cfg
    return MPC(
        costs,
        planner,
        low,
        high,
        given(plan.plan_hor),
        algo.ctrl_cfg.per,
        keep_predictions=logged.log_traj_preds or logged.log_particles,
    )
