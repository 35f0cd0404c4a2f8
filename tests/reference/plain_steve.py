"""A plain twin of STEVE's targets: a loop over members, samples and steps, eager operations.

It serves only for comparison.
"""

import torch
from torch import Tensor

from rlkit.torch.ensembles import EnsembleMlp
from rlkit.torch.steve.value_learner import ValueLearner
from rlkit.torch.steve.world_model import Transitions, WorldModel


def members_of(network: EnsembleMlp) -> list[list[tuple[Tensor, Tensor]]]:
    """Weights and biases of every layer of every member."""
    return [
        [
            (w[e].detach(), b[e, 0].detach())
            for w, b in zip(network.weights, network.biases, strict=True)
        ]
        for e in range(network.num_nets)
    ]


def mlp(layers: list[tuple[Tensor, Tensor]], x: Tensor) -> Tensor:
    """ReLU layers, then a linear one."""
    for i, (weight, bias) in enumerate(layers):
        x = x @ weight + bias
        if i < len(layers) - 1:
            x = torch.relu(x)
    return x


class PlainSTEVE:
    """Targets of STEVE with inverse variances.

    Args:
        learner: policy and target critics, whose weights are taken.
        model: the world model.
        horizon: H.
        discount: gamma.
    """

    def __init__(
        self, learner: ValueLearner, model: WorldModel, horizon: int, discount: float
    ) -> None:
        (self.policy,) = members_of(learner.policy)
        self.critics = members_of(learner.target_critics)
        self.transitions, self.terminations, self.rewards = (
            members_of(net) for net in (model.transition, model.termination, model.reward)
        )
        self.horizon, self.discount = horizon, discount

    @torch.no_grad()
    def targets(self, batch: Transitions) -> Tensor:
        """y of a batch, [B]."""
        lengths: list[list[Tensor]] = [[] for _ in range(self.horizon + 1)]
        for transition, termination in zip(self.transitions, self.terminations, strict=True):
            obs, alive = batch.next_obs, 1 - batch.terminated
            totals = [batch.reward for _ in self.rewards]
            for h in range(self.horizon + 1):
                action = torch.tanh(mlp(self.policy, obs))
                pair = torch.cat([obs, action], dim=-1)
                power = self.discount ** (h + 1)
                for critic in self.critics:
                    value = power * alive * mlp(critic, pair)[:, 0]
                    lengths[h] += [total + value for total in totals]
                if h == self.horizon:
                    break
                following = obs + mlp(transition, pair)
                inputs = torch.cat([following, obs, action], dim=-1)
                totals = [
                    total + power * alive * mlp(reward, inputs)[:, 0]
                    for total, reward in zip(totals, self.rewards, strict=True)
                ]
                alive = alive * (1 - torch.sigmoid(mlp(termination, inputs)[:, 0]))
                obs = following
        samples = torch.stack([torch.stack(one) for one in lengths])  # [F, N, B]
        weights = 1 / (samples.var(dim=1, correction=0) + 1e-8)
        return (weights * samples.mean(dim=1)).sum(0) / weights.sum(0)
