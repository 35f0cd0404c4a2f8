"""Builds MAML-TRPO and ProMP: environment, policy, inner and outer steps, loop."""

import abc
from typing import ClassVar, TypeVar, cast

import torch
from torch import nn

from rlkit.envs.base import MetaEnv
from rlkit.launchers.meta_pg_base import MetaPGLauncher
from rlkit.launchers.meta_pg_config import (
    MAMLExperiment,
    MetaPGExperiment,
    ProMPExperiment,
)
from rlkit.policies.base import MetaPolicy
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.torch.meta_pg.budgets import BudgetReturns
from rlkit.torch.meta_pg.config import GradientSettings, MAMLSettings, ProMPSettings
from rlkit.torch.meta_pg.gradient_policy import GradientPolicy
from rlkit.torch.meta_pg.maml import GradientMetaLearner
from rlkit.torch.meta_pg.outer import OuterSettings
from rlkit.torch.meta_pg.policy import make_policy
from rlkit.torch.meta_pg.task_data import AdvantageSettings
from rlkit.torch.meta_pg.trust_region import TrustRegionSettings
from rlkit.torch.meta_pg.updates import AdamUpdate, OuterUpdate, TrustRegionUpdate

Config = TypeVar("Config", bound=MetaPGExperiment)


class GradientLauncher(MetaPGLauncher[Config]):
    """Base class of the launchers of MAML-TRPO and ProMP."""

    def gradient_algo(self, config: Config) -> GradientSettings:
        """The settings of the algorithm."""
        return cast(GradientSettings, config.algo_params)

    def network(self, config: Config, env: MetaEnv, generator: torch.Generator) -> nn.Module:
        """Construct the configured policy network.

        Raises:
            ValueError: it does not exist, or cannot be differentiated twice.
        """
        algo = self.gradient_algo(config)
        return make_policy(
            algo.policy,
            env.obs_dim,
            env.act_dim,
            algo.hidden_sizes,
            nonlinearity=algo.nonlinearity,
            init_std=algo.init_std,
            generator=generator,
        )

    def policy(self, config: Config, network: nn.Module) -> GradientPolicy:
        """Construct the policy that acts and adapts."""
        algo = self.gradient_algo(config)
        return GradientPolicy(
            network,
            AdvantageSettings(algo.discount, algo.gae_lambda, algo.baseline),
            inner_lr=algo.inner_lr,
            inner_surrogate=algo.inner_surrogate,
            num_inner_steps=algo.num_inner_steps,
            num_explored=algo.num_exp_traj_eval,
        )

    @abc.abstractmethod
    def update(self, config: Config, network: nn.Module) -> OuterUpdate:
        """Construct the outer update."""

    def learner(
        self, config: Config, env: MetaEnv, policy: MetaPolicy, seed: int
    ) -> GradientMetaLearner:
        """Construct the meta-learner."""
        algo, policy = self.gradient_algo(config), cast(GradientPolicy, policy)
        sampler = InPlacePathSampler(env, policy, algo.max_path_length)
        return GradientMetaLearner(
            policy,
            sampler,
            self.task_source(config, env, seed),
            self.update(config, policy.network),
            self.evaluation(config, env, policy, seed),
            BudgetReturns(sampler, policy, algo.num_exp_traj_eval, deterministic=True, seed=seed),
            algo,
            credit=isinstance(algo, MAMLSettings) and algo.exploration_credit,
            seed=seed,
            num_threads=config.util_params.torch_threads or 1,
        )


class MAMLTRPO(GradientLauncher[MAMLExperiment]):
    """Launches MAML-TRPO, VPG-MAML and E-MAML."""

    settings: ClassVar[type[MAMLExperiment]] = MAMLExperiment

    def gradient_steps(self, config: MAMLExperiment) -> int:
        """One outer step per iteration."""
        return 1

    def update(self, config: MAMLExperiment, network: nn.Module) -> OuterUpdate:
        """Construct the outer update: a trust-region step, or for VPG an Adam step."""
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
        """One step per epoch."""
        return config.algo_params.num_epochs

    def update(self, config: ProMPExperiment, network: nn.Module) -> OuterUpdate:
        """Construct the outer update."""
        algo: ProMPSettings = config.algo_params
        return AdamUpdate(
            network,
            OuterSettings(algo.inner_lr, algo.inner_surrogate, "clipped_ratio", algo.clip),
            num_epochs=algo.num_epochs,
            learning_rate=algo.learning_rate,
            kl_coefs=[algo.kl_coef] * algo.num_inner_steps,
            kl_target=algo.kl_target,
        )
