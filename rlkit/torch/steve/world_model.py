"""The world model: ensembles for transitions, paired terminations and independent rewards."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlkit.torch import fast_torch
from rlkit.torch.adam import Adam
from rlkit.torch.steve.config import EnsembleInit, ModelSettings
from rlkit.torch.steve.expansion import transition_inputs
from rlkit.torch.steve.networks import (
    TRANSITION_LAYERS,
    all_members,
    drawn_members,
    make_mlp,
    random_member,
)


class Transitions(NamedTuple):
    """Real transitions: obs, action, next_obs [B, dim]; reward, terminated [B]."""

    obs: Tensor
    action: Tensor
    reward: Tensor
    next_obs: Tensor
    terminated: Tensor


class WorldModel(nn.Module):
    """Deterministic ensembles without normalisation.

    Member i of the termination model is paired with member i of the transition model; reward
    members are independent of both.

    Args:
        obs_dim, act_dim: sizes of an observation and of an action.
        settings: sizes of networks and ensembles.
        init: see `networks.xavier_init_`.
        generator: source of the initial weights.
    Source: tensorflow/models, research/steve, worldmodel.py.
    """

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        settings: ModelSettings,
        init: EnsembleInit,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        members, whole = settings.transition.ensemble_size, 2 * obs_dim + act_dim
        self.transition = make_mlp(
            members,
            obs_dim + act_dim,
            obs_dim,
            settings.transition_hidden_dim,
            generator,
            num_layers=TRANSITION_LAYERS,
            init=init,
        )
        width = settings.aux_hidden_dim
        self.termination = make_mlp(members, whole, 1, width, generator, init=init)
        num_rewards = settings.reward.ensemble_size
        self.reward = make_mlp(num_rewards, whole, 1, width, generator, init=init)
        self.settings = settings

    def losses(
        self, batch: Transitions, generator: torch.Generator, *, routed: bool
    ) -> dict[str, Tensor]:
        """Compute the three losses; each row goes through one random member of each ensemble.

        Transition: 1/2 sum_d (s' - s - f)^2; termination: binary cross-entropy; reward:
        1/2 (r - R)^2. All are averaged over the batch.
        """
        count, num_rewards = (
            ensemble.train_sample_count
            for ensemble in (self.settings.transition, self.settings.reward)
        )
        pairs = torch.cat([batch.obs, batch.action], dim=-1)
        inputs = transition_inputs(batch.next_obs, batch.obs, batch.action)
        change, rows = random_member(self.transition, pairs, count, generator, routed=routed)
        errors = (batch.next_obs - batch.obs)[rows] - change
        logits, ends = random_member(self.termination, inputs, count, generator, routed=routed)
        found, paid = random_member(self.reward, inputs, num_rewards, generator, routed=routed)
        label = batch.terminated[ends]
        done = functional.binary_cross_entropy_with_logits(logits.squeeze(-1), label)
        return {
            "Done Loss": done,
            "Reward Loss": 0.5 * (batch.reward[paid] - found.squeeze(-1)).square().mean(),
            "Transition Loss": 0.5 * errors.square().sum(dim=-1).mean(),
        }

    def regularizer(self) -> Tensor:
        """Coefficient times 1/2 ||theta||^2 over all weights and biases, for logging only.

        Adam's `weight_decay` applies the same gradient.
        """
        norms = fast_torch.norms_of([p.detach() for p in self.parameters()])
        return 0.5 * self.settings.regularizer * torch.stack(norms).square().sum()

    def drawn(self, generator: torch.Generator) -> "DrawnModel":
        """Draw random members for a batch of targets."""
        transitions, rewards = self.settings.transition, self.settings.reward
        return DrawnModel(
            self,
            drawn_members(self.transition, transitions.eval_sample_count, generator),
            drawn_members(self.reward, rewards.eval_sample_count, generator),
        )


class DrawnModel:
    """Some members of a world model, for rollouts; see `expansion.Dynamics`.

    Args:
        model: the networks.
        transitions, rewards: indices of the members; None: all.
    """

    def __init__(
        self, model: WorldModel, transitions: Tensor | None, rewards: Tensor | None
    ) -> None:
        self.model, self.transitions, self.reward_members = model, transitions, rewards

    def next_obs(self, obs: Tensor, action: Tensor) -> Tensor:
        """s + f_i(s, a), [N_T, B, obs_dim]."""
        inputs = torch.cat([obs, action], dim=-1)
        return obs + self.model.transition(inputs, members=self.transitions)

    def terminated(self, inputs: Tensor) -> Tensor:
        """sigma(g_i(s', s, a)), [N_T, B]."""
        logits = self.model.termination(inputs, members=self.transitions)
        return torch.sigmoid(logits.squeeze(-1))

    def rewards(self, inputs: Tensor) -> Tensor:
        """R_j(s', s, a) of every member, [N_R, ...]."""
        return all_members(self.model.reward, inputs, self.reward_members).squeeze(-1)


class ModelLearner:
    """Trains a world model with one Adam over all its networks.

    Args:
        model: the world model, on its device.
        generator: assigns members to rows, on the same device.
        routed: see `networks.random_member`.
    """

    columns = ("Model Loss", "Done Loss", "Reward Loss", "Transition Loss", "Model Regularizer")

    def __init__(self, model: WorldModel, generator: torch.Generator, *, routed: bool) -> None:
        self.model, self.generator, self.routed = model, generator, routed
        settings, on_gpu = model.settings, generator.device.type == "cuda"
        self.optimizer = Adam(
            model.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.regularizer,
            fused=True,
            capturable=on_gpu,
        )

    def update(self, batch: Transitions) -> dict[str, Tensor]:
        """Take a step; return the loss terms before it, by the names in `columns`."""
        losses = self.model.losses(batch, self.generator, routed=self.routed)
        total = torch.stack([*losses.values()]).sum()
        regularizer = self.model.regularizer()
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        found = {"Model Loss": total.detach() + regularizer, **losses}
        return {name: found.get(name, regularizer).detach() for name in self.columns}
