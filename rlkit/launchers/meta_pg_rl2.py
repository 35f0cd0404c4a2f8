"""Builds RL²: environment, recurrent policy, PPO, loop."""

from typing import ClassVar, cast

import torch
from torch import nn

from rlkit.core.seeding import torch_seed
from rlkit.envs.base import MetaEnv
from rlkit.launchers.meta_pg_base import MetaPGLauncher
from rlkit.launchers.meta_pg_config import RL2Experiment
from rlkit.policies.base import MetaPolicy
from rlkit.torch.meta_pg.ppo import TrialPPO
from rlkit.torch.meta_pg.recurrent import RecurrentActorCritic
from rlkit.torch.meta_pg.rl2 import RL2
from rlkit.torch.meta_pg.rl2_policy import RL2Policy


class RL2Launcher(MetaPGLauncher[RL2Experiment]):
    """Launches RL²."""

    settings: ClassVar[type[RL2Experiment]] = RL2Experiment

    def gradient_steps(self, config: RL2Experiment) -> int:
        """One step per minibatch of every epoch."""
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
            normalize_obs=algo.normalize_obs,
            generator=generator,
        )

    def policy(self, config: RL2Experiment, network: nn.Module) -> RL2Policy:
        """Construct the policy that acts with the recurrent network."""
        return RL2Policy(cast(RecurrentActorCritic, network))

    def learner(self, config: RL2Experiment, env: MetaEnv, policy: MetaPolicy, seed: int) -> RL2:
        """Construct the meta-learner."""
        algo, policy = config.algo_params, cast(RL2Policy, policy)
        training = torch.Generator().manual_seed(torch_seed(seed, "training"))
        return RL2(
            env,
            policy,
            self.task_source(config, env, seed),
            TrialPPO(policy.network, algo, training),
            self.evaluation(config, env, policy, seed),
            algo,
            seed=seed,
            num_threads=config.util_params.torch_threads or 1,
        )
