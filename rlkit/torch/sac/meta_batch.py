"""What one meta-gradient step of PEARL learns from, and how it is drawn from the replay buffers."""

from collections.abc import Hashable
from typing import NamedTuple

import torch
from torch import Tensor

from rlkit.data_management.batch import Batch, EpisodeBatch
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.torch.sac.config import PEARLConfig


class Noise(NamedTuple):
    """Standard normal noise of one step.

    Attributes:
        z: for the latents, [num_tasks, latent_dim].
        action: for the policy's actions, [num_tasks, batch_size, act_dim].
    """

    z: Tensor
    action: Tensor


class MetaBatch(NamedTuple):
    """All that one step is given.

    Attributes:
        task_ids: the tasks, [num_tasks]; a task may occur more than once.
        context_rows: the rows that the encoder sees, of the same tasks.
        batch: RL rows, fields [num_tasks, batch_size, dim].
        noise: for z and for actions.
    """

    task_ids: Tensor
    context_rows: Batch | EpisodeBatch
    batch: Batch
    noise: Noise

    @property
    def mask(self) -> Tensor | None:
        """Which context rows count, [num_tasks, n]; None: all."""
        return self.context_rows.mask if isinstance(self.context_rows, EpisodeBatch) else None


class MetaBatchSampler:
    """Draws meta-batches without waiting for the device, so that a CUDA graph can capture it.

    Args:
        replay_buffer: RL rows of every train task.
        encoder_buffer: rows that context is drawn from.
        config: sizes, and where the context comes from.
        latent_dim: number of dimensions of z.
        generator: source of every random number, on the buffers' device.
    Source: PEARL, algorithm 1, lines 12 to 15.
    """

    def __init__(
        self,
        replay_buffer: MultiTaskReplayBuffer,
        encoder_buffer: MultiTaskReplayBuffer,
        config: PEARLConfig,
        latent_dim: int,
        generator: torch.Generator,
    ) -> None:
        self.replay_buffer, self.encoder_buffer = replay_buffer, encoder_buffer
        self.config, self.latent_dim, self.generator = config, latent_dim, generator

    def draw(self) -> MetaBatch:
        """Draw tasks (with replacement), context rows, RL rows and noise, in this order."""
        num_tasks, generator = self.config.meta_batch, self.generator
        task_ids = torch.randint(
            self.replay_buffer.num_tasks,
            (num_tasks,),
            generator=generator,
            device=generator.device,
        )
        context_rows, batch = self._draw_rows(task_ids)
        z_noise, action_noise = (
            torch.randn(
                shape, generator=generator, device=generator.device, dtype=batch.actions.dtype
            )
            for shape in ((num_tasks, self.latent_dim), batch.actions.shape)
        )
        return MetaBatch(task_ids, context_rows, batch, Noise(z_noise, action_noise))

    def _draw_rows(self, task_ids: Tensor) -> tuple[Batch | EpisodeBatch, Batch]:
        """Draw context rows (or whole episodes) from where `context_source` says, and RL rows."""
        cfg, generator = self.config, self.generator
        replay_buffer, encoder_buffer = self.replay_buffer, self.encoder_buffer
        whole = cfg.rl_batch_sampling == "trajectories"
        rl_rows = replay_buffer.random_trajectories if whole else replay_buffer.random_batch
        if cfg.takes_episodes:
            episodes = encoder_buffer.random_episodes(
                task_ids, cfg.context_episodes, cfg.max_path_length, generator
            )
            return episodes, rl_rows(task_ids, cfg.batch_size, generator)
        size, most = cfg.embedding_batch_size, cfg.context_trajectories
        if cfg.context_source == "rl_batch":
            batch = rl_rows(task_ids, cfg.batch_size, generator)
            return Batch(*(column[:, :size] for column in batch)), batch
        if most is not None:
            context_rows = encoder_buffer.random_batch_from_window(task_ids, most, size, generator)
        else:
            source = replay_buffer if cfg.context_source == "whole" else encoder_buffer
            context_rows = source.random_batch(task_ids, size, generator)
        return context_rows, rl_rows(task_ids, cfg.batch_size, generator)

    def captured_state(self) -> Hashable:
        """What a captured draw depends on: where the rows are, and the shape of what is drawn."""
        ends_early = self.encoder_buffer.has_shorter_episodes(self.config.max_path_length)
        return *self.replay_buffer.addresses, *self.encoder_buffer.addresses, ends_early
