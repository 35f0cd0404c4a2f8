"""Multi-layer perceptrons with oyster's initialisation and names (fc0, fc1, ..., last_fc)."""

from collections.abc import Sequence
from concurrent.futures import Executor

import torch
from torch import Tensor, nn

from rlkit.torch.initialisation import HIDDEN_INITS, Linear
from rlkit.torch.mlp_function import DEFAULT_ARITHMETIC, Arithmetic, MlpFunction, Route


class Mlp(nn.Module):
    """ReLU layers, then one linear layer.

    Args:
        hidden_sizes: widths of the ReLU layers.
        input_size: width of the input.
        output_size: width of the output.
        init_w: the last layer's weight and bias are drawn from U(+-init_w).
        generator: source of the initial weights.
        arithmetic: settings of its matrix products.
        init: initialisation of the hidden weights, a name of HIDDEN_INITS.
    Source: oyster's `Mlp` (hidden biases 0.1, fan-out scaled hidden weights).
    """

    def __init__(
        self,
        hidden_sizes: Sequence[int],
        input_size: int,
        output_size: int,
        *,
        init_w: float = 3e-3,
        generator: torch.Generator | None = None,
        arithmetic: Arithmetic = DEFAULT_ARITHMETIC,
        init: str = "fanout",
    ) -> None:
        super().__init__()
        self.input_size, self.output_size, self.arithmetic = input_size, output_size, arithmetic
        self.rounds_factors = False  # see `execution.rounded_factors`
        self.share_slices(None, 1)
        width = input_size
        trunk: list[nn.Linear] = []
        for i, size in enumerate(hidden_sizes):
            layer = Linear(width, size)
            HIDDEN_INITS[init](layer.weight, generator)
            nn.init.constant_(layer.bias, 0.1)
            self.add_module(f"fc{i}", layer)
            trunk.append(layer)
            width = size
        # The same layers again: looking them up by name costs more than a small product.
        self._trunk = tuple(trunk)
        self.last_fc = self._head(width, output_size, init_w, generator)

    @staticmethod
    def _head(
        width: int, output_size: int, init_w: float, generator: torch.Generator | None
    ) -> nn.Linear:
        head = Linear(width, output_size)
        nn.init.uniform_(head.weight, -init_w, init_w, generator=generator)
        nn.init.uniform_(head.bias, -init_w, init_w, generator=generator)
        return head

    def heads(self) -> list[nn.Linear]:
        """The linear layers on top of the trunk, in the order of the output's columns."""
        return [self.last_fc]

    def forward(self, *inputs: Tensor, frozen: bool = False) -> Tensor:
        """Map the concatenated inputs [..., input_size] to [..., output_size].

        Args:
            *inputs: tensors that share all axes but the last.
            frozen: treat the weights as constants, so that only the inputs receive gradients.
        """
        x = torch.cat(inputs, dim=-1) if len(inputs) > 1 else inputs[0]
        parameters = [p.detach() if frozen else p for pair in self._layers() for p in pair]
        rows = x.reshape(-1, x.shape[-1])
        route = self.arithmetic.route_of(rows, self.workers, self.num_threads, self.rounds_factors)
        y = MlpFunction.apply(rows, route, *parameters)
        return y.view(*x.shape[:-1], y.shape[-1])

    def last_hidden(self, x: Tensor) -> Tensor:
        """Last ReLU layer's output for a few rows [rows, input_size], for acting; no autograd."""
        route = Route(onednn=self.arithmetic.takes_onednn(x))
        for layer in self._trunk:
            x = route.linear(x, layer.weight, layer.bias, relu=True)
        return x

    def share_slices(self, workers: Executor | None, num_threads: int) -> None:
        """Let workers multiply slices of large inputs alongside the calling thread.

        Args:
            workers: the other threads; None: the calling thread multiplies alone.
            num_threads: threads that share the slices, including the calling one.
        """
        self.workers, self.num_threads = workers, num_threads

    def _layers(self) -> list[tuple[Tensor, Tensor]]:
        """(weight, bias) of every layer; several heads are joined into one layer."""
        pairs: list[tuple[Tensor, Tensor]] = [(layer.weight, layer.bias) for layer in self._trunk]
        heads = self.heads()
        if len(heads) == 1:
            return [*pairs, (heads[0].weight, heads[0].bias)]
        return [
            *pairs,
            (torch.cat([head.weight for head in heads]), torch.cat([head.bias for head in heads])),
        ]


class FlattenMlp(Mlp):
    """An Mlp of concatenated inputs, such as Q(o, a, z) or V(o, z). The name is oyster's."""
