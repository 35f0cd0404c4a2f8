"""A small dynamics model in float64, and noise that is recorded for recomputation."""

import numpy as np
import torch
from torch import Tensor

from rlkit.torch.pets.dynamics import Dynamics, TrainingSettings, Transforms, make_ensemble
from rlkit.torch.pets.noise import LaneNoise

OBS_DIM, ACT_DIM = 3, 2


def preprocess(obs: Tensor) -> tuple[Tensor, ...]:
    return obs[..., :1].sin(), obs[..., 1:]


def target(obs: Tensor, next_obs: Tensor) -> Tensor:
    return torch.cat([next_obs[..., :1], next_obs[..., 1:] - obs[..., 1:]], dim=-1)


def postprocess(obs: Tensor, output: Tensor) -> Tensor:
    return torch.cat([output[..., :1], obs[..., 1:] + output[..., 1:]], dim=-1)


def make_dynamics(model_type: str, *, dtype: torch.dtype = torch.float64, **options) -> Dynamics:
    generator = torch.Generator().manual_seed(0)
    num_nets = 3 if model_type in ("DE", "PE") else 1
    width = OBS_DIM + ACT_DIM
    ensemble = make_ensemble(model_type, num_nets, width, OBS_DIM, [6, 5], generator=generator)
    ensemble.to(dtype)
    with torch.no_grad():
        for bias in ensemble.networks.biases:
            torch.nn.init.normal_(bias, generator=generator)
    ensemble.normalizer.fit(torch.randn(20, width, generator=generator) * 2 + 1)
    transforms = Transforms(preprocess, target, postprocess)
    return Dynamics(ensemble, transforms, TrainingSettings((0.0,) * 3), generator, **options)


class Remembered(LaneNoise):
    """Records every draw."""

    def __init__(self, *generators: np.random.Generator) -> None:
        super().__init__(generators or [np.random.default_rng(0)], dtype=torch.float64)
        self.draws: list[Tensor] = []

    def _draw(self, *arguments) -> Tensor:
        self.draws.append(super()._draw(*arguments))
        return self.draws[-1]


def member_output(dynamics: Dynamics, member: int, obs: Tensor, action: Tensor):
    """Mean and variance of one member's output for one particle, written out."""
    ensemble = dynamics.ensemble
    h = torch.cat([obs[:1].sin(), obs[1:], action])
    h = (h - ensemble.normalizer.mean[0]) / ensemble.normalizer.std[0]
    weights, biases = ensemble.networks.weights, ensemble.networks.biases
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        h = h @ weight[member] + bias[member, 0]
        h = h * torch.sigmoid(h) if i < len(weights) - 1 else h
    if not ensemble.probabilistic:
        return h, torch.zeros_like(h)
    high, low = ensemble.max_logvar[0], ensemble.min_logvar[0]
    logvar = high - torch.log1p(torch.exp(high - h[OBS_DIM:]))
    logvar = low + torch.log1p(torch.exp(logvar - low))
    return h[:OBS_DIM], logvar.exp()
