"""Small policies and data for the tests of policy gradients."""

import torch
from torch import nn

from rlkit.torch.meta_pg.policy import GaussianMlp, act, parameters_of, repeated
from rlkit.torch.meta_pg.task_data import TaskData


def policy(seed: int = 0, *, obs_dim: int = 2, hidden=(5,), dtype=torch.float64) -> GaussianMlp:
    generator = torch.Generator().manual_seed(seed)
    made = GaussianMlp(obs_dim, 2, hidden, init_std=0.7, generator=generator)
    return made.to(dtype)


def data_of(
    network: nn.Module, params, *, num_tasks=3, num_paths=4, horizon=6, seed=0, ragged=True
) -> TaskData:
    """Data drawn on random observations with the policies of the tasks; unequal lengths."""
    draw = torch.Generator().manual_seed(seed)
    dtype = next(iter(params.values())).dtype
    shape = num_tasks, num_paths, horizon
    obs = torch.randn(*shape, 2, generator=draw, dtype=dtype)
    with torch.no_grad():
        mean, log_std = torch.func.vmap(lambda p, o: act(network, p, o))(dict(params), obs)
    noise = torch.randn(mean.shape, generator=draw, dtype=dtype)
    actions = mean + log_std.exp()[:, None, None] * noise
    lengths = torch.randint(2, horizon + 1, shape[:2], generator=draw) if ragged else horizon
    lengths = torch.as_tensor(lengths).expand(shape[:2])
    mask = (torch.arange(horizon) < lengths[..., None]).to(dtype)
    advantages = torch.randn(shape, generator=draw, dtype=dtype) * mask
    return TaskData(obs, actions, advantages, mask, mean, log_std)


def of_tasks(network: nn.Module, num_tasks: int = 3) -> dict[str, torch.Tensor]:
    return repeated({n: p.detach() for n, p in parameters_of(network).items()}, num_tasks)
