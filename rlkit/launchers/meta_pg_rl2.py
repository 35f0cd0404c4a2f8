"""Builds RL²: environment, recurrent policy, PPO, loop."""

from typing import ClassVar, cast

import numpy as np
import torch
from torch import nn

from rlkit.core.seeding import torch_seed
from rlkit.envs.base import MetaEnv
from rlkit.launchers.launcher import Experiment
from rlkit.launchers.meta_pg_base import MetaPGLauncher
from rlkit.launchers.meta_pg_config import (
    RL2Experiment,
)
from rlkit.launchers.run_files import RunFiles
from rlkit.torch.meta_pg.ppo import TrialPPO
from rlkit.torch.meta_pg.recurrent import RecurrentActorCritic
from rlkit.torch.meta_pg.rl2 import RL2
from rlkit.torch.meta_pg.rl2_policy import RL2Policy


class RL2Launcher(MetaPGLauncher[RL2Experiment]):
    """Launches RL²."""

    settings: ClassVar[type[RL2Experiment]] = RL2Experiment

    def gradient_steps(self, config: RL2Experiment) -> int:
        """Number of minibatches of all epochs."""
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
        """Construct the policy that acts with it."""
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
