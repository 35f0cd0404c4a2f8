"""Methods that choose the task of a trajectory.

Each method computes logits over the train tasks, for a trajectory or for each of its steps.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from rlkit.core.seeding import stream
from rlkit.data_management.assignment import log_mean_exp
from rlkit.data_management.labels import Labels
from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.torch.hfr.config import HFRSettings
from rlkit.torch.hfr.foresight import LARGE, Foresight
from rlkit.torch.hfr.utility import sample_z, transition_utility

REMEMBERED_RETURNS = 500  # trajectories over which `ReturnOfTask` is normalised


class Scores(NamedTuple):
    """Result of a method for a trajectory.

    Attributes:
        logits: [num_tasks], or [num_tasks, T] if every transition gets its own task.
        utilities, log_pis: U and mean log pi of every task, [num_tasks]; zeros if there are none.
        partitions: log Z as subtracted from the utilities, [num_tasks].
    """

    logits: np.ndarray
    utilities: np.ndarray
    log_pis: np.ndarray
    partitions: np.ndarray


class UniformTask:
    """random: every train task is equally likely.

    This is the base of the other methods; it has no state.

    Args:
        num_tasks: number of train tasks.
    """

    def __init__(self, num_tasks: int) -> None:
        self.num_tasks = num_tasks

    def prepare(self, iteration: int) -> None:
        """Called before an iteration's collection."""

    def watch(self, returns: np.ndarray) -> None:
        """Called before the trajectories of a block are scored.

        Args:
            returns: return of each trajectory under every task, [num_paths, num_tasks].
        """

    def score(self, path: Paths, labels: Labels, generator: np.random.Generator) -> Scores:
        """Score one trajectory."""
        nothing = np.zeros(self.num_tasks)
        return Scores(nothing, nothing, nothing, nothing)

    def conclude(self, iteration: int) -> None:
        """Called after an iteration's collection."""

    def state_dict(self) -> dict[str, Any]:
        """State that the next iteration depends on."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""


class ReturnOfTask(UniformTask):
    """return: (R_psi(tau) - log Z_psi) / beta.

    log Z_psi = beta log-mean-exp(R_psi / beta) over the last 500 trajectories of any task.

    Args:
        num_tasks: number of train tasks.
        settings: HFR's.
        sparse_rewards: use sparse returns.
    Source: HFR's code, where it is unused and normalised over the trajectories of one call, which
        are usually one.
    """

    def __init__(self, num_tasks: int, settings: HFRSettings, *, sparse_rewards: bool) -> None:
        super().__init__(num_tasks)
        self.settings, self.sparse_rewards = settings, sparse_rewards
        self.returns = np.zeros((0, num_tasks))

    def watch(self, returns: np.ndarray) -> None:
        """Store the returns."""
        self.returns = np.concatenate([self.returns, returns])[-REMEMBERED_RETURNS:]

    def score(self, path: Paths, labels: Labels, generator: np.random.Generator) -> Scores:
        """Score one trajectory by its return under every task."""
        beta = self.settings.relabel_temperature
        rewards = labels.sparse_rewards if self.sparse_rewards else labels.rewards
        values = rewards.sum(axis=1, dtype=np.float64)
        nothing = np.zeros(self.num_tasks)
        use_partition = self.settings.use_partition
        partition = log_mean_exp(self.returns.T, beta) if use_partition else nothing
        return Scores((values - partition) / beta, values, nothing, partition)

    def state_dict(self) -> dict[str, Any]:
        """The stored returns."""
        return {"returns": torch.from_numpy(self.returns.copy())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the stored returns."""
        self.returns = state["returns"].numpy()


