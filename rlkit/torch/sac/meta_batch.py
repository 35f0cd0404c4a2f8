"""The data of one of PEARL's meta-gradient steps, and its draws from the replay buffers."""

from collections.abc import Hashable, Iterator
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
    """The data of one update.

    Attributes:
        task_ids: the tasks, [num_tasks]; a task may occur more than once.
        context_rows: rows of the same tasks, for the encoder.
        batch: RL rows, fields [num_tasks, batch_size, dim].
        noise: for z and for actions.
    """

    task_ids: Tensor
    context_rows: Batch | EpisodeBatch
    batch: Batch
    noise: Noise

    @property
    def mask(self) -> Tensor | None:
        """Valid context rows, [num_tasks, n]; None: all."""
        return self.context_rows.mask if isinstance(self.context_rows, EpisodeBatch) else None


class MetaBatchSampler:
    """Draws meta-batches without waiting for the device, so that a CUDA graph can capture it.

    Args:
        replay_buffer: RL rows of every train task.
        encoder_buffer: rows for the context.
        config: batch sizes and the source of the context.
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

    def updates(self) -> Iterator[MetaBatch]:
        """Draw the batches of one step's updates, one after another.

        The context is drawn once. With `config.updates_per_step` above 1 each update gets its own
        part of it, and the later ones draw new RL rows and noise.
        Source: katerakelly/oyster, `_do_training`.
        """
        first, size = self.draw(), self.config.rows_per_update
        if self.config.updates_per_step == 1 and size == self.config.embedding_batch_size:
            yield first
            return
        for i in range(self.config.updates_per_step):
            part = slice(i * size, (i + 1) * size)
            assert isinstance(first.context_rows, Batch)  # episodes are not cut
            rows = Batch(*(column[:, part] for column in first.context_rows))
            batch, noise = first.batch, first.noise
            if i > 0:
                batch = self._draw_rl_rows(first.task_ids)
                noise = self._draw_noise(batch)
            yield MetaBatch(first.task_ids, rows, batch, noise)

    def draw(self) -> MetaBatch:
        """Draw tasks (with replacement), context rows, RL rows and noise, in this order."""
        num_tasks, generator = self.config.meta_batch, self.generator
        task_ids = torch.randint(
            self.replay_buffer.num_tasks, (num_tasks,), generator=generator, device=generator.device
        )
        context_rows, batch = self._draw_rows(task_ids)
        return MetaBatch(task_ids, context_rows, batch, self._draw_noise(batch))

    def _draw_noise(self, batch: Batch) -> Noise:
        generator = self.generator
        z_noise, action_noise = (
            torch.randn(
                shape, generator=generator, device=generator.device, dtype=batch.actions.dtype
            )
            for shape in ((len(batch.actions), self.latent_dim), batch.actions.shape)
        )
        return Noise(z_noise, action_noise)

    def _draw_rl_rows(self, task_ids: Tensor) -> Batch:
        whole = self.config.rl_batch_sampling == "trajectories"
        buffer = self.replay_buffer
        draw = buffer.by_episode.random_trajectories if whole else buffer.random_batch
        return draw(task_ids, self.config.batch_size, self.generator)

    def _draw_rows(self, task_ids: Tensor) -> tuple[Batch | EpisodeBatch, Batch]:
        """Draw context rows (or whole episodes) from `context_source`, and RL rows."""
        cfg, generator = self.config, self.generator
        replay_buffer, encoder_buffer = self.replay_buffer, self.encoder_buffer
        if cfg.takes_episodes:
            episodes = encoder_buffer.by_episode.random_episodes(
                task_ids, cfg.context_episodes, cfg.max_path_length, generator
            )
            return episodes, self._draw_rl_rows(task_ids)
        size, most = cfg.embedding_batch_size, cfg.context_trajectories
        if cfg.context_source == "rl_batch":
            batch = self._draw_rl_rows(task_ids)
            return Batch(*(column[:, :size] for column in batch)), batch
        if most is not None:
            context_rows = encoder_buffer.by_episode.random_batch_from_window(
                task_ids, most, size, generator
            )
        else:
            source = replay_buffer if cfg.context_source == "whole" else encoder_buffer
            context_rows = source.random_batch(task_ids, size, generator)
        return context_rows, self._draw_rl_rows(task_ids)

    def captured_state(self) -> Hashable:
        """What a captured draw depends on: addresses of rows, and whether episodes end early."""
        episodes = self.encoder_buffer.by_episode
        ends_early = episodes.has_shorter_episodes(self.config.max_path_length)
        return *self.replay_buffer.addresses, *self.encoder_buffer.addresses, ends_early
