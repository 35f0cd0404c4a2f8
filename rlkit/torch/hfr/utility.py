"""Utility of contexts: the value of policy or critics after adaptation.

These are pure functions, called without gradients. The first axis runs over contexts, tasks or
trajectories.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rlkit.data_management.batch import Batch
from rlkit.torch.hfr.pearl import Policy

Posterior = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]


def sample_z(
    posterior: Posterior, context: Tensor, noise: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Draw latents from q(z | c), [n, num_samples, latent_dim]; with variance 0, the means.

    Args:
        posterior: maps context and mask to means and variances, each [n, latent_dim].
        context: rows [n, T, context_dim].
        noise: standard normal, [n, num_samples, latent_dim].
        mask: valid rows, [n, T]; None: all.
    """
    means, variances = posterior(context, mask)
    return means.unsqueeze(1) + variances.sqrt().unsqueeze(1) * noise


def q_utility(
    policy: Policy,
    qf1: nn.Module,
    qf2: nn.Module,
    z: Tensor,
    starts: Tensor,
    noise: Tensor,
    *,
    with_entropy: bool = False,
) -> tuple[Tensor, Tensor]:
    """U = mean over start states of min(Q1, Q2)(s, a, z), a ~ pi(.| s, z).

    Its unit is that of the scaled reward.

    Args:
        policy, qf1, qf2: PEARL's networks.
        z: [n, num_samples, latent_dim].
        starts: start states of the task, [n, num_states, obs_dim].
        noise: standard normal, [n, num_samples, num_states, act_dim].
        with_entropy: add -log pi(a | s, z).
    Returns:
        U and the mean of log pi(a | s, z), each [n].
    Source: HFR, docs/hfr.md, hfr-q.
    """
    shape = noise.shape[:3]
    states, latents = starts.unsqueeze(1).expand(*shape, -1), z.unsqueeze(2).expand(*shape, -1)
    sample = policy.sample(states, latents, noise)
    values = torch.minimum(qf1(states, sample.action, latents), qf2(states, sample.action, latents))
    if with_entropy:
        values = values - sample.log_prob
    return values.flatten(1).mean(dim=1), sample.log_prob.flatten(1).mean(dim=1)


def bellman_utility(
    qf1: nn.Module,
    qf2: nn.Module,
    target_vf: nn.Module,
    z: Tensor,
    batch: Batch,
    *,
    reward_scale: float,
    discount: float,
) -> Tensor:
    """U = -mean of (Q1 - y)^2 + (Q2 - y)^2, [n].

    The target is y = reward_scale r + (1 - terminated) discount target_V(s', z).

    Args:
        qf1, qf2, target_vf: PEARL's networks.
        z: [n, num_samples, latent_dim].
        batch: transitions of the task, fields [n, num_rows, dim].
        reward_scale, discount: constants of the Bellman target.
    Source: HFR, docs/hfr.md, hfr-bellman.
    """
    shape = (len(z), z.shape[1], batch.obs.shape[1])
    latents = z.unsqueeze(2).expand(*shape, -1)
    obs, actions, next_obs = (
        part.unsqueeze(1).expand(*shape, -1) for part in (batch.obs, batch.actions, batch.next_obs)
    )
    target = reward_scale * batch.rewards.unsqueeze(1)
    target = target + (1.0 - batch.terminated.unsqueeze(1)) * discount * target_vf(
        next_obs, latents
    )
    errors = (qf1(obs, actions, latents) - target) ** 2 + (qf2(obs, actions, latents) - target) ** 2
    return -errors.flatten(1).mean(dim=1)


def transition_utility(
    qf1: nn.Module, qf2: nn.Module, z: Tensor, obs: Tensor, actions: Tensor
) -> Tensor:
    """g = min(Q1, Q2)(o_t, a_t, z_psi) of every transition under every task's latent.

    Args:
        qf1, qf2: PEARL's networks.
        z: [n, latent_dim].
        obs, actions: [T, dim].
    Returns:
        [n, T].
    Source: HFR, docs/hfr.md, hipi.
    """
    shape = (len(z), len(obs))
    states, acts, latents = (
        obs.expand(*shape, -1),
        actions.expand(*shape, -1),
        z.unsqueeze(1).expand(*shape, -1),
    )
    return torch.minimum(qf1(states, acts, latents), qf2(states, acts, latents)).squeeze(-1)
