"""One meta-gradient step of PEARL: SAC with a value network, conditioned on z, and the encoder trained through Q.

Equations refer to Rakelly et al. 2019 (algorithm 1, section 5) and Haarnoja et al. 2018; docs/pearl.md has them.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlkit.data_management.replay_buffer import Batch, EpisodeBatch, MultiTaskReplayBuffer
from rlkit.torch.aux_learner import AuxLearner
from rlkit.torch.cuda_graph import Captured, rolled_back
from rlkit.torch.distributions import kl_to_standard_normal
from rlkit.torch.pytorch_util import (
    Gradients,
    adam,
    sharing_threads,
    soft_update_,
    statistics_of,
    tensor_cores,
)
from rlkit.torch.sac.agent import PEARLAgent
from rlkit.torch.sac.config import PEARLConfig
from rlkit.torch.sac.diagnostics import posterior_diagnostics
from rlkit.torch.sac.networks import PEARLNetworks
from rlkit.torch.sac.policies import PolicySample
from rlkit.torch.stacked import Together

Step = Callable[[], dict[str, Tensor]]
LOSSES = ("KL Divergence", "KL Loss", "QF Loss", "VF Loss", "Policy Loss")


class Noise(NamedTuple):
    """Standard normal numbers of one step: z [num_tasks, latent_dim], action [num_tasks, batch_size, act_dim]."""

    z: Tensor
    action: Tensor


class PEARLSoftActorCritic:
    """The update of encoder, Q1, Q2, V, target V and policy from batches of several tasks.

    Args:
        agent: acts with the encoder and the policy of `networks`.
        networks: what is trained.
        config: step sizes and weights.
        generator: source of every random number of the updates (on the networks' device).
        num_threads: CPU threads that share the products of a step; each runs its operations alone.
        cuda_graph: on a GPU, capture the step once and replay it.
        stacked: Q1 and Q2, and policy and V, as batched products; None: on a GPU.
        companion: learns from the same RL rows, after each step.
    """

    def __init__(
        self,
        agent: PEARLAgent,
        networks: PEARLNetworks,
        config: PEARLConfig,
        generator: torch.Generator,
        num_threads: int = 1,
        cuda_graph: bool = True,
        stacked: bool | None = None,
        companion: AuxLearner | None = None,
    ) -> None:
        self.agent, self.companion = agent, companion
        (
            self.qf1,
            self.qf2,
            self.vf,
            self.target_vf,
            self.policy,
            self.context_encoder,
            self.obs_encoder,
        ) = networks
        self.config, self.generator, self.num_threads, self.cuda_graph = (
            config,
            generator,
            num_threads,
            cuda_graph,
        )
        self.target_vf.requires_grad_(False)
        stacked = generator.device.type == "cuda" if stacked is None else stacked
        self.q_networks = Together([self.qf1, self.qf2], stacked=stacked)
        self.policy_and_v = Together([self.policy, self.vf], stacked=stacked)
        # Two optimizers, because min Q in the second half must see the Q networks that the first half has stepped.
        first_half = {
            "qf1": config.qf_lr,
            "qf2": config.qf_lr,
            "context_encoder": config.context_lr,
        }
        first_half |= {} if self.obs_encoder is None else {"obs_encoder": config.context_lr}
        self.q_optimizer = adam([(getattr(self, name), lr) for name, lr in first_half.items()])
        self.policy_optimizer = adam([(self.vf, config.vf_lr), (self.policy, config.policy_lr)])
        self.q_gradients = Gradients(
            [getattr(self, name) for name in first_half], config.gradient_clip
        )
        self.policy_gradients = Gradients([self.vf, self.policy], config.gradient_clip)
        self.num_train_steps = 0
        self.gradient_norms = tuple(
            f"Gradient norm {name}" for name in (*first_half, "vf", "policy")
        )
        self.every_step = LOSSES + self.gradient_norms
        self.sums = torch.zeros(
            len(self.every_step), device=generator.device, dtype=next(self.vf.parameters()).dtype
        )
        self.maxima = torch.zeros_like(self.sums)
        self._captured: tuple[Step, Step] | None = None

    def take_step(
        self,
        batch: Batch,
        context: Tensor,
        noise: Noise,
        with_statistics: bool,
        mask: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Apply one meta-gradient step.

        Args:
            batch: RL rows of each task, fields [num_tasks, batch_size, dim].
            context: context rows of the same tasks, [num_tasks, num_context, context_dim].
            noise: for z and for the policy's actions.
            with_statistics: also compute the statistics that oyster logs, not only the losses.
            mask: which context rows count, [num_tasks, num_context]; None: all.
        Returns:
            Scalar tensors by column name, still on the device.
        """
        cfg, (num_tasks, batch_size) = self.config, batch.obs.shape[:2]
        if context.shape[0] != num_tasks or noise.z.shape[0] != num_tasks:
            raise ValueError(
                f"batch has {num_tasks} tasks, context {context.shape[0]}, noise {noise.z.shape[0]}"
            )
        obs, actions = self.agent.features(batch.obs), batch.actions

        # Posterior and z of each task, repeated over the task's rows
        z_means, z_vars = self.agent.posterior(context, mask)
        z_of_task = z_means + z_vars.sqrt() * noise.z
        z = z_of_task.unsqueeze(1).expand(num_tasks, batch_size, -1)
        has_posterior = cfg.use_information_bottleneck
        diagnostics = {}
        if with_statistics:
            encoder = self.context_encoder
            diagnostics = posterior_diagnostics(
                encoder, context, z_means, z_vars, mask, has_posterior=has_posterior
            )

        # Q networks and encoder (algorithm 1, lines 18-20): the encoder learns from the Q loss through z, and from the KL;
        # what sees pictures learns from both through the context, and from the Q loss through o as well
        target = self._bellman_target(batch, z.detach())
        q1, q2 = self.q_networks(obs, actions, z)
        qf_loss = functional.mse_loss(q1, target) + functional.mse_loss(q2, target)
        kl = (
            kl_to_standard_normal(z_means, z_vars)
            if has_posterior
            else z_means.new_full((), torch.nan)
        )
        kl_loss = cfg.kl_lambda * (kl / num_tasks if cfg.kl_reduction == "mean_task" else kl)
        self.q_optimizer.zero_grad()
        (qf_loss + kl_loss if has_posterior else qf_loss).backward()
        q_norms = self.q_gradients.clip_()
        self.q_optimizer.step()

        # V and policy: o and z are data, and min Q is that of the networks just stepped
        obs, z = obs.detach(), z.detach()
        heads, v = self.policy_and_v(obs, z)
        sample = self.policy.sample_of(heads, noise.action)
        q_new = torch.minimum(*self.q_networks(obs, sample.action, z, frozen=True))
        vf_loss = functional.mse_loss(v, (q_new - sample.log_prob).detach())
        policy_loss = (sample.log_prob - q_new).mean() + self._policy_regularisation(sample)
        self.policy_optimizer.zero_grad()
        (vf_loss + policy_loss).backward()
        policy_norms = self.policy_gradients.clip_()
        self.policy_optimizer.step()
        soft_update_(self.vf, self.target_vf, cfg.soft_target_tau)

        losses = dict(zip(LOSSES, (kl, kl_loss, qf_loss, vf_loss, policy_loss), strict=True))
        losses = {name: loss.detach() for name, loss in losses.items()}
        norms = dict(zip(self.gradient_norms, (*q_norms, *policy_norms), strict=True))
        if not with_statistics:
            return {**losses, **norms}
        return {
            "Z mean train": z_means[0].detach().abs().mean() if has_posterior else kl,
            "Z variance train": z_vars[0].detach().mean() if has_posterior else kl,
            **losses,
            **statistics_of("Q Predictions", q1),
            **statistics_of("V Predictions", v),
            **statistics_of("Log Pis", sample.log_prob),
            **statistics_of("Policy mu", sample.mean),
            **statistics_of("Policy log std", sample.log_std),
            **diagnostics,
            **norms,
        }

    @torch.no_grad()
    def _bellman_target(self, batch: Batch, z: Tensor) -> Tensor:
        """y = reward_scale r + (1 - terminated) gamma target_V(o', z), [num_tasks, batch_size, 1]. Truncation bootstraps."""
        cfg, target_v = self.config, self.target_vf(self.agent.features(batch.next_obs), z)
        target = (
            cfg.reward_scale * batch.rewards + (1.0 - batch.terminated) * cfg.discount * target_v
        )
        return (
            target if cfg.target_clip is None else target.clamp(-cfg.target_clip, cfg.target_clip)
        )

    def _policy_regularisation(self, sample: PolicySample) -> Tensor:
        """Weights that stand in oyster's code only: mean(m^2), mean(log_std^2) and mean(sum_i u_i^2)."""
        cfg = self.config
        loss = (
            cfg.policy_mean_reg_weight * (sample.mean**2).mean()
            + cfg.policy_std_reg_weight * (sample.log_std**2).mean()
        )
        if cfg.policy_pre_activation_weight > 0:
            loss = loss + cfg.policy_pre_activation_weight * (sample.pre_tanh**2).sum(dim=-1).mean()
        return loss

    def train_step(
        self,
        replay_buffer: MultiTaskReplayBuffer,
        encoder_buffer: MultiTaskReplayBuffer,
        with_statistics: bool,
    ) -> dict[str, Tensor]:
        """Draw tasks (with replacement), rows, context and noise from the generator, and take one step.

        Losses and norms are added to `sums` and compared with `maxima`. Nothing is fetched, so that a GPU can replay this.
        """
        cfg, generator, device = self.config, self.generator, self.generator.device
        task_ids = torch.randint(
            replay_buffer.num_tasks, (cfg.meta_batch,), generator=generator, device=device
        )
        context_rows, batch = self._draw(task_ids, replay_buffer, encoder_buffer)
        context = self.agent.context_of(context_rows)
        noise = Noise(
            z=torch.randn(
                cfg.meta_batch,
                self.agent.latent_dim,
                generator=generator,
                device=device,
                dtype=context.dtype,
            ),
            action=torch.randn(
                batch.actions.shape, generator=generator, device=device, dtype=context.dtype
            ),
        )
        mask = context_rows.mask if isinstance(context_rows, EpisodeBatch) else None
        statistics = self.take_step(batch, context, noise, with_statistics, mask)
        values = torch.stack([statistics[name] for name in self.every_step])
        self.sums += values
        torch.maximum(self.maxima, values, out=self.maxima)
        if self.companion is not None:
            statistics |= self.companion.train_step(batch, task_ids, with_statistics)
        return statistics

    def _draw(
        self,
        task_ids: Tensor,
        replay_buffer: MultiTaskReplayBuffer,
        encoder_buffer: MultiTaskReplayBuffer,
    ) -> tuple[Batch | EpisodeBatch, Batch]:
        """Draw context rows from where `context_source` says (or whole episodes), and RL rows, for the same tasks."""
        cfg, generator = self.config, self.generator
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

    def train(
        self,
        replay_buffer: MultiTaskReplayBuffer,
        encoder_buffer: MultiTaskReplayBuffer,
        num_steps: int,
    ) -> dict[str, float]:
        """Take `num_steps` steps.

        Returns:
            The statistics of the first step (oyster's, in its order, then ours), then over all steps `<loss> (mean)` and
            `<gradient norm> (mean)` and `(max)`. A loss that was not finite at any step makes its mean not finite. Fetched
            from the device once.
        """
        tf32 = self.policy.arithmetic.precision == "tf32"
        with sharing_threads(self.networks.values(), self.num_threads), tensor_cores(tf32):
            first_step, later_step = self._steps(replay_buffer, encoder_buffer)
            self.sums.zero_()
            self.maxima.zero_()
            first = {
                name: value.clone()
                for name, value in first_step().items()
                if name not in self.gradient_norms
            }
            for _ in range(num_steps - 1):
                later_step()
        self.num_train_steps += num_steps
        columns = {
            **first,
            **{
                f"{name} (mean)": mean
                for name, mean in zip(self.every_step, self.sums / num_steps, strict=True)
            },
        }
        columns |= {
            f"{name} (max)": self.maxima[self.every_step.index(name)]
            for name in self.gradient_norms
        }
        return dict(zip(columns, torch.stack(list(columns.values())).tolist(), strict=True))

    def _steps(
        self, replay_buffer: MultiTaskReplayBuffer, encoder_buffer: MultiTaskReplayBuffer
    ) -> tuple[Step, Step]:
        """`train_step` with statistics and without; on a GPU captured once each, and replayed from then on."""

        def step(with_statistics: bool) -> Step:
            return lambda: self.train_step(replay_buffer, encoder_buffer, with_statistics)

        if self.generator.device.type != "cuda" or not self.cuda_graph:
            return step(True), step(False)
        if self._captured is None:
            networks = [*self.networks.values()]
            optimizers: list[torch.optim.Optimizer] = [self.q_optimizer, self.policy_optimizer]
            if self.companion is not None:
                networks += self.companion.networks.values()
                optimizers += self.companion.optimizers
            tensors = [
                self.sums,
                self.maxima,
                *(p for network in networks for p in network.parameters()),
            ]

            def addresses() -> tuple[int, ...]:
                shape = int(
                    encoder_buffer.episodes.shortest < self.config.max_path_length
                )  # see `Episodes.random_episode_window`
                return (*replay_buffer.addresses, *encoder_buffer.addresses, shape)

            def undo() -> AbstractContextManager[None]:
                return rolled_back(tensors, optimizers, self.generator)

            first, later = (
                Captured(step(with_statistics), addresses, undo, self.generator)
                for with_statistics in (True, False)
            )
            self._captured = first, later
        return self._captured

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks under the names of their weight files."""
        return PEARLNetworks(*(getattr(self, name) for name in PEARLNetworks._fields)).named()

    def state_dict(self) -> dict:
        """Weights, optimizers, counter and generator: all that the next step depends on beside the buffers."""
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "q_optimizer": self.q_optimizer.state_dict(),
            "policy_optimizer": self.policy_optimizer.state_dict(),
            "num_train_steps": self.num_train_steps,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Take over a state that `state_dict` returned."""
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        self.q_optimizer.load_state_dict(state["q_optimizer"])
        self.policy_optimizer.load_state_dict(state["policy_optimizer"])
        self.num_train_steps = state["num_train_steps"]
        self.generator.set_state(state["generator"])
