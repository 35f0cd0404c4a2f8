"""The cost of action sequences under a dynamics model, from the rewards of its particles."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from rlkit.torch.pets.noise import Noise
from rlkit.torch.pets.planners import Objective
from rlkit.torch.pets.propagation import Model, Propagation

NAN_COST = 1e6  # cost of a particle whose accumulated cost is NaN

# reward(obs [P, C, obs_dim], action [C, act_dim], next_obs [P, C, obs_dim], planned_from [C,
# obs_dim]) -> [P, C], with P particles and C candidates. `planned_from` is the real observation at
# which planning started; goals are read from it, because the model's predictions of them drift.
Reward = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def imagine(
    model: Model,
    propagation: Propagation,
    obs: Tensor,
    actions: Tensor,
    num_particles: int,
    noise: Noise,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Propagate the particles of every candidate along its actions.

    Args:
        model: the dynamics.
        propagation: moves particles by one step.
        obs: initial obs of each candidate, [num_candidates, obs_dim].
        actions: [num_candidates, horizon, act_dim].
        num_particles: particles per candidate, all of which start at its obs.
        noise: random numbers.
    Yields:
        For every step, obs [num_particles, num_candidates, obs_dim], action [num_candidates,
        act_dim] and next obs (shape of obs).
    """
    particles = obs.expand(num_particles, -1, -1)
    for action in actions.unbind(dim=1):
        moved = propagation(model, particles, action, noise)
        yield particles, action, moved
        particles = moved


@dataclass(frozen=True)
class ModelCosts:
    """Negative return of candidates under the model, averaged over particles.

    There is no discount, no terminal cost and no termination.

    Attributes:
        model: the dynamics.
        propagation: moves particles by one step.
        reward: reward of predicted transitions; see `Reward`.
        num_particles: number of particles per candidate.
    Source: kchua/handful-of-trials, `MPC._compile_cost`.
    """

    model: Model
    propagation: Propagation
    reward: Reward
    num_particles: int

    def objective(self, obs: Tensor, noise: Noise) -> Objective:
        """Return the cost function of sequences that start at obs [num_lanes, obs_dim]."""

        def costs(candidates: Tensor) -> Tensor:
            num_lanes, popsize, *shape = candidates.shape
            start = obs.repeat_interleave(popsize, dim=0)
            actions = candidates.reshape(num_lanes * popsize, *shape)
            total = torch.zeros(self.num_particles, len(start), dtype=obs.dtype, device=obs.device)
            steps = imagine(self.model, self.propagation, start, actions, self.num_particles, noise)
            for before, action, after in steps:
                total -= self.reward(before, action, after, start)
            total = torch.where(total.isnan(), NAN_COST, total)
            return total.mean(dim=0).view(num_lanes, popsize)

        return costs

    def trajectories(self, obs: Tensor, plan: Tensor, noise: Noise) -> Tensor:
        """Predicted states of a plan's particles, for logging.

        Args:
            obs: [num_lanes, obs_dim].
            plan: action sequences [num_lanes, plan_hor, act_dim].
            noise: random numbers.
        Returns:
            [num_lanes, plan_hor + 1, num_particles, obs_dim], beginning with obs.
        """
        steps = imagine(self.model, self.propagation, obs, plan, self.num_particles, noise)
        first = obs.expand(self.num_particles, -1, -1)
        return torch.stack([first, *(after for _, _, after in steps)], dim=1).permute(2, 1, 0, 3)
