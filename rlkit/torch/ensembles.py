"""Ensembles of equally shaped networks, stored in shared tensors [num_nets, ...].

Activations are member-first, [num_nets, rows, width]. Training and the meaning of inputs and
targets are up to the algorithm.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from rlkit.torch import fast_torch
from rlkit.torch.fast_torch import ACTIVATIONS

Initializer = Callable[[Tensor, torch.Generator | None], None]
Route = Literal["batched", "members", "onednn"]
ROUTES: tuple[Route, ...] = ("batched", "members", "onednn")

LOOPED_MACS = 2**23  # multiply-adds per product from which a loop over members is as fast


def usable_route(wanted: Route | None, x: Tensor, macs: int) -> Route:
    """Choose how to compute the layers of an ensemble on `x` when no gradient is needed.

    Args:
        wanted: a member of ROUTES, or None to choose one: a batched product per layer on a GPU and
            for small products on a CPU, because a member's product alone would not fill the GPU and
            would cost the CPU little more than the call; otherwise a loop through oneDNN.
        x: the input. oneDNN needs float32 on a CPU; anything else falls back to "members".
        macs: multiply-adds of one member's largest product.
    """
    on_cpu = x.device.type == "cpu"
    if wanted is None:
        wanted = "onednn" if on_cpu and macs >= LOOPED_MACS else "batched"
    fuses = on_cpu and x.dtype == torch.float32 and fast_torch.has_onednn()
    return wanted if wanted != "onednn" or fuses else "members"


def truncated_normal(uniform: Tensor) -> Tensor:
    """Map uniform numbers in [0, 1) to N(0, 1) truncated to [-2, 2], without a rejection loop."""
    covered = math.erf(math.sqrt(2.0))  # the probability of [-2, 2]
    return torch.erfinv(covered * (2.0 * uniform - 1.0)) * math.sqrt(2.0)


def truncated_normal_init_(weight: Tensor, generator: torch.Generator | None) -> None:
    """Fill weights [num_nets, in, out] from a normal distribution of standard deviation
    1 / (2 sqrt(in)), truncated at two standard deviations.

    Source: kchua/handful-of-trials, `dmbrl/modeling/layers/FC.py`.
    """
    uniform = torch.rand(weight.shape, generator=generator, dtype=weight.dtype)
    with torch.no_grad():
        weight.copy_(truncated_normal(uniform) / (2.0 * math.sqrt(weight.shape[-2])))


class EnsembleMlp(nn.Module):
    """`num_nets` MLPs of equal size: hidden layers with an activation, then one linear layer.

    Args:
        num_nets: number of members.
        input_size, output_size: widths of input and output.
        hidden_sizes: widths of the hidden layers.
        activation: of the hidden layers, a name of ACTIVATIONS.
        initializer: fills the weights [num_nets, in, out] of a layer.
        generator: source of the initial weights.
        route: how layers are computed without autograd, see `usable_route`.
    Attributes:
        weights: one per layer, [num_nets, in, out].
        biases: one per layer, [num_nets, 1, out]; 0 at the start.
    Raises:
        ValueError: unknown activation or route, or `num_nets` below 1.
    """

    def __init__(
        self,
        num_nets: int,
        input_size: int,
        output_size: int,
        hidden_sizes: Sequence[int],
        *,
        activation: str = "swish",
        initializer: Initializer = truncated_normal_init_,
        generator: torch.Generator | None = None,
        route: Route | None = None,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise ValueError(f"activation is {activation!r}; expected one of {known}")
        if route is not None and route not in ROUTES:
            raise ValueError(f"route is {route!r}; expected one of {', '.join(ROUTES)}")
        if num_nets < 1:
            raise ValueError(f"num_nets is {num_nets}; expected at least 1")
        self.num_nets, self.activation, self.route = num_nets, activation, route
        sizes = [input_size, *hidden_sizes, output_size]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for inputs, outputs in pairwise(sizes):
            weight = torch.empty(num_nets, inputs, outputs)
            initializer(weight, generator)
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(num_nets, 1, outputs)))

    def forward(self, x: Tensor, *, frozen: bool = False, members: Tensor | None = None) -> Tensor:
        """Apply member e to x[e].

        Args:
            x: inputs [num_nets, ..., in]; `x.expand(num_nets, *x.shape)` gives all members the same
                rows.
            frozen: treat the weights as constants, so that only the input receives gradients.
            members: indices [n] of the members to apply, in the order of x [n, ..., in]; None: all.
        Returns:
            Outputs [num_nets, ..., out], or [n, ..., out].
        """
        num_nets = self.num_nets if members is None else len(members)
        rows = x.reshape(num_nets, -1, x.shape[-1])
        layers = [
            (w.detach(), b.detach()) if frozen else (w, b)
            for w, b in zip(self.weights, self.biases, strict=True)
        ]
        if members is not None:
            layers = [(w[members], b[members]) for w, b in layers]
        macs = rows.shape[1] * max(weight[0].numel() for weight in self.weights)
        route = "batched" if torch.is_grad_enabled() else usable_route(self.route, rows, macs)
        if route == "batched":
            y = self._batched(rows, layers)
        else:
            y = self._members(rows, layers, route)
        return y.view(*x.shape[:-1], y.shape[-1])

    def _batched(self, h: Tensor, layers: list[tuple[Tensor, Tensor]]) -> Tensor:
        """One batched product per layer."""
        function = ACTIVATIONS[self.activation]
        for i, (weight, bias) in enumerate(layers):
            h = torch.baddbmm(bias, h, weight)
            if i < len(layers) - 1:
                h = function(h)
        return h

    def _members(self, x: Tensor, layers: list[tuple[Tensor, Tensor]], route: Route) -> Tensor:
        """One member at a time, so that activations stay in the cache; no gradient."""
        function = ACTIVATIONS[self.activation]
        outputs = []
        for member, h in enumerate(x):
            for i, (weights, biases) in enumerate(layers):
                hidden = i < len(layers) - 1
                w, b = weights[member], biases[member, 0]
                if route == "onednn":
                    h = fast_torch.onednn_linear(h, w.mT, b, self.activation if hidden else "none")
                else:
                    h = function(torch.addmm(b, h, w)) if hidden else torch.addmm(b, h, w)
            outputs.append(h)
        return torch.stack(outputs)

    def parameter_groups(self, weight_decays: Sequence[float]) -> list[dict[str, Any]]:
        """Parameter groups for Adam: one per layer's weights, and the biases, which do not decay.

        Adam's `weight_decay` adds decay * W to the gradient, which is the gradient of decay *
        ||W||^2 / 2. It is therefore equivalent to adding that term to the loss (AdamW's decay is
        not).

        Args:
            weight_decays: coefficients of ||W||^2 / 2, from the first layer to the output layer.
        Raises:
            ValueError: there is not one coefficient per layer.
        """
        if len(weight_decays) != len(self.weights):
            got = f"{len(weight_decays)} weight decays for {len(self.weights)} layers"
            raise ValueError(f"{got}; expected one per layer")
        groups: list[dict[str, Any]] = [
            {"params": [weight], "weight_decay": decay}
            for weight, decay in zip(self.weights, weight_decays, strict=True)
        ]
        return [*groups, {"params": list(self.biases), "weight_decay": 0.0}]


def bootstrap_indices(num_rows: int, num_nets: int, generator: torch.Generator) -> Tensor:
    """Draw each member's own bootstrap sample of `num_rows` rows, [num_nets, num_rows]."""
    shape = num_nets, num_rows
    return torch.randint(num_rows, shape, generator=generator, device=generator.device)
