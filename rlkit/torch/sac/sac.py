"""PEARL's meta-gradient step: SAC with a V network, conditioned on z; Q trains the encoder.

Equations: Rakelly et al. 2019 (algorithm 1, section 5), Haarnoja et al. 2018; see docs/pearl.md.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rlkit.data_management.batch import Batch
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer as Buffer
from rlkit.torch.aux_learner import AuxLearner
from rlkit.torch.distributions import kl_to_standard_normal
from rlkit.torch.execution import Branch
from rlkit.torch.gradient_steps import GradientSteps, statistics_of
from rlkit.torch.optimizers import soft_update_, step_groups
from rlkit.torch.sac import columns
from rlkit.torch.sac.agent import PEARLAgent
from rlkit.torch.sac.config import PEARLConfig
from rlkit.torch.sac.diagnostics import posterior_statistics
from rlkit.torch.sac.halves import halves_of
from rlkit.torch.sac.meta_batch import MetaBatch, MetaBatchSampler, Noise
from rlkit.torch.sac.networks import PEARLNetworks
from rlkit.torch.sac.policies import PolicySample

Inferred = tuple[Tensor, Tensor, Tensor, Tensor]  # o per row; z, its mean and variance per task


class PEARLSoftActorCritic:
    """Updates encoder, Q1, Q2, V, target V and policy from batches of several tasks.

    Args:
        agent: acts with the encoder and the policy of `networks`.
        networks: the networks to train.
        config: step sizes and weights.
        generator: source of every random number of the updates, on the networks' device.
        num_threads: CPU threads that share the products of a step; each runs its operations alone.
        cuda_graph: on a GPU, capture the step once and replay it.
        make_branch: makes a branch for an independent part of the step, which may run in parallel.
        aux_learner: learns from the same RL rows, after each step.

    `statistic_names` are all names that `fetch` may report, in the order of the log's columns,
    except the auxiliary learner's. With a deterministic z there is no KL to report.
    """

    _sampler: MetaBatchSampler  # of the current training

    def __init__(
        self,
        agent: PEARLAgent,
        networks: PEARLNetworks,
        config: PEARLConfig,
        generator: torch.Generator,
        num_threads: int = 1,
        cuda_graph: bool = True,
        make_branch: Callable[[], Branch] = Branch,
        aux_learner: AuxLearner | None = None,
    ) -> None:
        self.agent, self.config, self.generator = agent, config, generator
        self.aux_learner, self.networks = aux_learner, networks.named()
        self.qf1, self.qf2, self.vf, self.target_vf = networks[:4]
        self.policy, self.context_encoder, self.obs_encoder = networks[4:]
        self.target_vf.requires_grad_(False)
        self._encoding, self._target, self._acting = (make_branch() for _ in range(3))
        self._value, self._second_q = make_branch(), make_branch()
        (self.q_optimizer, self.policy_optimizer), gradients = halves_of(self.networks, config)
        self.q_gradients, self.encoder_gradients, self.policy_gradients = gradients
        self.gradient_norms = tuple(name for measured in gradients for name in measured.names)
        of_step = columns.statistic_names(agent.latent_dim)
        self._step_names = (*of_step, *self.gradient_norms)
        means, maxima = (*columns.LOSSES, *self.gradient_norms), self.gradient_norms
        self.statistic_names = (*of_step, *GradientSteps.names_over_steps(means, maxima))
        missing = () if config.use_information_bottleneck else columns.POSTERIOR_LOSSES
        self.num_train_steps = 0
        auxiliary = [] if aux_learner is None else aux_learner.optimizers
        self.steps = GradientSteps(
            self._draw_and_update,
            networks=self.networks.values(),
            optimizers=[self.q_optimizer, self.policy_optimizer, *auxiliary],
            generator=generator,
            means=[name for name in means if name not in missing],
            maxima=maxima,
            updates_per_step=config.updates_per_step,
            num_threads=num_threads,
            tf32=self.policy.arithmetic.precision == "tf32",
            cuda_graph=cuda_graph,
            captured_state=lambda: self._sampler.captured_state(),
        )

    # Equations

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
            mask: valid context rows, [num_tasks, num_context]; None: all.
        Returns:
            Scalar tensors by column name, still on the device.
        """
        counts = len(batch.obs), len(context), len(noise.z)
        if len({*counts}) > 1:
            raise ValueError("batch has {} tasks, context {}, noise {}".format(*counts))
        self._encoding.start(self._infer, batch.obs, context, mask, noise.z)
        inferred: Inferred = self._encoding.result()
        statistics: dict[str, Tensor] = {}
        if with_statistics and self.config.use_information_bottleneck:
            statistics = posterior_statistics(self.context_encoder, context, *inferred[2:], mask)
        # The graph is cut at o and z. The encoder continues from the gradients that Q leaves there.
        cut = [x.detach().requires_grad_(x.requires_grad) for x in inferred[:2]]
        obs, z = cut[0], cut[1].unsqueeze(1).expand(-1, batch.obs.shape[1], -1)
        data = obs.detach(), z.detach()  # for V and the policy
        self._target.start(self._bellman_target, batch, data[1])
        self._acting.start(self._act, *data, noise.action)
        statistics |= self._update_critics(batch.actions, obs, z, self._target, with_statistics)
        self._encoding.start(self._update_encoder, inferred, [x.grad for x in cut])
        statistics |= self._update_value_and_policy(*data, self._acting, with_statistics)
        soft_update_(self.vf, self.target_vf, self.config.soft_target_tau)
        statistics |= self._encoding.result()
        return {name: statistics[name] for name in self._step_names if name in statistics}

    def _infer(self, obs: Tensor, context: Tensor, mask: Tensor | None, noise: Tensor) -> Inferred:
        """Encode obs and infer z; the backward pass is in `_update_encoder`."""
        features = self.agent.features(obs)
        means, variances = self.agent.posterior(context, mask)
        return features, torch.addcmul(means, variances.sqrt(), noise), means, variances

    def _update_critics(
        self, actions: Tensor, obs: Tensor, z: Tensor, target: Branch, with_statistics: bool
    ) -> dict[str, Tensor]:
        """Step Q1 and Q2 (algorithm 1, lines 19 and 20)."""
        (q1, q2), y = self._q_values(obs, actions, z), target.result()
        qf_loss = functional.mse_loss(q1, y) + functional.mse_loss(q2, y)
        self.q_optimizer.zero_grad()
        qf_loss.backward()
        statistics = {"QF Loss": qf_loss.detach(), **self.q_gradients.clip_()}
        step_groups(self.q_optimizer, slice(2))
        return statistics | (statistics_of("Q Predictions", q1) if with_statistics else {})

    def _update_encoder(self, inferred: Inferred, of_q: list[Tensor | None]) -> dict[str, Tensor]:
        """Step the encoder (algorithm 1, line 18) on the Q loss, through z, and on the KL.

        An image encoder learns from both through the context, and from the Q loss also through o.
        """
        cfg, z, statistics = self.config, inferred[1], {}
        roots = [(x, grad) for x, grad in zip(inferred[:2], of_q, strict=True) if x.requires_grad]
        if cfg.use_information_bottleneck:
            kl = kl_to_standard_normal(*inferred[2:])
            loss = cfg.kl_lambda * (kl / len(z) if cfg.kl_reduction == "mean_task" else kl)
            statistics = {"KL Divergence": kl.detach(), "KL Loss": loss.detach()}
            roots.append((loss, None))
        torch.autograd.backward([x for x, _ in roots], [grad for _, grad in roots])
        statistics |= self.encoder_gradients.clip_()
        step_groups(self.q_optimizer, slice(2, None))
        return statistics

    def _update_value_and_policy(
        self, obs: Tensor, z: Tensor, acting: Branch, with_statistics: bool
    ) -> dict[str, Tensor]:
        """Step V and the policy; min Q uses the Q networks that have just been stepped."""
        sample, v = acting.result()
        q1, q2 = self._q_values(obs, sample.action, z, frozen=True)
        q_new = torch.where(q1 < q2, q1, q2)
        vf_loss = functional.mse_loss(v, (q_new - sample.log_prob).detach())
        policy_loss = (sample.log_prob - q_new).mean() + self._policy_regularisation(sample)
        self.policy_optimizer.zero_grad()
        (vf_loss + policy_loss).backward()
        norms = self.policy_gradients.clip_()
        self.policy_optimizer.step()
        statistics = {"VF Loss": vf_loss.detach(), "Policy Loss": policy_loss.detach(), **norms}
        if with_statistics:
            statistics |= statistics_of("V Predictions", v)
            statistics |= statistics_of("Log Pis", sample.log_prob)
            statistics |= statistics_of("Policy mu", sample.mean)
            statistics |= statistics_of("Policy log std", sample.log_std)
        return statistics

    def _q_values(self, *inputs: Tensor, frozen: bool = False) -> tuple[Tensor, Tensor]:
        """Q1 and Q2 of the same rows, in parallel branches."""
        x = torch.cat(inputs, dim=-1)
        self._second_q.start(partial(self.qf2, frozen=frozen), x)
        return self.qf1(x, frozen=frozen), self._second_q.result()

    def _act(self, obs: Tensor, z: Tensor, noise: Tensor) -> tuple[PolicySample, Tensor]:
        """The policy's actions and V, in parallel branches."""
        x = torch.cat([obs, z], dim=-1)
        self._value.start(self.vf, x)
        return self.policy.sample_of(self.policy(x), noise), self._value.result()

    @torch.no_grad()
    def _bellman_target(self, batch: Batch, z: Tensor) -> Tensor:
        """y = reward_scale r + (1 - terminated) gamma target_V(o', z); truncation bootstraps."""
        cfg, target_v = self.config, self.target_vf(self.agent.features(batch.next_obs), z)
        rewards, continues = cfg.reward_scale * batch.rewards, 1.0 - batch.terminated
        target = torch.addcmul(rewards, continues, target_v, value=cfg.discount)
        clip = cfg.target_clip
        return target if clip is None else target.clamp(-clip, clip)

    def _policy_regularisation(self, sample: PolicySample) -> Tensor:
        """Not in the paper, but in oyster's code: mean(m^2), mean(log_std^2), mean(sum_i u_i^2)."""
        cfg = self.config
        loss = cfg.policy_mean_reg_weight * (sample.mean**2).mean()
        loss = loss + cfg.policy_std_reg_weight * (sample.log_std**2).mean()
        if cfg.policy_pre_activation_weight > 0:
            loss = loss + cfg.policy_pre_activation_weight * (sample.pre_tanh**2).sum(dim=-1).mean()
        return loss

    # Many steps

    def train(
        self, replay_buffer: Buffer, encoder_buffer: Buffer, num_steps: int
    ) -> dict[str, float]:
        """Take `num_steps` steps on rows of these buffers and return their statistics."""
        with self.training(replay_buffer, encoder_buffer):
            self.take(num_steps)
        return self.fetch()

    @contextmanager
    def training(self, replay_buffer: Buffer, encoder_buffer: Buffer) -> Iterator[None]:
        """Let `take` learn from rows of these buffers inside the block."""
        self._draw_from(replay_buffer, encoder_buffer)
        with self.steps.running():
            yield

    def take(self, num_steps: int) -> None:
        """Take steps, inside `training`; `steps.num_taken` counts since the last fetch."""
        self.steps.take(num_steps)
        self.num_train_steps += num_steps

    def fetch(self) -> dict[str, float]:
        """Return the statistics of the steps since the last fetch; see `GradientSteps.fetch`."""
        return self.steps.fetch()

    def train_step(
        self, replay_buffer: Buffer, encoder_buffer: Buffer, with_statistics: bool
    ) -> dict[str, Tensor]:
        """Take one step on rows of these buffers; return its first update's statistics."""
        self._draw_from(replay_buffer, encoder_buffer)
        return self._draw_and_update(with_statistics)[0]

    def _draw_from(self, replay_buffer: Buffer, encoder_buffer: Buffer) -> None:
        self._sampler = MetaBatchSampler(
            replay_buffer, encoder_buffer, self.config, self.agent.latent_dim, self.generator
        )

    def _draw_and_update(self, with_statistics: bool) -> list[dict[str, Tensor]]:
        """Take one step: an update on each part of a context, with its own RL rows and noise."""
        drawn = enumerate(self._sampler.updates())
        return [self._update(part, with_statistics and i == 0) for i, part in drawn]

    def _update(self, drawn: MetaBatch, with_statistics: bool) -> dict[str, Tensor]:
        self._encoding.start(self.agent.context_of, drawn.context_rows)
        context = self._encoding.result()
        statistics = self.take_step(drawn.batch, context, drawn.noise, with_statistics, drawn.mask)
        if self.aux_learner is not None:
            statistics |= self.aux_learner.train_step(drawn.batch, drawn.task_ids, with_statistics)
        return statistics

    # State

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on except the buffers, even within a training."""
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "q_optimizer": self.q_optimizer.state_dict(),
            "policy_optimizer": self.policy_optimizer.state_dict(),
            "num_train_steps": self.num_train_steps,
            "generator": self.generator.get_state(),
            "steps": self.steps.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        self.q_optimizer.load_state_dict(state["q_optimizer"])
        self.policy_optimizer.load_state_dict(state["policy_optimizer"])
        self.num_train_steps = state["num_train_steps"]
        self.generator.set_state(state["generator"])
        self.steps.load_state_dict(state.get("steps", {}))  # older checkpoints have none
