"""Several networks applied to the same rows, on a GPU as one batched product per layer.

A GPU takes as long to begin a small product as to do it, and one network's layer does not fill it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from rlkit.torch.gpu_route import GpuRoute
from rlkit.torch.mlp_function import MlpFunction
from rlkit.torch.networks import EachMlp, Mlp

Place = tuple[int, slice]


class Stack(NamedTuple):
    """A tensor whose parts are the weights, or the biases, of one layer of all networks.

    Attributes:
        data: [num_networks, out, in] or [num_networks, out]; zero where a network has fewer outputs
            than another.
        parameters: which of the networks' own parameters lie in it.
        places: index of each of them.
    """

    data: Tensor
    parameters: list[nn.Parameter]
    places: list[Place]

    def is_intact(self) -> bool:
        """Whether the parameters are still parts of this tensor.

        `Module.to` and `copy.deepcopy` give them memory of their own.
        """
        parts = (self.data[place] for place in self.places)
        return all(
            p.data_ptr() == part.data_ptr() for p, part in zip(self.parameters, parts, strict=True)
        )


class _StackContext(FunctionCtx):
    places: list[Place]


class JoinParameters(torch.autograd.Function):
    """Makes a stack depend on its parameters: the parts of its gradient are their gradients.

    Nothing is computed and nothing copied.
    """

    @staticmethod
    def forward(
        ctx: _StackContext, data: Tensor, places: list[Place], *parameters: Tensor
    ) -> Tensor:
        """The stack, which now depends on its parameters."""
        ctx.places = places
        return data.view_as(data)

    @staticmethod
    def backward(ctx: _StackContext, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Each parameter's part of the gradient, a view."""
        return None, None, *(grad[place] for place in ctx.places)


class StackedMlps(EachMlp):
    """Applies several MLPs to the same inputs at once.

    Each layer is one batched product. The parameters of all networks become views into common
    tensors. Nothing changes in `parameters`, `state_dict`, optimizers and checkpoints, and what
    writes the parameters in place writes the stacks. Losses differ from those of single networks by
    rounding only.

    Args:
        networks: with equal widths of input and hidden layers.
    """

    def __init__(self, networks: Sequence[Mlp]) -> None:
        super().__init__(networks)
        self._stacks = self._stack()

    def __call__(self, *inputs: Tensor, frozen: bool = False) -> list[Tensor]:
        """Map the concatenated inputs to each network's output, as `Mlp.forward` does."""
        if not all(stack.is_intact() for stack in self._stacks):
            self._stacks = self._stack()
        x = torch.cat(inputs, dim=-1)
        rows = x.reshape(-1, x.shape[-1])
        parameters = [
            s.data if frozen else JoinParameters.apply(s.data, s.places, *s.parameters)
            for s in self._stacks
        ]
        first = self.networks[0]
        route = GpuRoute(dtype=first.arithmetic.factors_of(rows) if first.rounds_factors else None)
        outputs = MlpFunction.apply(rows.expand(len(self.networks), -1, -1), route, *parameters)
        widths = [sum(head.out_features for head in network.heads()) for network in self.networks]
        return [
            y[:, :width].view(*x.shape[:-1], width)
            for y, width in zip(outputs.unbind(0), widths, strict=True)
        ]

    @torch.no_grad()
    def _stack(self) -> list[Stack]:
        """Move the parameters into stacks, layer by layer; several heads are one layer."""
        layers = [[*([layer] for layer in n._trunk), n.heads()] for n in self.networks]
        depths = zip(*layers, strict=True)
        return [self._stack_of([[getattr(part, kind) for part in parts] for parts in depth])
                for depth in depths for kind in ("weight", "bias")]  # fmt: skip

    @staticmethod
    def _stack_of(parameters: list[list[nn.Parameter]]) -> Stack:
        """Stack the parameters [networks][heads] of one layer."""
        like = parameters[0][0]
        data = like.new_zeros(
            len(parameters), max(sum(map(len, heads)) for heads in parameters), *like.shape[1:]
        )
        stack = Stack(data, [], [])
        for k, heads in enumerate(parameters):
            first = 0
            for parameter in heads:
                place = k, slice(first, first + len(parameter))
                data[place] = parameter
                parameter.data = data[place]
                stack.parameters.append(parameter)
                stack.places.append(place)
                first += len(parameter)
        return stack
