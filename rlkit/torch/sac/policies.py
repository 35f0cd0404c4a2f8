"""The latent-conditioned tanh-Gaussian policy."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlkit.torch.distributions import tanh_normal_log_prob
from rlkit.torch.mlp_function import DEFAULT_ARITHMETIC, Arithmetic
from rlkit.torch.networks import Mlp

LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0
INIT_W = 1e-3


class PolicySample(NamedTuple):
    """Actions drawn from the policy, and the terms of its loss.

    All are [..., act_dim] except log_prob, which is [..., 1].
    """

    action: Tensor
    mean: Tensor
    log_std: Tensor
    log_prob: Tensor
    pre_tanh: Tensor


class TanhGaussianPolicy(Mlp):
    """pi(a | o, z): a = tanh(u), u ~ N(mean, std^2), with two linear heads on one trunk.

    The log standard deviation is clamped to [-20, 2] (no gradient outside). Actions lie in [-1, 1].
    Source: SAC; katerakelly/oyster, rlkit/torch/sac/policies.py (parameter names fc*, last_fc,
        last_fc_log_std).
    """

    def __init__(
        self,
        hidden_sizes: Sequence[int],
        obs_dim: int,
        latent_dim: int,
        action_dim: int,
        *,
        generator: torch.Generator | None = None,
        arithmetic: Arithmetic = DEFAULT_ARITHMETIC,
        init: str = "fanout",
    ) -> None:
        input_size = obs_dim + latent_dim
        super().__init__(
            hidden_sizes,
            input_size,
            action_dim,
            init_w=INIT_W,
            generator=generator,
            arithmetic=arithmetic,
            init=init,
        )
        self.last_fc_log_std = self._head(self.last_fc.in_features, action_dim, INIT_W, generator)

    def heads(self) -> list[nn.Linear]:
        """Mean first, then log standard deviation."""
        return [self.last_fc, self.last_fc_log_std]

    def distribution(self, obs: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Pre-tanh mean and clamped log standard deviation, each [..., act_dim]."""
        return self._distribution_of(self(obs, z))

    @staticmethod
    def _distribution_of(heads: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = heads.chunk(2, dim=-1)
        return mean, functional.hardtanh(log_std, LOG_STD_MIN, LOG_STD_MAX)

    def sample(self, obs: Tensor, z: Tensor, noise: Tensor) -> PolicySample:
        """Reparameterised actions from standard normal noise [..., act_dim]."""
        return self.sample_of(self(obs, z), noise)

    def sample_of(self, heads: Tensor, noise: Tensor) -> PolicySample:
        """The same from the network's output for (obs, z), [..., 2 act_dim]."""
        mean, log_std = self._distribution_of(heads)
        pre_tanh = mean + log_std.exp() * noise
        action = torch.tanh(pre_tanh)
        log_prob = tanh_normal_log_prob(noise, action, log_std)
        return PolicySample(action, mean, log_std, log_prob, pre_tanh)

    @torch.no_grad()
    def act(self, obs: Tensor, z: Tensor, noise: Tensor | None) -> Tensor:
        """Actions for the environment, [num_envs, act_dim]; without noise tanh(mean)."""
        hidden = self.last_hidden(torch.cat([obs, z], dim=-1))
        mean = self.last_fc(hidden)
        if noise is None:
            return mean.tanh_()
        std = self.last_fc_log_std(hidden).clamp_(LOG_STD_MIN, LOG_STD_MAX).exp_()
        return torch.addcmul(mean, std, noise).tanh_()
