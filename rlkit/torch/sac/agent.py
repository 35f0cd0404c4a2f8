"""The PEARL agent: a belief over z for every lane, and a policy that acts on (obs, z)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from rlkit.data_management.batch import Batch, EpisodeBatch
from rlkit.data_management.frame_buffer import stacked
from rlkit.data_management.paths import Paths
from rlkit.torch.context_encoder import ContextEncoder, State, split_before_last
from rlkit.torch.conv_encoder import ConvEncoder
from rlkit.torch.execution import tensor_cores
from rlkit.torch.sac.policies import TanhGaussianPolicy


class PEARLAgent:
    """Acts by posterior sampling: z is drawn once per trajectory from the belief of its lane.

    Args:
        latent_dim: number of dimensions of z.
        context_encoder: maps context rows to a belief.
        policy: pi(a | o, z).
        use_information_bottleneck: probabilistic z; otherwise z is the encoder's mean
            and the prior is the zero vector.
        use_next_obs_in_context: context rows are [o, a, r, o'] instead of [o, a, r].
        sparse_rewards: r in the context is the sparse reward.
        num_exp_traj_eval: `adapt` leaves the belief at the prior for the first
            `num_exp_traj_eval` trajectories.
        min_sigma: smallest standard deviation of a posterior.
        gradient_rows: number of last rows of each context that the encoder learns from; 0: all.
        obs_encoder: maps stacks of images to the features that the networks see; None: they see the
            observations themselves.

    `z_means, z_vars, z` are [num_envs, latent_dim].
    Source: PEARL, sections 4 and 5; oyster, `PEARLAgent`.
    """

    def __init__(
        self,
        latent_dim: int,
        context_encoder: ContextEncoder,
        policy: TanhGaussianPolicy,
        *,
        use_information_bottleneck: bool = True,
        use_next_obs_in_context: bool = False,
        sparse_rewards: bool = False,
        num_exp_traj_eval: int = 1,
        min_sigma: float = 0.0,
        gradient_rows: int = 0,
        obs_encoder: ConvEncoder | None = None,
    ) -> None:
        self.latent_dim, self.context_encoder, self.policy = latent_dim, context_encoder, policy
        self.use_information_bottleneck = use_information_bottleneck
        self.use_next_obs_in_context = use_next_obs_in_context
        self.sparse_rewards, self.num_exp_traj_eval = sparse_rewards, num_exp_traj_eval
        self.min_sigma, self.gradient_rows = min_sigma, gradient_rows
        self.obs_encoder = obs_encoder
        self.clear_z(1)

    # What the networks see

    def features(self, obs: Tensor) -> Tensor:
        """Network inputs for observations [..., obs_dim]: features of images, or the same obs."""
        return obs if self.obs_encoder is None else self.obs_encoder(obs)

    def features_of_paths(self, paths: Paths) -> Tensor:
        """The same for whole trajectories, [num_paths, horizon + 1, dim].

        Images are encoded without autograd, one trajectory at a time.
        """
        if self.obs_encoder is None:
            return self._tensor(paths.obs)
        stacks = stacked(paths.horizon + 1, self.obs_encoder.num_frames)
        with torch.no_grad(), tensor_cores(False):
            return torch.stack(
                [self.obs_encoder(self._pictures(frames[stacks])) for frames in paths.obs]
            )

    # Context rows

    def context_of(self, batch: Batch | EpisodeBatch) -> Tensor:
        """Join replay rows into context rows [o, a, r, (o')]: [num_tasks, n, context_dim].

        Rows of episodes end with a flag that is 1 at the first step of an episode.
        """
        rows = batch.rows if isinstance(batch, EpisodeBatch) else batch
        rewards = rows.sparse_rewards if self.sparse_rewards else rows.rewards
        parts = [self.features(rows.obs), rows.actions, rewards]
        if self.use_next_obs_in_context:
            parts.append(self.features(rows.next_obs))
        if isinstance(batch, EpisodeBatch):
            parts.append(batch.begins.unsqueeze(-1).to(rewards.dtype))
        return torch.cat(parts, dim=-1)

    @torch.no_grad()
    def acting_context(self, batch: Batch | EpisodeBatch) -> Tensor:
        """Context rows [n, context_dim] of a batch of one task, for `infer_posterior`."""
        device = self.z_means.device  # may differ from the buffers' device
        with tensor_cores(False):
            if isinstance(batch, Batch):
                return self.context_of(Batch(*(column.to(device) for column in batch)))[0]
            rows = Batch(*(column.to(device) for column in batch.rows))
            return self.context_of(
                EpisodeBatch(rows, batch.begins.to(device), batch.mask.to(device))
            )[0]

    def context_of_paths(self, paths: Paths) -> Tensor:
        """Context rows of whole trajectories, [num_paths, horizon, context_dim].

        Rows past a path's length are padding.
        """
        reward = paths.sparse_rewards if self.sparse_rewards else paths.rewards
        obs = self.features_of_paths(paths)
        parts = [obs[:, :-1], self._tensor(paths.actions), self._tensor(reward[..., None])]
        if self.use_next_obs_in_context:
            parts.append(obs[:, 1:])
        if self.context_encoder.needs_sequences:
            begins = (np.arange(paths.horizon) == 0).astype(reward.dtype)[:, None]
            parts.append(self._tensor(begins).expand(*reward.shape, 1))
        return torch.cat(parts, dim=-1)

    # Belief

    def clear_z(self, num_tasks: int) -> None:
        """Set every belief to the prior and forget all context.

        The prior is N(0, I), or the zero vector without the bottleneck.
        """
        like = next(self.policy.parameters())
        self.z_means = like.new_zeros(num_tasks, self.latent_dim)
        self.z_vars = torch.full_like(self.z_means, 1.0 if self.use_information_bottleneck else 0.0)
        self.z = torch.zeros_like(self.z_means)
        self.state = self.context_encoder.initial_state(num_tasks)
        self.num_trajectories = 0
        self._has_context = np.zeros(num_tasks, bool)

    def posterior(self, context: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and variance of q(z | c), each [num_tasks, latent_dim].

        Gradients flow only through the last `gradient_rows` rows, or through all if it is 0.

        Args:
            context: [num_tasks, n, context_dim].
            mask: valid rows, [num_tasks, n], true entries first; None: all.
        """
        encoder = self.context_encoder
        state = encoder.initial_state(context.shape[0])
        if 0 < self.gradient_rows < context.shape[1]:
            mask = torch.ones_like(context[..., 0], dtype=torch.bool) if mask is None else mask
            earlier, (context, mask) = split_before_last(context, mask, self.gradient_rows)
            with torch.no_grad():
                state = encoder.update(state, *earlier)
        return self._posterior_of(encoder.update(state, context, mask))

    def _posterior_of(self, state: State) -> tuple[Tensor, Tensor]:
        means, variances = self.context_encoder.posterior(state)
        return means, variances.clamp(min=self.min_sigma**2) if self.min_sigma > 0 else variances

    @torch.no_grad()
    def infer_posterior(
        self, context: Tensor | Sequence[Tensor], lanes: Sequence[int] | None = None
    ) -> None:
        """Set the beliefs of some lanes (None: all) to q(z | c).

        Each lane has its own context, [n, context_dim]; contexts may differ in length. The context
        that `adapt` has collected is neither used nor changed.
        """
        lengths = torch.tensor([len(rows) for rows in context], device=self.z_means.device)
        rows = (
            context if isinstance(context, Tensor) else pad_sequence([*context], batch_first=True)
        )
        rows = rows.to(self.z_means.device)
        columns = torch.arange(rows.shape[1], device=rows.device)
        ragged = not all(len(rows) == len(context[0]) for rows in context)
        with tensor_cores(False):
            means, variances = self.posterior(rows, columns < lengths[:, None] if ragged else None)
        index = slice(None) if lanes is None else torch.as_tensor(lanes, device=means.device)
        self.z_means[index], self.z_vars[index] = means, variances

    def sample_z(self, noise: Tensor) -> None:
        """Draw z = mean + sqrt(var) * noise for every lane.

        The noise is standard normal, [num_envs, latent_dim].
        """
        self.z = self.z_means + self.z_vars.sqrt() * noise

    # Acting: rlkit.policies.base.MetaPolicy

    def reset_belief(self, num_envs: int) -> None:
        """Start `num_envs` lanes whose belief is the prior."""
        self.clear_z(num_envs)

    def belief(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of z in every lane, each [num_envs, latent_dim]."""
        return self.z_means.numpy(force=True), self.z_vars.numpy(force=True)

    def start_trajectories(self, generators: Sequence[np.random.Generator]) -> None:
        """Draw the z of each lane's next trajectory from that trajectory's own generator."""
        noise = np.stack([g.standard_normal(self.latent_dim) for g in generators])
        self.sample_z(self._tensor(noise))

    def latents(self) -> np.ndarray:
        """The z of each lane's current trajectory, [num_envs, latent_dim]."""
        return self.z.cpu().numpy()

    @torch.inference_mode()
    def get_actions(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """Actions in [-1, 1], [num_envs, act_dim]; without noise the deterministic ones."""
        given = None if noise is None else self._tensor(noise)
        return self.policy.act(self._seen(obs), self.z, given).cpu().numpy()

    @torch.no_grad()
    def adapt(self, paths: Paths) -> None:
        """Add one trajectory per lane (length 0: none) to the context.

        Once there are `num_exp_traj_eval` of them, the belief becomes the posterior.
        """
        mask = torch.as_tensor(paths.mask, device=self.z.device)
        with tensor_cores(False):
            self.state = self.context_encoder.update(self.state, self.context_of_paths(paths), mask)
        self.num_trajectories += 1
        self._has_context |= paths.lengths > 0
        if self.num_trajectories >= self.num_exp_traj_eval:
            means, variances = self._posterior_of(self.state)
            without = torch.as_tensor(~self._has_context, device=means.device)[:, None]
            # A lane without any context keeps the prior.
            self.z_means = torch.where(without, self.z_means, means)
            self.z_vars = torch.where(without, self.z_vars, variances)

    def _seen(self, obs: np.ndarray) -> Tensor:
        if self.obs_encoder is None:
            return self._tensor(obs)
        with tensor_cores(False):
            return self.obs_encoder(self._pictures(obs))

    def _pictures(self, stacks: np.ndarray) -> Tensor:
        """Move stacks [n, ...] to the device, [n, obs_dim].

        They are moved as bytes and become float32 on the device.
        """
        return torch.as_tensor(stacks.reshape(len(stacks), -1), device=self.z_means.device)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(array, dtype=self.z_means.dtype, device=self.z_means.device)
