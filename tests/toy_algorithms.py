"""Two small algorithms from outside the package, which keep the seam honest.

`Interleaved` collects and updates alternately, from a replay buffer of its own. `OnPolicy` learns
from whole trajectories and stores none. Neither derives from PEARL.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import nn

from rlkit.core.algorithm import Loop
from rlkit.core.logger import Table
from rlkit.core.seeding import stream, torch_seed
from rlkit.core.settings import AlgorithmSettings, PositiveCount
from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.envs.base import MetaEnv
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.launcher import Experiment, Launcher
from rlkit.launchers.run_files import RunFiles
from rlkit.samplers.util import rollout


@dataclass(frozen=True)
class ToySettings(AlgorithmSettings):
    num_iterations: PositiveCount = 3
    max_path_length: PositiveCount = 10
    num_trajectories: PositiveCount = 4  # per iteration
    lr: float = 1e-2
    bad_iteration: int = -1  # whose loss is NaN

    def cut_for_debug(self):
        return replace(super().cut_for_debug(), num_trajectories=2)


@dataclass(frozen=True)
class ToyExperiment(ExperimentConfig):
    algo_params: ToySettings = field(default_factory=ToySettings)


class LinearPolicy:
    """The mean action is a linear function of the observation; does not adapt."""

    def __init__(self, network: nn.Linear) -> None:
        self.network = network

    def start_trajectories(self, generators: Sequence[np.random.Generator]) -> None:
        pass

    def reset_belief(self, num_envs: int) -> None:
        pass

    def adapt(self, paths: Paths) -> None:
        pass

    @torch.no_grad()
    def get_actions(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        mean = torch.tanh(self.network(torch.as_tensor(obs))).numpy()
        return mean if noise is None else np.clip(mean + 0.3 * noise, -1, 1)


class Toy:
    """Base class: one linear policy, its optimizer, the counters."""

    columns = ("Toy Loss", "AverageReturn")

    def __init__(self, env: MetaEnv, config: ToySettings, seed: int) -> None:
        generator = torch.Generator().manual_seed(torch_seed(seed, "networks"))
        self.network = nn.utils.skip_init(nn.Linear, env.obs_dim, env.act_dim)
        for parameter in self.network.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1, generator=generator)
        self.env, self.config, self.seed = env, config, seed
        self.policy = LinearPolicy(self.network)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=config.lr)
        self.num_env_steps = 0

    @property
    def networks(self) -> dict[str, nn.Module]:
        return {"policy": self.network}

    def one_trajectory(self, purpose: str, iteration: int, n: int) -> Paths:
        generators = [stream(self.seed, purpose, iteration, n)]
        deterministic = purpose == "evaluation"
        horizon = self.config.max_path_length
        return rollout(self.env, self.policy, [0], generators, horizon, deterministic=deterministic)

    def update(self, obs: torch.Tensor, actions: torch.Tensor, weights: torch.Tensor) -> float:
        loss = (weights * (torch.tanh(self.network(obs)) - actions) ** 2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def evaluate(self, iteration: int, loop: Loop) -> dict[str, float]:
        self.returns = self.one_trajectory("evaluation", iteration, 0).returns()
        return {"AverageReturn": float(self.returns[0])}

    def tables(self, iteration: int) -> Mapping[str, Table]:
        return {"toy": [{"iteration": iteration, "return": float(self.returns[0])}]}

    def state_dict(self) -> dict:
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "num_env_steps": self.num_env_steps,
        }

    def load_state_dict(self, state: dict) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.num_env_steps = state["num_env_steps"]

    def loss(self, iteration: int, value: float) -> dict[str, float]:
        return {"Toy Loss": np.nan if iteration == self.config.bad_iteration else value}


class InterleavedAlgorithm(Toy):
    """Alternates a trajectory and an update from the buffer; may be stopped in between."""

    def __init__(self, env: MetaEnv, config: ToySettings, seed: int) -> None:
        super().__init__(env, config, seed)
        self.buffer = MultiTaskReplayBuffer(1, env.obs_dim, env.act_dim, capacity=100)
        self.generator = torch.Generator().manual_seed(torch_seed(seed, "training"))
        self.done, self.losses = 0, 0.0  # of the current iteration

    @property
    def buffers(self) -> dict:
        return self.buffer.saved_as("replay")

    def collect_data(self, iteration: int, loop: Loop) -> dict[str, float]:
        for n in range(self.done, self.config.num_trajectories):
            paths = self.one_trajectory("collection", iteration, n)
            self.buffer.add_paths([0], paths)
            self.num_env_steps += paths.num_steps
            with loop.phase("train"):
                batch = self.buffer.random_batch([0], 8, self.generator)
                weights = torch.exp(batch.rewards[0])
                self.losses += self.update(batch.obs[0], batch.actions[0], weights)
            self.done = n + 1
            loop.tick(self.done, self.config.num_trajectories, "a trajectory", save="due")
        self.mean_loss, self.done, self.losses = self.losses / self.config.num_trajectories, 0, 0.0
        return {"Number of env steps total": self.num_env_steps}

    def do_training(self, iteration: int, loop: Loop) -> dict[str, float]:
        return self.loss(iteration, self.mean_loss)

    def state_dict(self) -> dict:
        generator = self.generator.get_state()
        position = {"done": self.done, "losses": self.losses}
        return {**super().state_dict(), "generator": generator, **position}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        self.generator.set_state(state["generator"])
        self.done, self.losses = state["done"], state["losses"]


class OnPolicyAlgorithm(Toy):
    """Reinforces better-than-average actions; data are used for one iteration."""

    @property
    def buffers(self) -> dict:
        return {}

    def collect_data(self, iteration: int, loop: Loop) -> dict[str, float]:
        parts = []
        for n in range(self.config.num_trajectories):
            parts.append(self.one_trajectory("collection", iteration, n))
            loop.tick(n + 1, self.config.num_trajectories)
        self.paths = Paths.concatenate(parts)
        self.num_env_steps += self.paths.num_steps
        return {"Number of env steps total": self.num_env_steps}

    def do_training(self, iteration: int, loop: Loop) -> dict[str, float]:
        rows, returns = self.paths.rows(), self.paths.returns()
        weights = np.repeat(returns > returns.mean(), self.paths.lengths).astype(np.float32)
        tensors = (torch.as_tensor(rows[name]) for name in ("obs", "actions"))
        return self.loss(iteration, self.update(*tensors, torch.as_tensor(weights)[:, None]))


class Interleaved(Launcher[ToyExperiment]):
    settings = ToyExperiment
    algorithm: type[Toy] = InterleavedAlgorithm

    def build(
        self,
        config: ToyExperiment,
        device: str,
        seed: int,
        *,
        tasks: np.ndarray | None = None,
        files: RunFiles | None = None,
    ) -> Experiment:
        env = self.build_env(config, tasks)
        algorithm = self.algorithm(env, config.algo_params, seed)
        return Experiment(env, algorithm, algorithm.policy)


class OnPolicy(Interleaved):
    algorithm = OnPolicyAlgorithm
