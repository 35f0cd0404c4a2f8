"""The value learner: DDPG whose critic targets are expanded through a world model."""

import copy

import torch
from torch import Tensor, nn

from rlkit.torch.adam import Adam
from rlkit.torch.ensembles import EnsembleMlp
from rlkit.torch.optimizers import soft_update_
from rlkit.torch.steve.config import STEVESettings
from rlkit.torch.steve.expansion import Rollouts, expand, imagine
from rlkit.torch.steve.networks import all_members, drawn_members, make_mlp, random_member
from rlkit.torch.steve.reductions import Reduced, reduction
from rlkit.torch.steve.world_model import Transitions, WorldModel

PRE_TANH_WEIGHT = 0.001  # weight of the squared pre-tanh actions in the policy's loss


class DrawnCritics:
    """Policy and target critics for rollouts; see `expansion.ActorCritic`.

    Args:
        policy: the policy.
        critics: the target critics.
        members: indices of the critics to use; None: all.
        least: return only the minimum of their values (twin critics).
    """

    def __init__(
        self, policy: EnsembleMlp, critics: EnsembleMlp, members: Tensor | None, *, least: bool
    ) -> None:
        self.policy, self.critics, self.members, self.least = policy, critics, members, least

    def act(self, obs: Tensor) -> Tensor:
        """tanh pi(s)."""
        return torch.tanh(pre_tanh(self.policy, obs))

    def values(self, obs: Tensor, action: Tensor) -> Tensor:
        """Q_k(s, a), [N_Q, ...]."""
        inputs = torch.cat([obs, action], dim=-1)
        values = all_members(self.critics, inputs, self.members).squeeze(-1)
        return values.amin(dim=0, keepdim=True) if self.least else values


def pre_tanh(policy: EnsembleMlp, obs: Tensor) -> Tensor:
    """The policy's output before the tanh, [..., act_dim]."""
    output: Tensor = policy(obs.unsqueeze(0))[0]
    return output


