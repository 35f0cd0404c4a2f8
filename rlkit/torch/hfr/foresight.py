"""Utilities of contexts for every train task, and the log-partitions that normalise them.

Both are computed for chunks of tasks.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from rlkit.data_management.assignment import log_mean_exp
from rlkit.data_management.batch import Batch
from rlkit.data_management.labels import Labels
from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.torch.hfr.config import HFRSettings
from rlkit.torch.hfr.pearl import MetaLearner
from rlkit.torch.hfr.utility import bellman_utility, q_utility, sample_z

LARGE = 2**63 - 1  # random integers below it, taken modulo n, are uniform up to n / 2^63
Contexts = Callable[[slice], tuple[Tensor, Tensor | None]]


class Foresight:
    """Utility of contexts: the value of policy or critics on a task after adapting to them.

    Args:
        pearl: policy, critics and agent; the agent's belief is not changed.
        replay_buffer: D, source of the start states (bellman: of the transitions).
        settings: HFR's.
    """

    def __init__(
        self, pearl: MetaLearner, replay_buffer: MultiTaskReplayBuffer, settings: HFRSettings
    ) -> None:
        self.agent, self.networks, self.pearl_settings = pearl
        self.replay_buffer, self.settings = replay_buffer, settings
        like = next(self.networks.policy.parameters())
        self.dtype, self.device, self.num_tasks = like.dtype, like.device, replay_buffer.num_tasks

    @torch.no_grad()
    def utilities(
        self, contexts: Contexts, num_rows: int, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Utility of one context per task.

        Args:
            contexts: maps a slice of the tasks to their rows [n, num_rows, context_dim] and mask
                (None: all rows are valid).
            num_rows: rows of a context.
            generator: draws z, start states and actions, for all tasks at once, so that the chunk
                size affects only rounding.
        Returns:
            U and the mean of log pi (bellman: zeros), each [num_tasks] float64.
        """
        cfg, num_tasks = self.settings, self.num_tasks
        samples, states = cfg.utility_z_samples, cfg.utility_batch_size
        z_noise = self._normal(generator, num_tasks, samples, self.agent.latent_dim)
        rows = torch.from_numpy(generator.integers(LARGE, size=(num_tasks, states))).to(self.device)
        bellman = cfg.relabel_method == "hfr-bellman"
        action_noise = (
            None
            if bellman
            else self._normal(generator, num_tasks, samples, states, self.replay_buffer.act_dim)
        )
        width = max(1, cfg.relabel_chunk_rows // max(num_rows, samples * states))
        values, log_pis = [], []
        for start in range(0, num_tasks, width):
            part = slice(start, min(start + width, num_tasks))
            ids = torch.arange(part.start, part.stop)
            context, mask = contexts(part)
            z = sample_z(self.agent.posterior, context, z_noise[part], mask)
            if action_noise is None:
                nets, batch = self.networks, self.replay_buffer.rows_at(ids, rows[part])
                value = bellman_utility(
                    nets.qf1,
                    nets.qf2,
                    nets.target_vf,
                    z,
                    self._cast(batch),
                    reward_scale=self.pearl_settings.reward_scale,
                    discount=self.pearl_settings.discount,
                )
                log_pi = torch.zeros_like(value)
            else:
                nets, starts = (
                    self.networks,
                    self.replay_buffer.by_episode.episodes_at(ids, rows[part], 1).rows.obs.to(
                        self.dtype
                    ),
                )
                noise = action_noise[part]
                value, log_pi = q_utility(
                    nets.policy,
                    nets.qf1,
                    nets.qf2,
                    z,
                    starts,
                    noise,
                    with_entropy=cfg.utility_entropy,
                )
            values.append(value)
            log_pis.append(log_pi)
        found = torch.stack([torch.cat(values), torch.cat(log_pis)]).double().cpu().numpy()
        return found[0], found[1]

    def of_trajectory(
        self, path: Paths, labels: Labels, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute U_psi(tau) of every task psi.

        The context is the whole trajectory, in order, with the rewards of that task.
        """
        steps, sparse = int(path.lengths[0]), self.pearl_settings.sparse_rewards
        rows = self.agent.context_of_paths(path)[0, :steps]
        rewards = torch.as_tensor(
            labels.sparse_rewards if sparse else labels.rewards,
            dtype=rows.dtype,
            device=rows.device,
        )
        column = self.replay_buffer.obs_dim + self.replay_buffer.act_dim

        def contexts(part: slice) -> tuple[Tensor, None]:
            context = rows.repeat(part.stop - part.start, 1, 1)
            context[..., column] = rewards[part]
            return context, None

        return self.utilities(contexts, steps, generator)

    def log_partition(
        self, sampler_buffer: MultiTaskReplayBuffer, generator: np.random.Generator
    ) -> np.ndarray:
        """log Z_psi = beta log((1/K) sum_k exp(U_psi(c_k) / beta)), [num_tasks] float64.

        The K contexts are drawn from psi's own rows. Each is a horizon of single rows or one stored
        trajectory (`partition_contexts`).
        """
        cfg, horizon = self.settings, self.pearl_settings.max_path_length
        whole = cfg.partition_contexts == "paths"
        utilities = []
        for _ in range(cfg.num_partition_samples):
            drawn = generator.integers(LARGE, size=(self.num_tasks, 1 if whole else horizon))
            draws = torch.from_numpy(drawn).to(self.device)

            def contexts(part: slice, draws: Tensor = draws) -> tuple[Tensor, Tensor | None]:
                ids = torch.arange(part.start, part.stop)
                if whole:
                    episodes = sampler_buffer.by_episode.episodes_at(ids, draws[part], horizon)
                    return self._context_of(episodes.rows), episodes.mask
                return self._context_of(sampler_buffer.rows_at(ids, draws[part])), None

            utilities.append(self.utilities(contexts, horizon, generator)[0])
        return log_mean_exp(np.stack(utilities, axis=-1), cfg.relabel_temperature)

    def contexts_of(self, buffer: MultiTaskReplayBuffer, part: slice, draws: Tensor) -> Tensor:
        """Draw single context rows [n, k, context_dim] for a slice of the tasks.

        Args:
            buffer: source of the rows.
            part: the tasks.
            draws: large random integers, [n, k].
        """
        return self._context_of(buffer.rows_at(torch.arange(part.start, part.stop), draws))

    def _context_of(self, rows: Batch) -> Tensor:
        return self.agent.context_of(rows).to(self.dtype)

    def _cast(self, batch: Batch) -> Batch:
        return Batch(*(column.to(self.dtype) for column in batch))

    def _normal(self, generator: np.random.Generator, *shape: int) -> Tensor:
        if self.dtype == torch.float64:
            noise: np.ndarray = generator.standard_normal(shape, dtype=np.float64)
        else:
            noise = generator.standard_normal(shape, dtype=np.float32)
        return torch.from_numpy(noise).to(self.device)
