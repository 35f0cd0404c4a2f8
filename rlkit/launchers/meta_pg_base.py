"""Base of the launchers of MAML-TRPO, ProMP and RL²."""

import abc
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, TypeVar, cast

import numpy as np
import torch
from torch import nn

from rlkit.core.meta_evaluation import MetaEvaluation, MetaTestSettings
from rlkit.core.seeding import torch_seed
from rlkit.envs.base import MetaEnv
from rlkit.launchers.launcher import EvaluationProtocol, Experiment, Launcher, Requirements
from rlkit.launchers.meta_pg_config import MetaPGExperiment
from rlkit.launchers.meta_pg_sizes import (
    default_num_envs,
    explored_per_test,
    requirements,
    seconds_of,
)
from rlkit.launchers.run_files import RunFiles
from rlkit.launchers.run_folder import load_weights
from rlkit.policies.base import MetaPolicy
from rlkit.torch.execution import torch_threads
from rlkit.torch.meta_pg.config import GradientSettings, RL2Settings
from rlkit.torch.meta_pg.on_policy import OnPolicyMetaLearner
from rlkit.torch.meta_pg.tasks import TaskSource

TIMED_TASKS = 4  # tasks of the smaller iteration that is timed
Config = TypeVar("Config", bound=MetaPGExperiment)


class MetaPGLauncher(Launcher[Config]):
    """Base class of the launchers of the three methods."""

    headline: ClassVar[Mapping[str, str]] = {
        "test": "AverageReturn_all_test_tasks",
        "test before adaptation": "AverageReturn_prior_test_tasks",
        "gain": "Adaptation gain",
    }

    def algo(self, config: Config) -> GradientSettings | RL2Settings:
        """The settings of the algorithm."""
        return cast(GradientSettings | RL2Settings, config.algo_params)

    def resolve(self, config: Config, device: str) -> Config:
        """Choose lanes that run an iteration's trajectories (RL²: its trials) in parallel."""
        util = config.util_params
        lanes = util.num_envs or default_num_envs(self.algo(config))
        return replace(config, util_params=replace(util, num_envs=lanes))

    def build_env(
        self, config: Config, tasks: np.ndarray | None = None, num_envs: int | None = None
    ) -> MetaEnv:
        """Construct the environment with enough lanes for an iteration."""
        lanes = num_envs or config.util_params.num_envs or default_num_envs(self.algo(config))
        return super().build_env(config, tasks, lanes)

    def evaluation(
        self, config: Config, env: MetaEnv, policy: MetaPolicy, seed: int
    ) -> MetaEvaluation:
        """Construct the meta-test."""
        algo, num_tasks = self.algo(config), len(env.tasks)
        explored = explored_per_test(algo)
        return MetaEvaluation(
            env,
            policy,
            range(config.n_train_tasks),
            range(num_tasks - config.n_eval_tasks, num_tasks),
            MetaTestSettings(
                num_runs=algo.num_evals,
                num_steps=explored * algo.max_path_length + 1,
                horizon=algo.max_path_length,
                num_stochastic=explored if isinstance(algo, GradientSettings) else 0,
            ),
            seed,
        )

    def task_source(self, config: Config, env: MetaEnv, seed: int) -> TaskSource:
        """Construct the source of an iteration's tasks."""
        algo = self.algo(config)
        return TaskSource(
            env, config.n_train_tasks, algo.meta_batch, fresh=algo.fresh_tasks, seed=seed
        )

    def load(self, config: Config, env: MetaEnv, run_dir: Path, device: str) -> MetaPolicy:
        """Load the trained policy of a run folder."""
        network = self.network(config, env, torch.Generator())
        load_weights(run_dir, {"policy": network})
        return self.policy(config, network.to(device))

    def build(
        self,
        config: Config,
        device: str,
        seed: int,
        *,
        tasks: np.ndarray | None = None,
        files: RunFiles | None = None,
    ) -> Experiment:
        """Construct an experiment; see `Launcher.build`."""
        env = self.build_env(config, tasks)
        generator = torch.Generator().manual_seed(torch_seed(seed, "networks"))
        network = self.network(config, env, generator).to(device)
        policy = self.policy(config, network)
        return Experiment(env, self.learner(config, env, policy, seed), policy)

    @abc.abstractmethod
    def learner(
        self, config: Config, env: MetaEnv, policy: MetaPolicy, seed: int
    ) -> OnPolicyMetaLearner:
        """Construct the meta-learner, which trains the policy's network."""

    @abc.abstractmethod
    def network(self, config: Config, env: MetaEnv, generator: torch.Generator) -> nn.Module:
        """Construct the trained network."""

    @abc.abstractmethod
    def policy(self, config: Config, network: nn.Module) -> MetaPolicy:
        """Construct the policy that acts with the network."""

    @abc.abstractmethod
    def gradient_steps(self, config: Config) -> int:
        """Number of gradient steps per iteration."""

    def protocol(self, config: Config) -> EvaluationProtocol:
        """Held-out tasks with exploration trajectories and two more; for RL², a whole trial."""
        algo = self.algo(config)
        explored, recurrent = explored_per_test(algo), isinstance(algo, RL2Settings)
        return EvaluationProtocol(
            num_trajectories=algo.episodes_per_trial
            if isinstance(algo, RL2Settings)
            else explored + 2,
            num_explored=explored,
            horizon=algo.max_path_length,
            num_stochastic=0 if recurrent else explored,
            num_tasks=config.n_eval_tasks,
        )

    def requirements(self, config: Config) -> Requirements:
        """Estimate steps, memory and disk."""
        env = self.build_env(config, num_envs=1)
        networks = {"policy": self.network(config, env, torch.Generator())}
        env.close()
        steps = self.gradient_steps(config)
        return requirements(self.algo(config), env, networks, config.n_eval_tasks, steps)

    def iteration_seconds(self, config: Config, device: str) -> float | None:
        """Estimate the seconds per iteration by timing a smaller one.

        For gradient methods it has fewer tasks. For RL², whose time hardly depends on the number
        of trials, it has one epoch.
        """
        algo = self.algo(config)
        few = min(TIMED_TASKS, algo.meta_batch)
        small: GradientSettings | RL2Settings
        if isinstance(algo, RL2Settings):
            small, scale, updates = replace(algo, num_epochs=1), 1.0, algo.num_epochs
        else:
            small, scale, updates = replace(algo, meta_batch=few), algo.meta_batch / few, 1
        experiment = self.build(replace(config, algo_params=small), device, 0)
        with torch_threads(1):  # as in a run; updates use theirs
            seconds = scale * seconds_of(experiment.algorithm, updates)
        experiment.close()
        return seconds
