"""A plain twin of PETS' plan and training step: a loop over members, eager operations.

Particles are in the order of candidates. It serves only for comparison.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rlkit.torch.pets.dynamics import Transforms
from rlkit.torch.pets.objective import Reward
from rlkit.torch.pets.regression import RegressionEnsemble


class PlainPETS:
    """PE-TSinf-CEM with separate networks.

    Args:
        ensemble: weights, bounds and normaliser to start from, copied.
        transforms: from states to inputs and targets.
        weight_decays: coefficients of ||W||^2 / 2 in the loss, one per layer.
        learning_rate: of Adam.
    """

    def __init__(
        self,
        ensemble: RegressionEnsemble,
        transforms: Transforms,
        weight_decays: Sequence[float],
        learning_rate: float,
    ) -> None:
        assert ensemble.max_logvar is not None and ensemble.min_logvar is not None
        networks = ensemble.networks
        self.members = [
            [
                (nn.Parameter(w[e].detach().clone()), nn.Parameter(b[e, 0].detach().clone()))
                for w, b in zip(networks.weights, networks.biases, strict=True)
            ]
            for e in range(networks.num_nets)
        ]
        self.max_logvar = nn.Parameter(ensemble.max_logvar.detach().clone())
        self.min_logvar = nn.Parameter(ensemble.min_logvar.detach().clone())
        self.mean, self.std = ensemble.normalizer.mean.clone(), ensemble.normalizer.std.clone()
        self.transforms, self.weight_decays = transforms, weight_decays
        weights = [p for member in self.members for layer in member for p in layer]
        self.optimizer = torch.optim.Adam(
            [*weights, self.max_logvar, self.min_logvar], lr=learning_rate
        )

    def member(self, e: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of one member for raw inputs [rows, in]."""
        h = (x - self.mean) / self.std
        for i, (weight, bias) in enumerate(self.members[e]):
            h = h @ weight + bias
            if i < len(self.members[e]) - 1:
                h = h * torch.sigmoid(h)
        mean, raw = h.chunk(2, dim=-1)
        logvar = self.max_logvar - nn.functional.softplus(self.max_logvar - raw)
        return mean, self.min_logvar + nn.functional.softplus(logvar - self.min_logvar)

    def train_step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """One step on raw inputs [num_nets, rows, in]; data term of every member's loss."""
        loss = 0.01 * self.max_logvar.sum() - 0.01 * self.min_logvar.sum()
        data_terms = []
        for e, layers in enumerate(self.members):
            mean, logvar = self.member(e, inputs[e])
            data_terms.append(((mean - targets[e]) ** 2 * torch.exp(-logvar) + logvar).mean())
            loss = loss + data_terms[-1]
            for decay, (weight, _) in zip(self.weight_decays, layers, strict=True):
                loss = loss + decay * 0.5 * (weight**2).sum()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return torch.stack(data_terms).detach()

    def next_obs(self, obs: Tensor, action: Tensor, num_particles: int, z: Tensor) -> Tensor:
        """Move particles [candidates * num_particles, dim] by one step of TSinf with noise z."""
        num_nets = len(self.members)
        x = torch.cat([*self.transforms.preprocess(obs), action], dim=-1)
        blocks = x.view(-1, num_nets, num_particles // num_nets, x.shape[-1]).transpose(0, 1)
        outputs = [self.member(e, block.reshape(-1, x.shape[-1])) for e, block in enumerate(blocks)]
        mean, logvar = (
            torch.stack(parts)
            .view(num_nets, -1, num_particles // num_nets, z.shape[-1])
            .transpose(0, 1)
            .reshape(z.shape)
            for parts in zip(*outputs, strict=True)
        )
        return self.transforms.postprocess(obs, mean + torch.sqrt(torch.exp(logvar)) * z)

    @torch.no_grad()
    def costs(
        self, obs: Tensor, plans: Tensor, num_particles: int, reward: Reward, noise: torch.Generator
    ) -> Tensor:
        """Costs [popsize] of plans [popsize, plan_hor, act_dim] from obs [obs_dim]."""
        popsize, plan_hor, _ = plans.shape
        state = obs.expand(popsize * num_particles, -1)
        start, total = state, torch.zeros(popsize * num_particles)
        for t in range(plan_hor):
            action = plans[:, t].repeat_interleave(num_particles, dim=0)
            z = torch.randn(len(state), self.max_logvar.shape[-1], generator=noise)
            moved = self.next_obs(state, action, num_particles, z)
            total = total - reward(state, action, moved, start)
            state = moved
        total = torch.where(total.isnan(), 1e6, total)
        return total.view(popsize, num_particles).mean(dim=1)

    @torch.no_grad()
    def plan(
        self,
        obs: Tensor,
        mean: Tensor,
        bound: float,
        popsize: int,
        num_elites: int,
        max_iters: int,
        num_particles: int,
        reward: Reward,
        noise: torch.Generator,
    ) -> Tensor:
        """CEM in the box [-bound, bound] from a mean [plan_hor, act_dim]."""
        variance = torch.full_like(mean, (bound / 2) ** 2)
        covered = math.erf(2 / math.sqrt(2))
        for _ in range(max_iters):
            if variance.max() <= 0.001:
                break
            below, above = ((mean + bound) / 2) ** 2, ((bound - mean) / 2) ** 2
            std = torch.minimum(torch.minimum(below, above), variance).sqrt()
            uniform = torch.rand(popsize, *mean.shape, generator=noise)
            candidates = mean + std * torch.erfinv(covered * (2 * uniform - 1)) * math.sqrt(2)
            costs = self.costs(obs, candidates, num_particles, reward, noise)
            elites = candidates[costs.argsort()[:num_elites]]
            mean = 0.1 * mean + 0.9 * elites.mean(dim=0)
            variance = 0.1 * variance + 0.9 * elites.var(dim=0, correction=0)
        return mean
