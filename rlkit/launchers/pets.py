"""Builds PETS: environment, networks, planner and loop."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from rlkit.core.seeding import torch_seed
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.envs.base import MetaEnv
from rlkit.launchers.launcher import EvaluationProtocol, Experiment, Launcher, Requirements
from rlkit.launchers.machine import default_threads
from rlkit.launchers.pets_config import PETSExperiment
from rlkit.launchers.pets_estimates import iteration_seconds, requirements
from rlkit.launchers.pets_parts import (
    build_controller,
    build_dynamics,
    build_ensemble,
    filmed,
    pets_env,
)
from rlkit.launchers.run_files import RunFiles
from rlkit.launchers.run_folder import load_weights
from rlkit.policies.base import MetaPolicy
from rlkit.torch.execution import torch_threads
from rlkit.torch.pets.config import given
from rlkit.torch.pets.pets import PETS
from rlkit.torch.pets.policy import PlanningPolicy
from rlkit.torch.pets.saved_model import load_model
from rlkit.torch.pets.trials import Trials

CAPACITY = 1_000_000  # rows of the buffer, unless the run collects more


class PETSLauncher(Launcher[PETSExperiment]):
    """Launches PETS."""

    settings: ClassVar[type[PETSExperiment]] = PETSExperiment
    headline: ClassVar[Mapping[str, str]] = {"return": "AverageReturn", "best": "BestReturn"}
    units: ClassVar[Mapping[str, str]] = {"collecting": "trial step", "training": "epoch"}

    def resolve(self, config: PETSExperiment, device: str) -> PETSExperiment:
        """Run all trials of an iteration in parallel."""
        util = config.util_params
        lanes = util.num_envs or config.algo_params.num_lanes
        return replace(config, util_params=replace(util, num_envs=lanes))

    def build_env(
        self, config: PETSExperiment, tasks: np.ndarray | None = None, num_envs: int | None = None
    ) -> MetaEnv:
        """Construct the environment with a lane for each trial of an iteration."""
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
        """Load the trained model of a run folder into a planner."""
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
        env = self.build_env(config, num_envs=1)
        found = requirements(config.algo_params, pets_env(env))
        env.close()
        return found

    def iteration_seconds(self, config: PETSExperiment, device: str) -> float | None:
        """Mean seconds per iteration, from a timed plan and a timed training step."""
        env = self.build_env(config)
        threads = config.util_params.torch_threads or default_threads()
        with torch_threads(threads):
            found = iteration_seconds(config.algo_params, pets_env(env), torch.device(device))
        env.close()
        return found
