"""Encoders of ordered episodes: embed each row, then run a GRU or an LSTM over the rows."""

import abc
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlkit.torch.context_encoder import ContextEncoder, State
from rlkit.torch.distributions import MIN_VARIANCE
from rlkit.torch.mlp_function import DEFAULT_ARITHMETIC, Arithmetic
from rlkit.torch.networks import Mlp

Cell = TypeVar("Cell", nn.GRU, nn.LSTM)

HOLD = 1e4  # gate input at which the sigmoid is exactly 0 or 1
HEAD_BOUND = 4.0  # largest initial weight of a recurrent head, times sqrt(its input width)


class SequenceEncoder(Mlp, ContextEncoder):
    """Embeds rows [o, a, r, (o'), first step of an episode]; subclasses make one Gaussian per task.

    A subclass defines the state, the `summary` of the state that the head reads, and their layers.

    Args:
        context_dim: size of a row, including the flag.
        latent_dim: size of z.
        use_information_bottleneck: the head outputs mean and softplus⁻¹ of the variance of z;
            otherwise z itself.
        hidden_sizes: widths of the ReLU layers.
        generator: source of the initial weights.
        arithmetic: matrix product settings of the ReLU layers.
    Source: PEARL, section 6.3 (recurrent ablation); docs/pearl.md.

    The ReLU layers are initialised as in He et al. 2015, with zero biases. With `Mlp`'s initial
    weights all rows get almost the same embedding, and the first gradient steps then blur the
    differences between tasks for a long time.
    """

    needs_sequences = True

    def __init__(
        self,
        context_dim: int,
        latent_dim: int,
        *,
        use_information_bottleneck: bool = True,
        hidden_sizes: Sequence[int] = (200, 200, 200),
        generator: torch.Generator | None = None,
        arithmetic: Arithmetic = DEFAULT_ARITHMETIC,
    ) -> None:
        output_size = 2 * latent_dim if use_information_bottleneck else latent_dim
        super().__init__(
            hidden_sizes, context_dim, output_size, generator=generator, arithmetic=arithmetic
        )
        for layer in self._trunk:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)
        self.latent_dim, self.use_information_bottleneck = latent_dim, use_information_bottleneck
        self.width = self.last_fc.in_features
        self._add_layers(generator)

    @abc.abstractmethod
    def _add_layers(self, generator: torch.Generator | None) -> None:
        """Add the layers that summarise the embedded rows, and the head that reads the summary."""

    def _layers(self) -> list[tuple[Tensor, Tensor]]:
        """The layers without the head, which reads the summary instead of the rows."""
        return [(layer.weight, layer.bias) for layer in self._trunk]

    def embed(self, rows: Tensor) -> Tensor:
        """Embed each row on its own: [num_tasks, n, context_dim] -> [num_tasks, n, width]."""
        return functional.relu(self(rows))

    @abc.abstractmethod
    def summary(self, state: State) -> Tensor:
        """Input of the head, [num_tasks, input width of the head]."""

    def posterior(self, state: State) -> tuple[Tensor, Tensor]:
        """Mean and variance of z, each [num_tasks, latent_dim].

        The variance is at least 1e-7, or 0 without the bottleneck.
        """
        outputs = self.last_fc(self.summary(state))
        if not self.use_information_bottleneck:
            return outputs, torch.zeros_like(outputs)
        means, variances = outputs.split(self.latent_dim, dim=-1)
        return means, functional.softplus(variances).clamp(min=MIN_VARIANCE)


class RecurrentEncoder(SequenceEncoder):
    """Runs a recurrent cell over the embedded rows; the head reads its output h in (-1, 1).

    The head's initial weights are up to 4 / sqrt(width), so that a small h already gives z the
    scale of its prior. The initial error of Q, similar for all tasks, pushes every z away by
    several units. With `Mlp`'s small last layer, h could follow only by saturating at -1 or 1,
    where gradients almost vanish and the cell cannot recover.
    """

    def _add_layers(self, generator: torch.Generator | None) -> None:
        self.last_fc = self._head(
            self.width, self.output_size, HEAD_BOUND / self.width**0.5, generator
        )

    def summary(self, state: State) -> Tensor:
        """The output h, [num_tasks, width]."""
        return state[0]


class GruEncoder(RecurrentEncoder):
    """A GRU over the embedded rows; its state is h [num_tasks, width]."""

    def _add_layers(self, generator: torch.Generator | None) -> None:
        super()._add_layers(generator)
        self.cell = _cell(nn.GRU, self.width, self.width, generator)

    def initial_state(self, num_tasks: int) -> State:
        """h = 0."""
        return (self.last_fc.weight.new_zeros(num_tasks, self.width),)

    def update(self, state: State, rows: Tensor, mask: Tensor | None = None) -> State:
        """Continue over rows [num_tasks, n, context_dim]; true entries of the mask come first."""
        outputs, _ = self.cell(self.embed(rows), state[0].unsqueeze(0))
        return (_at_last_row(state[0], outputs, mask),)


class LstmEncoder(RecurrentEncoder):
    """An LSTM over the embedded rows; its state is (h, c), each [num_tasks, width].

    h is read at each task's last valid row. An extra input, 1 on padding rows, keeps c unchanged
    there: its weights close the input gate and open the forget gate completely. Their gradient is
    zero.
    """

    def _add_layers(self, generator: torch.Generator | None) -> None:
        super()._add_layers(generator)
        self.cell = _cell(nn.LSTM, self.width + 1, self.width, generator)
        with torch.no_grad():
            gates = self.cell.get_parameter("weight_ih_l0")[:, -1].view(
                4, self.width
            )  # input, forget, cell, output
            gates.copy_(torch.tensor([-HOLD, HOLD, 0.0, 0.0]).unsqueeze(1))

    def initial_state(self, num_tasks: int) -> State:
        """h = c = 0."""
        zeros = self.last_fc.weight.new_zeros(num_tasks, self.width)
        return zeros, zeros.clone()

    def update(self, state: State, rows: Tensor, mask: Tensor | None = None) -> State:
        """Continue over rows [num_tasks, n, context_dim]; true entries of the mask come first."""
        embedded = self.embed(rows)
        padding = (
            embedded.new_zeros(embedded.shape[:2]) if mask is None else (~mask).to(embedded.dtype)
        )
        inputs = torch.cat([embedded, padding.unsqueeze(-1)], dim=-1)
        outputs, (_, c) = self.cell(inputs, (state[0].unsqueeze(0), state[1].unsqueeze(0)))
        return _at_last_row(state[0], outputs, mask), c.squeeze(0)


def _cell(kind: type[Cell], input_size: int, width: int, generator: torch.Generator | None) -> Cell:
    """One recurrent layer with PyTorch's initial weights U(+-1/sqrt(width)), from `generator`."""
    cell = kind(input_size, width, batch_first=True, device="meta").to_empty(device="cpu")
    for parameter in cell.parameters():
        nn.init.uniform_(parameter, -(width**-0.5), width**-0.5, generator=generator)
    return cell


def _at_last_row(before: Tensor, outputs: Tensor, mask: Tensor | None) -> Tensor:
    """The output [num_tasks, width] at each task's last valid row; `before` if it has none."""
    if mask is None:
        return outputs[:, -1]
    index = mask.sum(dim=1).view(-1, 1, 1).expand(-1, 1, before.shape[1])
    return torch.cat([before.unsqueeze(1), outputs], dim=1).gather(1, index).squeeze(1)
