"""Planners: random shooting and the cross-entropy method."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from rlkit.torch.ensembles import truncated_normal
from rlkit.torch.pets.noise import Noise

# candidate sequences [num_lanes, popsize, plan_hor, act_dim] -> costs [num_lanes, popsize]
Objective = Callable[[Tensor], Tensor]


class Planner(Protocol):
    """Finds one action sequence per lane."""

    def plan(self, objective: Objective, mean: Tensor, noise: Noise) -> Tensor:
        """Search from an initial guess.

        Args:
            objective: costs of the candidates of all lanes.
            mean: initial guess, [num_lanes, plan_hor, act_dim].
            noise: random numbers.
        Returns:
            Sequences, same shape as `mean`.
        """


def lowest(costs: Tensor, count: int) -> Tensor:
    """Indices [num_lanes, count] of the smallest costs [num_lanes, popsize]; NaN comes last."""
    return costs.topk(count, dim=1, largest=False).indices


def chosen(candidates: Tensor, index: Tensor) -> Tensor:
    """Select the candidates [num_lanes, count, plan_hor, act_dim] at index [num_lanes, count]."""
    return candidates.take_along_dim(index[..., None, None], dim=1)


class RandomShooting:
    """Draws sequences uniformly from the box and returns the cheapest; ignores the initial guess.

    Args:
        low, high: bounds of an action, [act_dim].
        popsize: number of candidates.
    Raises:
        ValueError: `popsize` is below 1.
    Source: kchua/handful-of-trials, `dmbrl/misc/optimizers/random.py`.
    """

    def __init__(self, low: Tensor, high: Tensor, popsize: int) -> None:
        if popsize < 1:
            raise ValueError(f"popsize is {popsize}; expected at least 1")
        self.low, self.high, self.popsize = low, high, popsize

    def plan(self, objective: Objective, mean: Tensor, noise: Noise) -> Tensor:
        """See `Planner`."""
        num_lanes, *shape = mean.shape
        uniform = noise.uniform((num_lanes, self.popsize, *shape), lane_axis=0)
        candidates = self.low + (self.high - self.low) * uniform
        return chosen(candidates, lowest(objective(candidates), 1)).squeeze(1)


class CEM:
    """The cross-entropy method with a diagonal Gaussian truncated to the box.

    The result is the mean of the last distribution, not the best candidate. Every call starts with
    variance ((high - low) / 4)^2. A lane whose largest variance is at most epsilon keeps its mean
    while the others continue.

    Args:
        low, high: bounds of an action, [act_dim].
        popsize: candidates per iteration.
        num_elites: number of best candidates to which the next distribution is fitted.
        max_iters: maximum number of iterations.
        alpha: weight of the old mean and variance in the new ones.
        epsilon: a lane stops once none of its variances exceeds this.
        smooth_variance: False: fit the variance to the elites without smoothing, as the reference
            did until November 2018.
    Raises:
        ValueError: inconsistent settings.
    Source: PETS, section 5; kchua/handful-of-trials, `dmbrl/misc/optimizers/cem.py`.
    """

    def __init__(
        self,
        low: Tensor,
        high: Tensor,
        popsize: int,
        num_elites: int,
        max_iters: int = 5,
        alpha: float = 0.1,
        epsilon: float = 0.001,
        *,
        smooth_variance: bool = True,
    ) -> None:
        if not 1 <= num_elites <= popsize:
            raise ValueError(
                f"num_elites is {num_elites}; expected 1 to popsize, which is {popsize}"
            )
        if max_iters < 1:
            raise ValueError(f"max_iters is {max_iters}; expected at least 1")
        if not 0.0 <= alpha < 1.0:
            raise ValueError(f"alpha is {alpha}; expected 0 or more and less than 1")
        self.low, self.high, self.popsize, self.num_elites = low, high, popsize, num_elites
        self.max_iters, self.alpha, self.epsilon = max_iters, alpha, epsilon
        self.smooth_variance = smooth_variance

    def plan(self, objective: Objective, mean: Tensor, noise: Noise) -> Tensor:
        """See `Planner`."""
        variance = ((self.high - self.low) / 4).square().expand_as(mean)
        for _ in range(self.max_iters):
            searching = variance.amax(dim=(1, 2), keepdim=True) > self.epsilon
            if searching.device.type == "cpu" and not searching.any():
                break  # on a GPU, checking would cost more than it saves
            new_mean, new_variance = self.iterate(objective, mean, variance, noise)
            mean = torch.where(searching, new_mean, mean)
            variance = torch.where(searching, new_variance, variance)
        return mean

    def iterate(
        self, objective: Objective, mean: Tensor, variance: Tensor, noise: Noise
    ) -> tuple[Tensor, Tensor]:
        """Run one iteration: sample, evaluate, refit, smooth.

        Samples lie within two standard deviations of the mean. The deviations are reduced so that
        all samples lie in the box.

        Args:
            objective, noise: see `Planner`.
            mean, variance: moments of the distribution, [num_lanes, plan_hor, act_dim].
        Returns:
            Mean and variance of the next distribution, same shape.
        """
        to_bound = torch.minimum(mean - self.low, self.high - mean) / 2
        std = torch.minimum(to_bound.square(), variance).sqrt().unsqueeze(1)
        num_lanes, *shape = mean.shape
        uniform = noise.uniform((num_lanes, self.popsize, *shape), lane_axis=0)
        candidates = mean.unsqueeze(1) + std * truncated_normal(uniform)
        elites = chosen(candidates, lowest(objective(candidates), self.num_elites))
        elite_mean = elites.mean(dim=1)
        elite_variance = elites.var(dim=1, correction=0)
        new_mean = self.alpha * mean + (1 - self.alpha) * elite_mean
        if not self.smooth_variance:
            return new_mean, elite_variance
        return new_mean, self.alpha * variance + (1 - self.alpha) * elite_variance
