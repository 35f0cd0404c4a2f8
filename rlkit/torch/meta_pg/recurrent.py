"""RL²'s network: a recurrent core over a whole trial, with policy and value heads."""

from typing import Literal, cast

import torch
from torch import Tensor, nn

from rlkit.torch.meta_pg.gaussian import MIN_STD, floored
from rlkit.torch.meta_pg.normalizer import RunningNormalizer
from rlkit.torch.meta_pg.policy import linear

Cell = Literal["gru", "lstm"]
CELLS = {"gru": nn.GRU, "lstm": nn.LSTM}
Hidden = tuple[Tensor, ...]  # (h,) of a GRU, (h, c) of an LSTM, each [1, num_trials, size]


class RecurrentActorCritic(nn.Module):
    """x_t = [s_t, a_{t−1}, r_{t−1}, d_{t−1}] → h_t → mean of the action; [h_t, x_t] → value.

    Values are predicted in normalised units; `value_mean` and `value_std` track the returns.

    Args:
        obs_dim, act_dim: sizes of an observation and an action.
        hidden_size: width of the core and of the hidden layer of the value head.
        cell: "gru" or "lstm".
        init_std: initial standard deviation of the actions.
        normalize_obs: scale s_t by the running statistics that `follow_obs` keeps.
        generator: source of the initial weights, which are orthogonal in the core and
            Glorot-uniform in the heads; biases are 0.
    Source: Duan et al. 2016 (RL²), section 2.
    """

    value_mean: Tensor
    value_std: Tensor

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        hidden_size: int,
        *,
        cell: Cell = "gru",
        init_std: float = 1.0,
        normalize_obs: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.obs_dim, self.act_dim = obs_dim, act_dim
        input_size = obs_dim + act_dim + 2
        self.normalizer = RunningNormalizer(obs_dim) if normalize_obs else None
        self.core = CELLS[cell](input_size, hidden_size, batch_first=True)
        for name, parameter in self.core.named_parameters():
            if name.startswith("weight"):
                for block in parameter.detach().split(hidden_size):
                    nn.init.orthogonal_(block, generator=generator)
            else:
                nn.init.zeros_(parameter)
        self.mean = linear(hidden_size, act_dim, generator)
        with torch.no_grad():
            self.mean.weight.mul_(0.01)  # the mean starts near 0, so that the noise explores
        self.log_std = nn.Parameter(torch.full((act_dim,), max(init_std, MIN_STD)).log())
        self.value = nn.Sequential(
            linear(hidden_size + input_size, hidden_size, generator),
            nn.Tanh(),
            linear(hidden_size, 1, generator),
        )
        self.register_buffer("value_mean", torch.zeros(()))
        self.register_buffer("value_std", torch.zeros(()))

    def initial_hidden(self, num_trials: int) -> Hidden:
        """The hidden state at the start of a trial: zeros."""
        zeros = self.log_std.new_zeros(1, num_trials, self.core.hidden_size)
        return (zeros,) if isinstance(self.core, nn.GRU) else (zeros, zeros.clone())

    def advance(self, inputs: Tensor, hidden: Hidden) -> tuple[Tensor, Hidden]:
        """Run the core over consecutive steps.

        Args:
            inputs: x, [num_trials, num_steps, obs_dim + act_dim + 2].
            hidden: the hidden state before the first step.
        Returns:
            h of every step, [num_trials, num_steps, hidden_size], and the final hidden state.
        """
        scaled = self._scaled(inputs)
        if isinstance(self.core, nn.GRU):
            output, last = self.core(scaled, hidden[0])
            return output, (last,)
        output, both = self.core(scaled, hidden)
        return output, cast(Hidden, both)

    def action(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Mean [..., act_dim] and logarithm of the standard deviation [act_dim], from h."""
        return self.mean(output), floored(self.log_std)

    def scaled_value(self, output: Tensor, inputs: Tensor) -> Tensor:
        """Normalised value, (V − mean) / std, [...], from h and x."""
        found: Tensor = self.value(torch.cat([output, self._scaled(inputs)], -1))
        return found.squeeze(-1)

    def values(self, output: Tensor, inputs: Tensor) -> Tensor:
        """Values in units of the return, [...]; 0 before the first update."""
        return self.value_mean + self.value_std * self.scaled_value(output, inputs)

    def _scaled(self, inputs: Tensor) -> Tensor:
        """x with s normalised, if it is to be."""
        if self.normalizer is None:
            return inputs
        obs, last = inputs.tensor_split([self.obs_dim], dim=-1)
        return torch.cat([self.normalizer(obs), last], -1)

    def follow_obs(self, inputs: Tensor) -> None:
        """Add the observations of x [n, obs_dim + act_dim + 2] to the running statistics."""
        if self.normalizer is not None:
            self.normalizer.follow(inputs[:, : self.obs_dim])

    @torch.no_grad()
    def follow_returns(self, returns: Tensor, rate: float = 0.1) -> None:
        """Move `value_mean` and `value_std` towards those of returns [n]; initially, set them."""
        mean, std = returns.mean(), returns.std(unbiased=False).clamp(min=1e-3)
        if self.value_std == 0:
            rate = 1.0
        self.value_mean.lerp_(mean.to(self.value_mean), rate)
        self.value_std.lerp_(std.to(self.value_std), rate)
