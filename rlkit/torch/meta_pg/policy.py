"""Gaussian policies of plain layers, which `torch.func` can differentiate twice."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import skip_init

from rlkit.core.names import import_named
from rlkit.torch.meta_pg.gaussian import MIN_STD, floored

Params = Mapping[str, Tensor]
Nonlinearity = Literal["tanh", "relu"]
POLICIES = {"mlp": "rlkit.torch.meta_pg.policy:GaussianMlp"}
NONLINEARITIES = {"tanh": torch.tanh, "relu": torch.relu}


class GaussianMlp(nn.Module):
    """An MLP for the mean, and a standard deviation independent of the observation.

    Args:
        obs_dim, act_dim: sizes of an observation and an action.
        hidden_sizes: widths of the hidden layers.
        nonlinearity: activation of the hidden layers.
        init_std: initial standard deviation of the actions, whose range is [-1, 1].
        generator: source of the initial weights (Glorot-uniform; biases are 0).
    Source: the policy of Duan et al. 2016, used by MAML, ProMP and the comparison in PEARL.
    """

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        hidden_sizes: Sequence[int],
        *,
        nonlinearity: Nonlinearity = "tanh",
        init_std: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        sizes = [obs_dim, *hidden_sizes, act_dim]
        self.layers = nn.ModuleList(linear(*pair, generator) for pair in pairwise(sizes))
        self.nonlinearity = NONLINEARITIES[nonlinearity]
        self.log_std = nn.Parameter(torch.full((act_dim,), max(init_std, MIN_STD)).log())

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean [..., act_dim] and logarithm of the standard deviation [act_dim]."""
        *hidden, last = self.layers
        for layer in hidden:
            obs = self.nonlinearity(layer(obs))
        return last(obs), floored(self.log_std)


def make_policy(
    name: str,
    obs_dim: int,
    act_dim: int,
    hidden_sizes: Sequence[int],
    **options: Any,
) -> nn.Module:
    """Construct a policy by name.

    Args:
        name: a key of `POLICIES`, or "module:Class".
        obs_dim, act_dim, hidden_sizes, **options: as for `GaussianMlp`.
    Raises:
        ValueError: it does not exist, cannot be constructed with these arguments, or cannot be
            differentiated twice.
    """
    make: Any = import_named(name, POLICIES)
    try:
        network: nn.Module = make(obs_dim, act_dim, hidden_sizes, **options)
    except TypeError as error:
        raise ValueError(f"{name} cannot be constructed like GaussianMlp ({error})") from error
    if name not in POLICIES:
        check_twice_differentiable(network, obs_dim, name)
    return network


def linear(inputs: int, outputs: int, generator: torch.Generator | None) -> nn.Linear:
    """A linear layer with Glorot-uniform weights and zero biases."""
    layer: nn.Linear = skip_init(nn.Linear, inputs, outputs)
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def parameters_of(policy: nn.Module) -> dict[str, Tensor]:
    """The parameters by name, without copies."""
    return dict(policy.named_parameters())


def act(policy: nn.Module, params: Params, obs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log standard deviation of a policy under these parameters instead of its own."""
    found: tuple[Tensor, Tensor] = functional_call(policy, dict(params), (obs,))
    return found


def repeated(params: Params, num_tasks: int) -> dict[str, Tensor]:
    """Repeat the parameters for every task, [num_tasks, ...], without copies."""
    return {name: value.expand(num_tasks, *value.shape) for name, value in params.items()}


def check_twice_differentiable(policy: nn.Module, obs_dim: int, name: str) -> None:
    """Check that the inner step of a policy can be differentiated, as the outer update requires.

    The gradient through one gradient step is compared with a difference quotient. Without this
    check, a policy whose gradients have no graph would fail silently.

    Args:
        policy: maps observations [n, obs_dim] to mean and log standard deviation.
        obs_dim: size of an observation.
        name: name of the policy for the message.
    Raises:
        ValueError: it cannot be differentiated twice.
    """
    reason = _second_derivative_problem(policy, obs_dim)
    if reason:
        raise ValueError(
            f"the policy {name} cannot be differentiated twice ({reason}); expected a module of "
            "plain layers, such as torch.nn.Linear, that takes its parameters from functional_call"
        )


def _second_derivative_problem(policy: nn.Module, obs_dim: int) -> str:
    """Why a policy has no usable second derivatives; "" if it has."""
    obs = torch.linspace(-1, 1, 3 * obs_dim, dtype=torch.float64).reshape(3, obs_dim)
    params = {
        name: value.detach().double() for name, value in policy.named_parameters()
    }  # float64, so that the difference quotient is exact enough

    def loss(chosen: Params) -> Tensor:
        mean, log_std = act(policy, chosen, obs)
        return (mean.square().mean(-1) + log_std.mean()).exp().mean()

    def adapted_loss(chosen: Params) -> Tensor:
        slope: Any = torch.func.grad(loss)(chosen)
        return loss({name: value - 0.1 * slope[name] for name, value in chosen.items()})

    ones = {name: torch.ones_like(value) for name, value in params.items()}
    try:
        slope: Any = torch.func.grad(adapted_loss)(params)
    except Exception as error:  # anything a user's class raises
        first_line, _, _ = str(error).partition("\n")  # may be empty, as for a bare assert
        return f"{type(error).__name__}: {first_line}"
    way = {name: value.flatten().cumsum(0).cos().view_as(value) for name, value in ones.items()}
    along = sum(float((slope[name] * value).sum()) for name, value in way.items())
    size = 1e-5

    def moved(by: float) -> float:
        return float(adapted_loss({name: v + by * way[name] for name, v in params.items()}))

    quotient = (moved(size) - moved(-size)) / (2 * size)
    if not abs(quotient - along) <= 1e-3 * max(1.0, abs(quotient)):
        return f"its derivative through a gradient step is {along:.3g}, expected {quotient:.3g}"
    return ""
