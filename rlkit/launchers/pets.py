"""Builds PETS: environment, networks, planner and loop."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import torch

from rlkit.core.seeding import stream, torch_seed
from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.envs.base import MetaEnv
from rlkit.envs.pets.base import PetsEnv
from rlkit.launchers.launcher import EvaluationProtocol, Experiment, Launcher, Requirements
from rlkit.launchers.machine import default_threads
from rlkit.launchers.pets_config import PETSExperiment
from rlkit.launchers.run_files import RunFiles
from rlkit.launchers.run_folder import load_weights
from rlkit.policies.base import MetaPolicy
from rlkit.torch.execution import torch_threads
from rlkit.torch.pets.config import PETSSettings, given
from rlkit.torch.pets.dynamics import Dynamics, TrainingSettings, make_ensemble
from rlkit.torch.pets.mpc import MPC
from rlkit.torch.pets.objective import ModelCosts
from rlkit.torch.pets.pets import PETS
from rlkit.torch.pets.planners import CEM, Planner, RandomShooting
from rlkit.torch.pets.policy import PlanningPolicy
from rlkit.torch.pets.propagation import PROPAGATIONS, Propagation, moment_matching
from rlkit.torch.pets.regression import RegressionEnsemble
from rlkit.torch.pets.saved_model import load_model
from rlkit.torch.pets.task_model import model_sizes, reward_of, transforms_of
from rlkit.torch.pets.trials import Trials

Film = Callable[[int, Paths], None]

CAPACITY = 1_000_000  # rows of the buffer, unless the run has more
FLOAT_BYTES = 4
PROCESS_BYTES = 0.8e9  # of Python, torch and MuJoCo
ACTIVATIONS = 4  # arrays as wide as a layer that a plan holds at a time


class PETSLauncher(Launcher[PETSExperiment]):
    """Launches PETS."""

    settings: ClassVar[type[PETSExperiment]] = PETSExperiment
    headline: ClassVar[Mapping[str, str]] = {"return": "AverageReturn", "best": "BestReturn"}

    def resolve(self, config: PETSExperiment, device: str) -> PETSExperiment:
        """Let all trials of an iteration run together."""
        util = config.util_params
        lanes = util.num_envs or config.algo_params.num_lanes
        return replace(config, util_params=replace(util, num_envs=lanes))

    def build_env(
        self, config: PETSExperiment, tasks: np.ndarray | None = None, num_envs: int | None = None
    ) -> MetaEnv:
        """Construct the environment, with a lane for each trial of an iteration."""
        return super().build_env(config, tasks, num_envs or config.algo_params.num_lanes)

    def build(
        self,
        config: PETSExperiment,
        device: str,
        seed: int,
        *,
        tasks: np.ndarray | None = None,
        files: RunFiles | None = None,
    ) -> Experiment:
        """Construct a PETS experiment; see `Launcher.build`."""
        algo, place = config.algo_params, torch.device(device)
        env = self.build_env(config, tasks)
        body, num_threads = pets_env(env), config.util_params.torch_threads or 1
        generator = torch.Generator().manual_seed(torch_seed(seed, "networks"))
        ensemble = build_ensemble(algo, body, generator).to(place)
        model = algo.ctrl_cfg.prop_cfg.model_init_cfg
        if model.load_model:
            load_model(Path(given(model.model_dir)), ensemble)
        training = torch.Generator(place).manual_seed(torch_seed(seed, "training"))
        dynamics = build_dynamics(algo, body, ensemble, training)
        controller = build_controller(algo, body, dynamics, place)
        write = (lambda name, content: None) if files is None else files.write
        stage, film = filmed(body, algo.exp_cfg.log_cfg.nrecord, write)
        trials = Trials(
            stage, controller, algo.task_hor, algo.exp_cfg.sim_cfg.noise_std, seed, num_threads
        )
        rows = algo.num_iterations * algo.num_lanes * algo.task_hor
        buffer = MultiTaskReplayBuffer(
            1, body.obs_dim, body.act_dim, capacity=max(CAPACITY, rows), device=place
        )
        algorithm = PETS(
            trials,
            dynamics,
            buffer,
            algo,
            write,
            film=film,
            trained=algo.ctrl_cfg.prop_cfg.model_pretrained,
            num_threads=num_threads,
        )
        return Experiment(env, algorithm, PlanningPolicy(controller, num_threads))

    def load(self, config: PETSExperiment, env: MetaEnv, run_dir: Path, device: str) -> MetaPolicy:
        """Construct the planner with the trained model of a run folder."""
        algo, body, place = config.algo_params, pets_env(env), torch.device(device)
        ensemble = build_ensemble(algo, body, torch.Generator())
        load_weights(run_dir, {"dynamics": ensemble})
        dynamics = build_dynamics(algo, body, ensemble.to(place), torch.Generator(place))
        threads = config.util_params.torch_threads or default_threads()
        return PlanningPolicy(build_controller(algo, body, dynamics, place), threads)

    def protocol(self, config: PETSExperiment) -> EvaluationProtocol:
        """One trial; there is nothing to adapt to."""
        return EvaluationProtocol(1, 0, config.algo_params.task_hor)

    def requirements(self, config: PETSExperiment) -> Requirements:
        """Estimate steps, memory and disk."""
        algo = config.algo_params
        env = self.build_env(config, num_envs=1)
        body = pets_env(env)
        row = FLOAT_BYTES * (2 * body.obs_dim + body.act_dim + 3)
        inputs, outputs = model_sizes(body)
        env.close()
        model, prop = algo.ctrl_cfg.prop_cfg.model_init_cfg, algo.ctrl_cfg.prop_cfg
        sizes = [inputs + body.act_dim, *given(model.hidden_sizes), 2 * outputs]
        products = sum(one * two for one, two in pairwise(sizes))
        parameters = FLOAT_BYTES * given(model.num_nets) * products
        rollouts, horizon = algo.exp_cfg.exp_cfg, algo.task_hor
        steps = algo.trials_per_iteration * horizon
        learned = rollouts.ninit_rollouts or rollouts.nrollouts_per_iter
        counts = [
            (learned + i * rollouts.nrollouts_per_iter) * horizon
            for i in range(algo.num_iterations)
        ]
        batch, epochs = prop.model_train_cfg.batch_size, prop.model_train_cfg.epochs
        gradient_steps = sum(epochs * math.ceil(rows / batch) for rows in counts)
        replay = float(counts[-1] * row)
        popsize = given(algo.ctrl_cfg.opt_cfg.cfg.popsize) * algo.trials_per_iteration
        planning = FLOAT_BYTES * ACTIVATIONS * popsize * given(prop.npart) * max(sizes)
        kept = 1 + (algo.num_iterations if algo.ctrl_cfg.log_cfg.save_all_models else 0)
        initial = rollouts.ninit_rollouts * horizon - steps if rollouts.ninit_rollouts else 0
        return Requirements(
            initial_steps=max(0, initial),
            iteration_steps=steps,
            evaluation_steps=0,
            gradient_steps=round(gradient_steps / algo.num_iterations),
            memory=PROCESS_BYTES + 2 * replay + 4 * parameters + planning,
            replay=replay,
            row=row,
            disk=2 * replay + (7 + kept) * parameters,
        )

    def iteration_seconds(self, config: PETSExperiment, device: str) -> float | None:
        """Seconds of the planning of an iteration, from one timed search with the whole population."""
        algo = config.algo_params
        cfg = replace(algo.ctrl_cfg.opt_cfg.cfg, max_iters=1)
        timed = replace(
            algo, ctrl_cfg=replace(algo.ctrl_cfg, opt_cfg=replace(algo.ctrl_cfg.opt_cfg, cfg=cfg))
        )
        env = self.build_env(config)
        body, place = pets_env(env), torch.device(device)
        ensemble = build_ensemble(algo, body, torch.Generator().manual_seed(0)).to(place)
        dynamics = build_dynamics(algo, body, ensemble, torch.Generator(place))
        controller = build_controller(timed, body, dynamics, place)
        lanes = [stream(0, "timed plan", lane) for lane in range(algo.trials_per_iteration)]
        env.reset_task(np.zeros(len(lanes), int))
        obs = env.reset(lanes)
        controller.start_trajectories(lanes)
        with torch_threads(config.util_params.torch_threads or default_threads()):
            began = time.perf_counter()
            controller.get_actions(obs)
            seconds = time.perf_counter() - began
        env.close()
        searches = algo.ctrl_cfg.opt_cfg.cfg.max_iters if algo.opt_type == "CEM" else 1
        return seconds * searches * math.ceil(algo.task_hor / algo.ctrl_cfg.per)


def pets_env(env: MetaEnv) -> PetsEnv:
    """The environment of PETS inside its wrappers, with actions in its own units.

    Raises:
        ValueError: it is none.
    """
    body = env.unwrapped
    if not isinstance(body, PetsEnv):
        raise ValueError(f"{env.name} is not an environment of PETS, whose reward is known")
    return body


def filmed(env: PetsEnv, count: int, write: Callable[[str, bytes], None]) -> tuple[MetaEnv, Film]:
    """The environment that trials run in, and what films the first `count` of them.

    Raises:
        ValueError: nothing can be drawn on this machine.
    """
    if count == 0:
        return env, lambda iteration, paths: None
    from rlkit.launchers.pets_films import FilmedTrials  # imports imageio

    stage = FilmedTrials(env, write)
    return stage, partial(stage.film_trials, count=count)


def build_ensemble(
    algo: PETSSettings, env: PetsEnv, generator: torch.Generator
) -> RegressionEnsemble:
    """Make the networks, with weights from `generator`."""
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
    """Make the dynamics model around the networks; `generator` is of its training."""
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
    """Make the planner, in the units of the environment."""
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
