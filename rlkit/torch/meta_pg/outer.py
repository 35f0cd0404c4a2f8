"""Outer objectives: the loss after the inner steps, as a function of θ."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from rlkit.torch.meta_pg.gaussian import kl_divergence, masked_mean
from rlkit.torch.meta_pg.inner import (
    Surrogate,
    inner_step,
    log_likelihood_surrogate,
    log_probs_of,
    old_log_probs,
    ratio_surrogate,
)
from rlkit.torch.meta_pg.policy import Params, act
from rlkit.torch.meta_pg.task_data import TaskData

Outer = Literal["ratio", "clipped_ratio", "log_likelihood"]


class OuterSettings(NamedTuple):
    """Settings of the outer objective.

    Attributes:
        inner_lr: α.
        inner_surrogate: loss of the inner steps.
        outer: loss on the data after the last inner step.
        clip: ε of the clipped ratio.
    """

    inner_lr: float
    inner_surrogate: Surrogate
    outer: Outer
    clip: float = 0.3


class OuterTerms(NamedTuple):
    """Means over tasks.

    Attributes:
        loss: the outer surrogate loss.
        kl: KL(π_old || π) after the last inner step, on its data.
        inner_kls: KL(π_old || π) before each inner step, on its data, [num_inner_steps].
    """

    loss: Tensor
    kl: Tensor
    inner_kls: Tensor


def clipped_surrogate(log_ratios: Tensor, advantages: Tensor, mask: Tensor, clip: float) -> Tensor:
    """−mean min(ρ A, clip(ρ, 1 − ε, 1 + ε) A). Source: Schulman et al. 2017, equation 7."""
    ratios = log_ratios.exp()
    clipped = ratios.clamp(1 - clip, 1 + clip)
    return -masked_mean(torch.minimum(ratios * advantages, clipped * advantages), mask)


def task_terms(
    policy: nn.Module,
    theta: Params,
    data: Sequence[TaskData],
    credit: Tensor,
    settings: OuterSettings,
) -> OuterTerms:
    """The terms of one task; the inner steps are recomputed from θ to differentiate through them.

    Args:
        theta: the parameters before the inner steps.
        data: data of each inner step, then those after the last one.
        credit: weight of −mean log π_θ on the first data (E-MAML), a scalar; otherwise 0.
        settings: settings of the objective.
    Source: MAML, equation 5; ProMP, algorithm 1; E-MAML: Stadie et al. 2018, equation 7.
    """
    *before, after = data
    params, inner_kls = dict(theta), []
    for step in before:
        mean, log_std = act(policy, params, step.obs)
        divergence = kl_divergence(step.old_mean, step.old_log_std, mean, log_std)
        inner_kls.append(masked_mean(divergence, step.mask))
        params = inner_step(policy, params, step, settings.inner_lr, settings.inner_surrogate)
    mean, log_std = act(policy, params, after.obs)
    kl = masked_mean(kl_divergence(after.old_mean, after.old_log_std, mean, log_std), after.mask)
    log_probs = log_probs_of(policy, params, after)
    if settings.outer == "log_likelihood":
        loss = log_likelihood_surrogate(log_probs, after.advantages, after.mask)
    else:
        ratios = log_probs - old_log_probs(after), after.advantages, after.mask
        clipped = settings.outer == "clipped_ratio"
        loss = clipped_surrogate(*ratios, settings.clip) if clipped else ratio_surrogate(*ratios)
    first = log_probs_of(policy, theta, before[0])
    loss = loss - credit * masked_mean(first, before[0].mask)
    return OuterTerms(loss, kl, torch.stack(inner_kls))


def outer_terms(
    policy: nn.Module, data: Sequence[TaskData], credit: Tensor, settings: OuterSettings
) -> Callable[[Params], OuterTerms]:
    """The objective as a function of θ: the mean over tasks, computed in one batch.

    Args:
        data: as for `task_terms`, but of all tasks.
        credit: [num_tasks].
    """

    def terms(theta: Params) -> OuterTerms:
        def one(seen: Sequence[TaskData], weight: Tensor) -> OuterTerms:
            return task_terms(policy, theta, seen, weight, settings)

        per_task = torch.func.vmap(one)(list(data), credit)
        return OuterTerms(*(value.mean(0) for value in per_task))

    return terms


def exploration_credit(rewards: Tensor, mask: Tensor) -> Tensor:
    """w_i = mean of (r − r̄) / (σ_r + 1e-8) over the steps of task i after its inner steps.

    r̄ and σ_r are taken over the steps of all tasks.

    Args:
        rewards, mask: [num_tasks, num_paths, horizon].
    Returns:
        [num_tasks].
    Source: ProMP's code of E-MAML (`exploration=True`).
    """
    count = mask.sum().clamp(min=1)
    mean = (rewards * mask).sum() / count
    centered = (rewards - mean) * mask
    scaled = centered / ((centered.square().sum() / count).sqrt() + 1e-8)
    return scaled.sum((1, 2)) / mask.sum((1, 2)).clamp(min=1)
