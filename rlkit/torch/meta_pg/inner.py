"""The inner step: one gradient step of the policy on a task's trajectories."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from rlkit.torch.meta_pg.gaussian import log_prob, masked_mean
from rlkit.torch.meta_pg.policy import Params, act
from rlkit.torch.meta_pg.task_data import TaskData

Surrogate = Literal["ratio", "log_likelihood"]


def log_likelihood_surrogate(log_probs: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """−mean log π(a|s) A. Its Hessian lacks the outer product of the scores."""
    return -masked_mean(log_probs * advantages, mask)


def ratio_surrogate(log_ratios: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """−mean π(a|s) / π_old(a|s) A, whose second derivatives have low variance (LVC).

    Source: ProMP, section 5.
    """
    return -masked_mean(log_ratios.exp() * advantages, mask)


def log_probs_of(policy: nn.Module, params: Params, data: TaskData) -> Tensor:
    """log π(a|s) of one task's data under these parameters, [num_paths, horizon]."""
    return log_prob(data.actions, *act(policy, params, data.obs))


def old_log_probs(data: TaskData) -> Tensor:
    """log π_old(a|s) of one task's data, π_old being the policy that collected them."""
    return log_prob(data.actions, data.old_mean, data.old_log_std)


def inner_loss(policy: nn.Module, params: Params, data: TaskData, surrogate: Surrogate) -> Tensor:
    """Inner-step loss of one task. Source: MAML, equation 4; ProMP, equation 10."""
    log_probs = log_probs_of(policy, params, data)
    if surrogate == "log_likelihood":
        return log_likelihood_surrogate(log_probs, data.advantages, data.mask)
    return ratio_surrogate(log_probs - old_log_probs(data), data.advantages, data.mask)


def inner_step(
    policy: nn.Module, params: Params, data: TaskData, inner_lr: float, surrogate: Surrogate
) -> dict[str, Tensor]:
    """φ ← φ − α ∇ L(φ; D) for one task; log σ is adapted too.

    Source: MAML, equation 1.
    """

    def loss(chosen: Params) -> Tensor:
        return inner_loss(policy, chosen, data, surrogate)

    slope: Any = torch.func.grad(loss)(dict(params))
    return {name: value - inner_lr * slope[name] for name, value in params.items()}


def adapted(
    policy: nn.Module, params: Params, data: TaskData, inner_lr: float, surrogate: Surrogate
) -> dict[str, Tensor]:
    """Take the inner step of all tasks at once, without autograd.

    Args:
        params: parameters of each task, [num_tasks, ...].
        data: data of all tasks.
    Returns:
        Parameters after the step, same shapes; unchanged for a task without data.
    """

    def step(own: Params, seen: TaskData) -> dict[str, Tensor]:
        return inner_step(policy, own, seen, inner_lr, surrogate)

    with torch.no_grad():
        found: dict[str, Tensor] = torch.func.vmap(step)(dict(params), data)
    return found