class ValueLearner:
    """Policy and critics with their targets and updates.

    Args:
        obs_dim, act_dim: sizes of an observation and of an action.
        settings: settings of the algorithm.
        weights: generator of the initial weights.
        generator: draws members, on the networks' device.
        model: world model of the targets, if there is one.
    Source: Buckman et al. 2018; tensorflow/models, research/steve, valuerl.py.
    """

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        settings: STEVESettings,
        weights: torch.Generator,
        generator: torch.Generator,
        model: WorldModel | None = None,
    ) -> None:
        self.settings, self.generator, self.model = settings, generator, model
        policy, expansion = settings.policy_config, settings.value_expansion
        width, init = policy.hidden_dim, settings.ensemble_init
        device = generator.device
        self.policy = make_mlp(1, obs_dim, act_dim, width, weights, init=init).to(device)
        size = policy.critic.ensemble_size
        self.critics = make_mlp(size, obs_dim + act_dim, 1, width, weights, init=init).to(device)
        self.target_critics = frozen_copy(self.critics)
        self.target_policy = frozen_copy(self.policy) if policy.target_policy else None
        self.optimizer = Adam(
            [*self.policy.parameters(), *self.critics.parameters()],
            lr=policy.learning_rate,
            fused=True,
            capturable=device.type == "cuda",
        )
        self.reduce = reduction(expansion.method, expansion.lambda_return)
        self.horizon = settings.horizon
        weight_names = [f"Weight {t}" for t in range(self.horizon + 1)]
        self.columns = ("Policy Loss", "Q Loss", "Policy Regularizer", "Model Use", *weight_names)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks by the names of their weight files."""
        targets = {"target_qf": self.target_critics}
        if self.target_policy is not None:
            targets["target_policy"] = self.target_policy
        return {"policy": self.policy, "qf": self.critics, **targets}

    @torch.no_grad()
    def targets(self, batch: Transitions) -> tuple[Reduced, Rollouts]:
        """Compute critic targets [B, num_starts], and the rollouts they are based on."""
        expansion, generator = self.settings.value_expansion, self.generator
        policy = self.settings.policy_config
        actor = self.policy if self.target_policy is None else self.target_policy
        members = drawn_members(self.target_critics, policy.critic.eval_sample_count, generator)
        agent = DrawnCritics(actor, self.target_critics, members, least=policy.twin_critics)
        model = None if self.model is None else self.model.drawn(generator)
        count = self.settings.model_config.transition.eval_sample_count if model else 1
        real = batch.reward, batch.next_obs, batch.terminated
        rollouts = imagine(model, agent, *real, count, self.horizon)
        starts = self.horizon + 1 if expansion.tdk_trick else 1
        scales = self.settings.discount, self.settings.reward_scale
        return self.reduce(expand(rollouts, *scales, starts)), rollouts

    def update(self, batch: Transitions) -> dict[str, Tensor]:
        """Update policy and critics, with both gradients computed at the same weights.

        Returns:
            The terms of the losses and the mean weight of every length, by the names in `columns`.
        """
        reduced, rollouts = self.targets(batch)
        critic_loss = self.critic_loss(batch, reduced.targets, rollouts)
        policy_loss, regularizer = self.policy_loss(batch.obs)
        self.optimizer.zero_grad()
        (critic_loss + policy_loss + regularizer).backward()
        self.optimizer.step()
        if (tau := self.settings.policy_config.polyak) is not None:
            for source, target in self._copies():
                soft_update_(source, target, tau)
        weights = reduced.weights[:, 0].mean(dim=0)
        weighs = self.settings.value_expansion.method in ("steve", "steve_cov")
        use = 1 - weights[0] if weighs else torch.zeros_like(weights[0])
        found = policy_loss, critic_loss, regularizer, use, *weights.unbind()
        return {name: x.detach() for name, x in zip(self.columns, found, strict=True)}

    def critic_loss(self, batch: Transitions, targets: Tensor, rollouts: Rollouts) -> Tensor:
        """Mean of 1/2 (Q_k(s, a) - y)^2, where k is a random member for every row.

        The TD-k trick adds the imagined pairs (s_{u-1}, a_{u-1}), u = 1 ... H. Their values are
        averaged over transition members, and their errors weighted by the mean survival.
        """
        policy, routed = self.settings.policy_config, self.settings.row_routing
        pairs = torch.cat([batch.obs, batch.action], dim=-1)
        count = policy.critic.train_sample_count
        values, rows = random_member(self.critics, pairs, count, self.generator, routed=routed)
        errors = 0.5 * (values.squeeze(-1) - targets[rows, 0]).square()
        if not self.settings.value_expansion.tdk_trick:
            return errors.mean()
        states = torch.cat([rollouts.obs, rollouts.action], dim=-1)[:-1]  # [H, N_T, B, dim]
        count = policy.critic.eval_sample_count
        inputs = states.permute(2, 0, 1, 3)
        guesses, rows = random_member(self.critics, inputs, count, self.generator, routed=routed)
        later = 0.5 * (guesses.squeeze(-1).mean(dim=2) - targets[rows, 1:]).square()
        weights = rollouts.survival[:-1].mean(dim=1).mT  # [B, H]
        total = errors.sum() + (weights[rows] * later).sum()
        return total / targets.numel()

    def policy_loss(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """-mean_k Q_k(s, tanh pi(s)) with the critics frozen, and the policy's regularizer."""
        raw = pre_tanh(self.policy, obs)
        inputs = torch.cat([obs, torch.tanh(raw)], dim=-1)
        count = self.settings.policy_config.critic.eval_sample_count
        members = drawn_members(self.critics, count, self.generator)
        values = all_members(self.critics, inputs, members, frozen=True)
        return -values.mean(), PRE_TANH_WEIGHT * raw.square().mean()

    @torch.no_grad()
    def copy_targets(self) -> None:
        """Copy the critics, and the policy if it has a target, unless `polyak` averages them."""
        if self.settings.policy_config.polyak is None:
            for source, target in self._copies():
                soft_update_(source, target, 1.0)

    def _copies(self) -> list[tuple[nn.Module, nn.Module]]:
        pairs: list[tuple[nn.Module, nn.Module]] = [(self.critics, self.target_critics)]
        if self.target_policy is not None:
            pairs.append((self.policy, self.target_policy))
        return pairs


def frozen_copy(network: EnsembleMlp) -> EnsembleMlp:
    """Copy a network; the copy requires no gradients."""
    return copy.deepcopy(network).requires_grad_(False)