class ForesightOfTask(UniformTask):
    """hfr-q, hfr-bellman: (U_psi(tau) - log Z_psi) / beta.

    log Z is estimated once per iteration from the sampler buffer.

    Args:
        foresight: computes utilities.
        sampler_buffer: S, original rows of every task's last visit.
        seed: seeds the random streams.
    """

    def __init__(
        self, foresight: Foresight, sampler_buffer: MultiTaskReplayBuffer, seed: int
    ) -> None:
        super().__init__(foresight.num_tasks)
        self.foresight, self.settings = foresight, foresight.settings
        self.sampler_buffer, self.seed = sampler_buffer, seed
        self.log_z = np.zeros(self.num_tasks)

    def prepare(self, iteration: int) -> None:
        """Estimate log Z before the collection, if `partition_when` says so."""
        relabels = iteration >= self.settings.first_iteration
        if relabels and self.settings.partition_when == "before_collection":
            self._estimate(iteration)

    def score(self, path: Paths, labels: Labels, generator: np.random.Generator) -> Scores:
        """Score one trajectory by its utility as a context of every task."""
        values, log_pis = self.foresight.of_trajectory(path, labels, generator)
        logits = (values - self.log_z) / self.settings.relabel_temperature
        return Scores(logits, values, log_pis, self.log_z)

    def conclude(self, iteration: int) -> None:
        """Estimate log Z for the next iteration's collection, as HFR does."""
        relabels_next = iteration + 1 >= self.settings.first_iteration
        if relabels_next and self.settings.partition_when == "after_collection":
            self._estimate(iteration)

    def _estimate(self, iteration: int) -> None:
        if self.settings.use_partition:
            self.log_z = self.foresight.log_partition(
                self.sampler_buffer, stream(self.seed, "partition", iteration)
            )

    def state_dict(self) -> dict[str, Any]:
        """log Z."""
        return {"log_z": torch.from_numpy(self.log_z.copy())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore log Z."""
        self.log_z = state["log_z"].numpy()


class TransitionsByCritic(UniformTask):
    """hipi: (g_psi,t - log Z_psi) / beta, for every transition separately.

    log Z_psi is computed over the transitions of the trajectory.

    Args:
        foresight: networks and settings.
        encoder_buffer: E; contexts of its rows condition the critics on a task.
    Source: HFR's code; Eysenbach et al. 2020 (hindsight inference for policy improvement), adapted.
    """

    def __init__(self, foresight: Foresight, encoder_buffer: MultiTaskReplayBuffer) -> None:
        super().__init__(foresight.num_tasks)
        self.foresight, self.encoder_buffer = foresight, encoder_buffer

    @torch.no_grad()
    def score(self, path: Paths, labels: Labels, generator: np.random.Generator) -> Scores:
        """Score every transition by the critics, conditioned on every task."""
        look, cfg, steps = self.foresight, self.foresight.settings, int(path.lengths[0])
        num_rows = look.pearl_settings.embedding_batch_size
        draws = torch.from_numpy(generator.integers(LARGE, size=(self.num_tasks, num_rows))).to(
            look.device
        )
        noise = torch.from_numpy(
            generator.standard_normal((self.num_tasks, 1, look.agent.latent_dim))
        )
        noise = noise.to(look.device, look.dtype)
        rows = look.agent.context_of_paths(path)[0, :steps].to(look.dtype)
        obs, actions = rows.split(
            [look.replay_buffer.obs_dim, rows.shape[1] - look.replay_buffer.obs_dim], dim=1
        )
        actions = actions[:, : look.replay_buffer.act_dim]
        width, values = max(1, cfg.relabel_chunk_rows // max(steps, num_rows)), []
        for start in range(0, self.num_tasks, width):
            part = slice(start, min(start + width, self.num_tasks))
            context = look.contexts_of(self.encoder_buffer, part, draws[part])
            z = sample_z(look.agent.posterior, context, noise[part]).squeeze(1)
            values.append(transition_utility(look.networks.qf1, look.networks.qf2, z, obs, actions))
        utilities, beta = torch.cat(values).double().cpu().numpy(), cfg.relabel_temperature
        partition = log_mean_exp(utilities, beta) if cfg.use_partition else np.zeros(self.num_tasks)
        nothing = np.zeros(self.num_tasks)
        return Scores((utilities - partition[:, None]) / beta, nothing, nothing, nothing)
