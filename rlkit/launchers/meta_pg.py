"""Builds MAML-TRPO, ProMP and RL²: environment, policy, update and loop."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import numpy as np
import torch
from torch import nn

from rlkit.core.meta_evaluation import MetaEvaluation, MetaTestSettings
from rlkit.core.names import import_named
from rlkit.core.seeding import torch_seed
from rlkit.envs.base import MetaEnv
from rlkit.launchers.launcher import EvaluationProtocol, Experiment, Launcher, Requirements
from rlkit.launchers.machine import default_threads
from rlkit.launchers.meta_pg_config import (
    MAMLExperiment,
    MetaPGExperiment,
    ProMPExperiment,
    RL2Experiment,
)
from rlkit.launchers.meta_pg_sizes import (
    default_num_envs,
    explored_per_test,
    requirements,
    seconds_of,
)
from rlkit.launchers.run_files import RunFiles
from rlkit.launchers.run_folder import load_weights
from rlkit.policies.base import MetaPolicy
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.torch.execution import torch_threads
from rlkit.torch.meta_pg.budgets import BudgetReturns
from rlkit.torch.meta_pg.config import GradientSettings, MAMLSettings, ProMPSettings, RL2Settings
from rlkit.torch.meta_pg.gradient_policy import GradientPolicy
from rlkit.torch.meta_pg.maml import GradientMetaLearner
from rlkit.torch.meta_pg.outer import OuterSettings
from rlkit.torch.meta_pg.policy import check_twice_differentiable
from rlkit.torch.meta_pg.ppo import TrialPPO
from rlkit.torch.meta_pg.recurrent import RecurrentActorCritic
from rlkit.torch.meta_pg.rl2 import RL2
from rlkit.torch.meta_pg.rl2_policy import RL2Policy
from rlkit.torch.meta_pg.task_data import AdvantageSettings
from rlkit.torch.meta_pg.tasks import TaskSource
from rlkit.torch.meta_pg.trust_region import TrustRegionSettings
from rlkit.torch.meta_pg.updates import AdamUpdate, OuterUpdate, TrustRegionUpdate

POLICIES = {"mlp": "rlkit.torch.meta_pg.policy:GaussianMlp"}
TIMED_TASKS = 4  # of a smaller iteration, from which the seconds of a whole one are estimated
Config = TypeVar("Config", bound=MetaPGExperiment)


class MetaPGLauncher(Launcher[Config]):
    """What the launchers of the three methods share."""

    headline: ClassVar[Mapping[str, str]] = {
        "test": "AverageReturn_all_test_tasks",
        "test before adaptation": "AverageReturn_prior_test_tasks",
        "gain": "Adaptation gain",
    }

    def algo(self, config: Config) -> GradientSettings | RL2Settings:
        """The settings of the algorithm."""
        return cast(GradientSettings | RL2Settings, config.algo_params)

    def resolve(self, config: Config, device: str) -> Config:
        """Let the trajectories or trials of an iteration run together."""
        util = config.util_params
        lanes = util.num_envs or default_num_envs(self.algo(config))
        return replace(config, util_params=replace(util, num_envs=lanes))

    def build_env(
        self, config: Config, tasks: np.ndarray | None = None, num_envs: int | None = None
    ) -> MetaEnv:
        """Construct the environment with the lanes of an iteration."""
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
        """Construct what chooses the tasks of an iteration."""
        algo = self.algo(config)
        return TaskSource(
            env, config.n_train_tasks, algo.meta_batch, fresh=algo.fresh_tasks, seed=seed
        )

    def load(self, config: Config, env: MetaEnv, run_dir: Path, device: str) -> MetaPolicy:
        """Construct the trained policy of a run folder."""
        network = self.network(config, env, torch.Generator())
        load_weights(run_dir, {"policy": network})
        return self.policy(config, network.to(device))

    def network(self, config: Config, env: MetaEnv, generator: torch.Generator) -> nn.Module:
        """Construct what is trained."""
        raise NotImplementedError

    def policy(self, config: Config, network: nn.Module) -> MetaPolicy:
        """Construct what acts with it."""
        raise NotImplementedError

    def gradient_steps(self, config: Config) -> int:
        """Gradient steps of an iteration."""
        raise NotImplementedError

    def protocol(self, config: Config) -> EvaluationProtocol:
        """Trajectories until adaptation is expected, and two more; held-out tasks."""
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
        """Estimate the seconds of an iteration from one of a few tasks."""
        algo = self.algo(config)
        few = min(TIMED_TASKS, algo.meta_batch)
        changes: dict[str, Any] = {"meta_batch": few}
        if isinstance(algo, RL2Settings):
            changes["num_minibatches"] = min(algo.num_minibatches, few)
        small = replace(config, algo_params=replace(algo, **changes))
        experiment = self.build(small, device, 0)
        with torch_threads(config.util_params.torch_threads or default_threads()):
            seconds = seconds_of(experiment.algorithm, algo.meta_batch / few)
        experiment.close()
        return seconds


class GradientLauncher(MetaPGLauncher[Config]):
    """What MAML-TRPO and ProMP share."""

    def gradient_algo(self, config: Config) -> GradientSettings:
        """The settings of the algorithm."""
        return cast(GradientSettings, config.algo_params)

    def network(self, config: Config, env: MetaEnv, generator: torch.Generator) -> nn.Module:
        """Construct the policy that the configuration names.

        Raises:
            ValueError: there is none, or it cannot be differentiated twice.
        """
        algo = self.gradient_algo(config)
        make = cast(Any, import_named(algo.policy, POLICIES))
        network: nn.Module = make(
            env.obs_dim,
            env.act_dim,
            algo.hidden_sizes,
            nonlinearity=algo.nonlinearity,
            init_std=algo.init_std,
            generator=generator,
        )
        if algo.policy not in POLICIES:
            check_twice_differentiable(network, env.obs_dim, algo.policy)
        return network

    def policy(self, config: Config, network: nn.Module) -> GradientPolicy:
        """Construct what acts and adapts."""
        algo = self.gradient_algo(config)
        return GradientPolicy(
            network,
            AdvantageSettings(algo.discount, algo.gae_lambda, algo.baseline),
            inner_lr=algo.inner_lr,
            inner_surrogate=algo.inner_surrogate,
            num_inner_steps=algo.num_inner_steps,
            num_explored=algo.num_exp_traj_eval,
        )

    def update(self, config: Config, network: nn.Module) -> OuterUpdate:
        """Construct the outer step."""
        raise NotImplementedError

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
        algo, env = self.gradient_algo(config), self.build_env(config, tasks)
        generator = torch.Generator().manual_seed(torch_seed(seed, "networks"))
        network = self.network(config, env, generator).to(device)
        policy = self.policy(config, network)
        sampler = InPlacePathSampler(env, policy, algo.max_path_length)
        algorithm = GradientMetaLearner(
            policy,
            sampler,
            self.task_source(config, env, seed),
            self.update(config, network),
            self.evaluation(config, env, policy, seed),
            BudgetReturns(sampler, policy, algo.num_exp_traj_eval, deterministic=True, seed=seed),
            algo,
            credit=isinstance(algo, MAMLSettings) and algo.exploration_credit,
            seed=seed,
            num_threads=config.util_params.torch_threads or 1,
        )
        return Experiment(env, algorithm, policy)


class MAMLTRPO(GradientLauncher[MAMLExperiment]):
    """Launches MAML-TRPO, VPG-MAML and E-MAML."""

    settings: ClassVar[type[MAMLExperiment]] = MAMLExperiment

    def gradient_steps(self, config: MAMLExperiment) -> int:
        """One."""
        return 1

    def update(self, config: MAMLExperiment, network: nn.Module) -> OuterUpdate:
        """Construct the outer step: in a trust region, or by Adam on the plain objective."""
        algo: MAMLSettings = config.algo_params
        if algo.outer == "vpg":
            plain = OuterSettings(algo.inner_lr, algo.inner_surrogate, "log_likelihood")
            return AdamUpdate(
                network,
                plain,
                num_epochs=1,
                learning_rate=algo.learning_rate,
                kl_coefs=[0.0] * algo.num_inner_steps,
            )
        region = TrustRegionSettings(
            algo.max_kl,
            algo.cg_iterations,
            algo.cg_damping,
            algo.line_search_steps,
            algo.line_search_decay,
        )
        ratio = OuterSettings(algo.inner_lr, algo.inner_surrogate, "ratio")
        return TrustRegionUpdate(network, ratio, region, algo.hvp_subsample)


class ProMP(GradientLauncher[ProMPExperiment]):
    """Launches ProMP."""

    settings: ClassVar[type[ProMPExperiment]] = ProMPExperiment

    def gradient_steps(self, config: ProMPExperiment) -> int:
        """The epochs."""
        return config.algo_params.num_epochs

    def update(self, config: ProMPExperiment, network: nn.Module) -> OuterUpdate:
        """Construct the outer step."""
        algo: ProMPSettings = config.algo_params
        return AdamUpdate(
            network,
            OuterSettings(algo.inner_lr, algo.inner_surrogate, "clipped_ratio", algo.clip),
            num_epochs=algo.num_epochs,
            learning_rate=algo.learning_rate,
            kl_coefs=[algo.kl_coef] * algo.num_inner_steps,
            kl_target=algo.kl_target,
        )


class RL2Launcher(MetaPGLauncher[RL2Experiment]):
    """Launches RL²."""

    settings: ClassVar[type[RL2Experiment]] = RL2Experiment

    def gradient_steps(self, config: RL2Experiment) -> int:
        """Minibatches of all epochs."""
        return config.algo_params.num_epochs * config.algo_params.num_minibatches

    def network(
        self, config: RL2Experiment, env: MetaEnv, generator: torch.Generator
    ) -> RecurrentActorCritic:
        """Construct the recurrent network."""
        algo = config.algo_params
        return RecurrentActorCritic(
            env.obs_dim,
            env.act_dim,
            algo.hidden_size,
            cell=algo.cell,
            init_std=algo.init_std,
            generator=generator,
        )

    def policy(self, config: RL2Experiment, network: nn.Module) -> RL2Policy:
        """Construct what acts with it."""
        return RL2Policy(cast(RecurrentActorCritic, network))

    def build(
        self,
        config: RL2Experiment,
        device: str,
        seed: int,
        *,
        tasks: np.ndarray | None = None,
        files: RunFiles | None = None,
    ) -> Experiment:
        """Construct an experiment; see `Launcher.build`."""
        algo, env = config.algo_params, self.build_env(config, tasks)
        generator = torch.Generator().manual_seed(torch_seed(seed, "networks"))
        network = self.network(config, env, generator).to(device)
        policy = RL2Policy(network)
        training = torch.Generator().manual_seed(torch_seed(seed, "training"))
        algorithm = RL2(
            env,
            policy,
            self.task_source(config, env, seed),
            TrialPPO(network, algo, training),
            self.evaluation(config, env, policy, seed),
            algo,
            seed=seed,
            num_threads=config.util_params.torch_threads or 1,
        )
        return Experiment(env, algorithm, policy)
