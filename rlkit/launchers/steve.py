"""Builds STEVE: lanes, networks, learners and loop."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from rlkit.core.config import to_dict
from rlkit.core.seeding import torch_seed
from rlkit.data_management.simple_replay_buffer import SimpleReplayBuffer
from rlkit.envs.base import MetaEnv
from rlkit.launchers.launcher import EvaluationProtocol, Experiment, Launcher, Requirements
from rlkit.launchers.machine import default_threads
from rlkit.launchers.run_files import RunFiles
from rlkit.launchers.run_folder import load_weights
from rlkit.launchers.steve_config import STEVEExperiment
from rlkit.launchers.steve_estimates import iteration_seconds, requirements
from rlkit.policies.base import MetaPolicy
from rlkit.torch.execution import torch_threads
from rlkit.torch.steve.lanes import Lanes
from rlkit.torch.steve.learners import Learners
from rlkit.torch.steve.networks import make_mlp
from rlkit.torch.steve.policy import GreedyPolicy
from rlkit.torch.steve.records import Records
from rlkit.torch.steve.steve import STEVE

EVALUATION_LANES = 10  # greedy episodes in parallel


class STEVELauncher(Launcher[STEVEExperiment]):
    """Launches STEVE and its baselines."""

    settings: ClassVar[type[STEVEExperiment]] = STEVEExperiment
    headline: ClassVar[Mapping[str, str]] = {"return": "AverageReturn"}

    def resolve(self, config: STEVEExperiment, device: str) -> STEVEExperiment:
        """Run one lane per agent."""
        util = replace(config.util_params, num_envs=config.algo_params.num_agents)
        return replace(config, util_params=util)

    def build(
        self,
        config: STEVEExperiment,
        device: str,
        seed: int,
        *,
        tasks: np.ndarray | None = None,
        files: RunFiles | None = None,
    ) -> Experiment:
        """Construct a STEVE experiment; see `Launcher.build`."""
        algo, place = config.algo_params, torch.device(device)
        env = self.build_env(config, tasks, algo.num_agents)
        lanes = min(algo.num_eval_episodes, EVALUATION_LANES)
        eval_env = self.build_env(config, tasks, lanes)
        buffer = SimpleReplayBuffer(
            env.obs_dim, env.act_dim, capacity=algo.replay_size, device=place
        )
        records = build_records(config, files)
        weights = torch.Generator().manual_seed(torch_seed(seed, "networks"))
        training = torch.Generator(place).manual_seed(torch_seed(seed, "training"))
        learners = Learners(algo, buffer, weights, training, records)
        algorithm = STEVE(
            Lanes(env, algo.max_path_length, seed),
            eval_env,
            learners,
            buffer,
            records,
            config.util_params.torch_threads or 1,
        )
        return STEVEExperimentParts(env, algorithm, algorithm.policy)

    def load(self, config: STEVEExperiment, env: MetaEnv, run_dir: Path, device: str) -> MetaPolicy:
        """Load the greedy policy of a run folder."""
        width = config.algo_params.policy_config.hidden_dim
        network = make_mlp(1, env.obs_dim, env.act_dim, width, torch.Generator())
        load_weights(run_dir, {"policy": network})
        return GreedyPolicy(network.to(device))

    def protocol(self, config: STEVEExperiment) -> EvaluationProtocol:
        """One greedy episode; there is nothing to adapt to."""
        return EvaluationProtocol(1, 0, config.algo_params.max_path_length)

    def requirements(self, config: STEVEExperiment) -> Requirements:
        """Estimate steps, memory and disk."""
        env = self.build_env(config, num_envs=1)
        env.close()
        return requirements(config.algo_params, env.obs_dim, env.act_dim)

    def iteration_seconds(self, config: STEVEExperiment, device: str) -> float | None:
        """Seconds per iteration, from a few timed updates."""
        env = self.build_env(config, num_envs=1)
        env.close()
        with torch_threads(config.util_params.torch_threads or default_threads()):
            place = torch.device(device)
            return iteration_seconds(config.algo_params, env.obs_dim, env.act_dim, place)


class STEVEExperimentParts(Experiment):
    """An experiment with a second environment for its greedy episodes."""

    def close(self) -> None:
        """Close both environments."""
        super().close()
        if isinstance(self.algorithm, STEVE):
            self.algorithm.eval_env.close()


def build_records(config: STEVEExperiment, files: RunFiles | None) -> Records:
    """Make the writer of the files that the reference code writes; without `files`, drop them."""

    def write(name: str, content: bytes) -> None:
        if files is not None:
            files.write(name, content)

    def remove(name: str) -> None:
        if files is not None:
            (files.run_dir / name).unlink(missing_ok=True)

    def name() -> str:
        """The setting `name` or, if it is null, the experiment's name in variant.json."""
        if config.algo_params.name is not None:
            return config.algo_params.name
        path = None if files is None else files.run_dir / "variant.json"
        recorded = json.loads(path.read_text()) if path is not None and path.exists() else {}
        return str(recorded.get("exp_name") or "steve")

    return Records(write, remove, name, to_dict(config))
