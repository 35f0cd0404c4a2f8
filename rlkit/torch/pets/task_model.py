"""The environment as the dynamics model and the planner see it, in tensors."""

import torch
from torch import Tensor

from rlkit.envs.pets.base import PetsEnv
from rlkit.torch.pets.dynamics import Transforms
from rlkit.torch.pets.objective import Reward


def transforms_of(env: PetsEnv) -> Transforms:
    """The environment's transforms from states to network inputs and targets."""

    def target(obs: Tensor, next_obs: Tensor) -> Tensor:
        return torch.cat(env.targ_proc(obs, next_obs), dim=-1)

    def postprocess(obs: Tensor, output: Tensor) -> Tensor:
        return torch.cat(env.obs_postproc(obs, output), dim=-1)

    return Transforms(env.obs_preproc, target, postprocess)


def reward_of(env: PetsEnv, device: torch.device) -> Reward:
    """The environment's reward function for predicted transitions, for the planner."""
    task = torch.zeros(env.task_dim, device=device)

    def reward(obs: Tensor, action: Tensor, next_obs: Tensor, planned_from: Tensor) -> Tensor:
        columns = env.planned_outcome_of(planned_from, obs, action, next_obs)
        outcome = torch.stack(torch.broadcast_tensors(*columns), dim=-1)
        found: Tensor = env.compute_reward(outcome, task)[0]
        return found

    return reward


def model_sizes(env: PetsEnv) -> tuple[int, int]:
    """Widths of the networks' input (without the action) and of their target."""
    obs = torch.zeros(1, env.obs_dim)
    seen = sum(part.shape[-1] for part in env.obs_preproc(obs))
    return seen, sum(part.shape[-1] for part in env.targ_proc(obs, obs))
