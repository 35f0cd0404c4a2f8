"""Value expansion: imagined rollouts and the candidate targets computed from them.

Notation of the paper: i indexes transition members (and the paired termination members), j reward
members and k critics; H is the horizon. F = H + 1 candidates end at the steps t = 0 ... H, where
t = 0 is the bootstrap from the real next state.

Source: Buckman, Hafner, Tucker, Brevdo and Lee 2018, arXiv 1807.01675; tensorflow/models,
research/steve, valuerl.py.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

EPSILON = 1e-8  # added to the survival in the denominator for starts u >= 1


class Dynamics(Protocol):
    """Interface of a learned model for rollouts, with members along a leading axis."""

    def next_obs(self, obs: Tensor, action: Tensor) -> Tensor:
        """Next states for obs [N_T, B, obs_dim], action [N_T, B, act_dim]; member i moves row i."""

    def terminated(self, inputs: Tensor) -> Tensor:
        """Termination probabilities [N_T, B] of transitions [N_T, B, 2 obs_dim + act_dim]."""

    def rewards(self, inputs: Tensor) -> Tensor:
        """Rewards [N_R, ...] that all members give transitions [..., 2 obs_dim + act_dim]."""


class ActorCritic(Protocol):
    """Interface of the policy and the critics used in rollouts."""

    def act(self, obs: Tensor) -> Tensor:
        """Actions [..., act_dim] for obs [..., obs_dim], without noise."""

    def values(self, obs: Tensor, action: Tensor) -> Tensor:
        """Target critics' values [N_Q, ...] of obs [..., obs_dim], action [..., act_dim]."""


class Rollouts(NamedTuple):
    """Components of the candidate targets; r_0 belongs to the real transition.

    Attributes:
        rewards: r, [F, N_T or 1, N_R or 1, B]; r_0 is the real reward.
        survival: c_h, the probability that the episode continues after step h, [F, N_T or 1, B].
        values: target critics at (s_h, a_h), [F, N_T or 1, N_Q, B].
        obs, action: s_h and a_h, [F, N_T or 1, B, dim].
    """

    rewards: Tensor
    survival: Tensor
    values: Tensor
    obs: Tensor
    action: Tensor


def transition_inputs(next_obs: Tensor, obs: Tensor, action: Tensor) -> Tensor:
    """Input of termination and reward models: s', s, a, [..., 2 obs_dim + act_dim]."""
    return torch.cat([next_obs, obs, action], dim=-1)


@torch.no_grad()
def imagine(
    model: Dynamics | None,
    agent: ActorCritic,
    reward: Tensor,
    next_obs: Tensor,
    terminated: Tensor,
    num_members: int,
    horizon: int,
) -> Rollouts:
    """Roll out every transition member from the real next states, without action noise.

    s_{h+1} = s_h + f_i(s_h, a_h) with a_h = tanh pi(s_h). Termination is soft: c_h is the product
    of 1 - d_l over l = 0 ... h, where d_0 is the real termination. A rollout is never cut off.

    Args:
        model: the learned model; None with horizon 0.
        agent: policy and critics.
        reward, terminated: rewards and terminations of the real transitions, [B].
        next_obs: real next states, [B, obs_dim].
        num_members: N_T, number of the model's transition members.
        horizon: H, number of imagined steps.
    """
    obs = next_obs.unsqueeze(0)
    action = agent.act(obs)
    first_value = agent.values(obs, action)  # [N_Q, 1, B]; the same for every member
    alive = (1 - terminated).expand(num_members, -1)
    reward = reward.expand(num_members, 1, -1)
    if model is None or horizon == 0:
        single = first_value.transpose(0, 1).expand(num_members, -1, -1)
        wide = (x.expand(num_members, -1, -1) for x in (obs, action))
        return Rollouts(*(x.unsqueeze(0) for x in (reward, alive, single, *wide)))
    states = [obs.expand(num_members, -1, -1)]
    actions = [action.expand(num_members, -1, -1)]
    survival, inputs = [alive], []
    for _ in range(horizon):
        following = model.next_obs(states[-1], actions[-1])
        inputs.append(transition_inputs(following, states[-1], actions[-1]))
        survival.append(survival[-1] * (1 - model.terminated(inputs[-1])))
        states.append(following)
        actions.append(agent.act(following))
    imagined = model.rewards(torch.stack(inputs)).permute(1, 2, 0, 3)  # [H, N_T, N_R, B]
    rewards = [reward.expand(num_members, imagined.shape[2], -1).unsqueeze(0), imagined]
    later = agent.values(torch.stack(states[1:]), torch.stack(actions[1:]))  # [N_Q, H, N_T, B]
    values = [
        first_value.transpose(0, 1).expand(1, num_members, -1, -1),
        later.permute(1, 2, 0, 3),
    ]
    stacked = (torch.stack(parts) for parts in (states, actions))
    return Rollouts(torch.cat(rewards), torch.stack(survival), torch.cat(values), *stacked)


def expand(
    rollouts: Rollouts, discount: float, reward_scale: float = 1.0, num_starts: int = 1
) -> Tensor:
    """Compute candidate targets as cumulative sums over the steps.

    G_{u,t} = rho sum_{l=u..t} gamma^{l-u} (c_{l-1} / c_{u-1}) r_l
              + gamma^{t-u+1} (c_t / c_{u-1}) Q(s_t, a_t),   c_{-1} = 1

    with the same reward member j in all terms. Starts u >= 1 divide by c_{u-1} + 1e-8.

    Args:
        rollouts: rollouts of F - 1 imagined steps.
        discount: gamma.
        reward_scale: rho.
        num_starts: number of starts u = 0, 1, ...: 1, or F for the TD-k trick.
    Returns:
        [B, num_starts, F, N_T N_R N_Q], a view whose last axis runs over (i, j, k). Candidates
        with t < u are 0.
    """
    rewards, survival, values = rollouts[:3]
    num_steps = len(survival)
    shape = torch.broadcast_shapes(rewards.shape[1:3], (survival.shape[1], 1))
    width = *shape, values.shape[2], survival.shape[-1]  # N_T, N_R, N_Q, B
    found = values.new_zeros(num_starts, num_steps, *width)
    for start in range(num_starts):
        before = torch.ones_like(survival[0])
        if start > 0:
            before = survival[start - 1] / (survival[start - 1] + EPSILON)
        divisor = 1.0 if start == 0 else survival[start - 1] + EPSILON
        total: Tensor | float = 0.0
        for t in range(start, num_steps):
            power = discount ** (t - start)
            total = total + reward_scale * power * before.unsqueeze(1) * rewards[t]
            before = survival[t] / divisor
            bootstrap = discount * power * before.unsqueeze(1) * values[t]
            torch.add(total.unsqueeze(2), bootstrap.unsqueeze(1), out=found[start, t])
    return found.flatten(2, 4).permute(3, 0, 1, 2)
