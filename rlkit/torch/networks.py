"""Multi-layer perceptrons with oyster's initialisation and parameter names (fc0, fc1, ..., last_fc).

A whole MLP is one node of the autograd graph (`MlpFunction`): its backward pass reads as the chain rule, forms weight
gradients only where they are asked for, and can take its products through oneDNN.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

MATMUL_ROUTES = ("default", "onednn")
PRECISIONS = ("float32", "tf32", "bf16")
SLICE_ROWS = 1024  # where slices pay: up to 1.3 times as fast per row as 4,096 rows at once (AMD)
SMALLEST_SHARE = 128  # rows below which handing a slice to a thread costs more than it brings


class Arithmetic(NamedTuple):
    """How a network's products are done; the float32 results of all choices but tf32 and bf16 differ by rounding only.

    Attributes:
        matmul: "default" (the library's own choice) or "onednn" (exact float32 products through oneDNN); on a CPU.
        precision: "float32"; "tf32", which rounds the factors on a GPU (see `pytorch_util.tensor_cores`); or "bf16":
            factors and hidden layers rounded to bfloat16, while weights, outputs, losses and optimizers stay float32.
        slice_rows: about so many rows are multiplied at a time on a CPU, which keeps activations in its cache; 0: all.
    """

    matmul: str = "default"
    precision: str = "float32"
    slice_rows: int = SLICE_ROWS

    def factors_of(self, rows: Tensor) -> torch.dtype | None:
        """The dtype that factors are rounded to, None for none."""
        return torch.bfloat16 if self.precision == "bf16" and rows.dtype == torch.float32 else None


EXACT = Arithmetic()


class Route(NamedTuple):
    """How an MLP multiplies one input.

    Attributes:
        num_slices: the rows are cut into so many slices.
        onednn: products through oneDNN instead of the library's own choice.
        dtype: of the factors, None for that of input and weights.
        workers: threads that share the slices with the calling one; each runs its operations alone, so that none waits
            spinning at a barrier within an operation.
        num_threads: threads that share, the calling one included.
    """

    num_slices: int = 1
    onednn: bool = False
    dtype: torch.dtype | None = None
    workers: Executor | None = None
    num_threads: int = 1

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
        """x W^T + b, then ReLU where wanted. [rows, in] -> [rows, out]; with a leading axis of networks on all, batched."""
        if self.onednn:
            return torch.ops.mkldnn._linear_pointwise(
                x, weight, bias, "relu" if relu else "none", [], ""
            )
        if weight.ndim == 2:
            y = functional.linear(x, weight, bias)
        else:
            y = x @ weight.mT if bias is None else torch.baddbmm(bias.unsqueeze(-2), x, weight.mT)
        return y.relu_() if relu else y

    def round(self, x: Tensor) -> Tensor:
        """Take x in the dtype of the factors."""
        return x if self.dtype is None else x.to(self.dtype)

    def map(self, function: Callable[..., Any], *slices: Sequence) -> list:
        """Apply a function, which builds no graph, to every slice; results stand in the order of the slices."""
        items = list(zip(*slices, strict=True))

        @torch.no_grad()
        def share(first: int, stride: int) -> list:
            return [function(*item) for item in items[first::stride]]

        if self.workers is None or len(items) == 1:
            return share(0, 1)
        others = [
            self.workers.submit(share, k, self.num_threads) for k in range(1, self.num_threads)
        ]
        shares = [share(0, self.num_threads), *(other.result() for other in others)]
        return [shares[i % self.num_threads][i // self.num_threads] for i in range(len(items))]


class MlpFunction(torch.autograd.Function):
    """ReLU layers and one linear layer as one differentiable function of x and all weights.

    h_0 = x,  h_i = relu(h_{i-1} W_i^T + b_i),  y = h_n V^T + c.
    Backward from G = dL/dy:  dV = G^T h_n,  dc = sum(G),  G <- (G V) * [h_n > 0],  and so on down to dx.
    With one more axis in front of x and all weights it is that of several networks, each layer one batched product.
    """

    @staticmethod
    def forward(ctx, x: Tensor, route: Route, *parameters: Tensor) -> Tensor:
        """Map x [rows, in] to [rows, out]; parameters are W_1, b_1, ..., V, c."""
        rounded = [route.round(p) for p in parameters]
        layers = list(zip(rounded[::2], rounded[1::2], strict=True))

        def forward_slice(x: Tensor) -> list[Tensor]:
            activations = [route.round(x)]
            for weight, bias in layers[:-1]:
                activations.append(route.linear(activations[-1], weight, bias, relu=True))
            return [*activations, route.linear(activations[-1], *layers[-1], relu=False)]

        slices = route.map(forward_slice, x.tensor_split(route.num_slices, dim=-2))
        ctx.route, ctx.num_layers, ctx.dtype = route, len(layers), x.dtype
        ctx.save_for_backward(*rounded, *(h for activations in slices for h in activations[:-1]))
        y = (
            torch.cat([activations[-1] for activations in slices], dim=-2)
            if len(slices) > 1
            else slices[0][-1]
        )
        return y.to(x.dtype)

    @staticmethod
    def backward(ctx, grad_output: Tensor):
        """Gradients of x and of those parameters that need one; nothing is computed for the others."""
        route, num_layers = ctx.route, ctx.num_layers
        parameters, saved = ctx.saved_tensors[: 2 * num_layers], ctx.saved_tensors[2 * num_layers :]
        needs_x, needs = ctx.needs_input_grad[0], ctx.needs_input_grad[2:]

        def backward_slice(
            grad: Tensor, *activations: Tensor
        ) -> tuple[Tensor, list[Tensor | None]]:
            grad = route.round(grad)
            gradients: list[Tensor | None] = [None] * len(parameters)
            for i in reversed(range(num_layers)):
                h = activations[i]
                if needs[2 * i]:
                    gradients[2 * i] = (grad.mT @ h).to(ctx.dtype)
                if needs[2 * i + 1]:
                    gradients[2 * i + 1] = grad.sum(-2, dtype=ctx.dtype)
                if i > 0 or needs_x:
                    grad = route.linear(grad, parameters[2 * i].mT, None, relu=False)
                if i > 0:
                    torch.ops.aten.threshold_backward.grad_input(grad, h, 0, grad_input=grad)
            return grad.to(ctx.dtype), gradients

        grads = grad_output.contiguous().tensor_split(route.num_slices, dim=-2)
        slices = route.map(
            backward_slice, grads, *(saved[i::num_layers] for i in range(num_layers))
        )
        parts_and_needs = zip(*(gradients for _, gradients in slices), needs, strict=True)
        totals = [
            reduce(Tensor.add_, parts) if needed else None for *parts, needed in parts_and_needs
        ]
        return (torch.cat([grad for grad, _ in slices], dim=-2) if needs_x else None, None, *totals)


def fanout_init_(weight: Tensor, generator: torch.Generator | None) -> None:
    """Fill a hidden weight with U(+-1/sqrt(k)), k its number of rows (the layer's output width), as oyster does."""
    bound = 1.0 / weight.shape[0] ** 0.5
    nn.init.uniform_(weight, -bound, bound, generator=generator)


def fanin_init_(weight: Tensor, generator: torch.Generator | None) -> None:
    """The same with k the number of columns (the layer's input width), which oyster's "fan-in" was meant to be."""
    bound = 1.0 / weight.shape[1] ** 0.5
    nn.init.uniform_(weight, -bound, bound, generator=generator)


HIDDEN_INITS = {"fanout": fanout_init_, "fanin": fanin_init_}


class Linear(nn.Linear):
    """A linear layer that draws no weights of its own. (`nn.utils.skip_init` does it too, but imports for half a second.)"""

    def reset_parameters(self) -> None:
        """Leave the memory as it is."""


class Mlp(nn.Module):
    """ReLU layers, then one linear layer.

    Args:
        hidden_sizes: widths of the ReLU layers.
        input_size: width of the input.
        output_size: width of the output.
        init_w: the last layer's weight and bias are drawn from U(+-init_w).
        generator: source of the initial weights.
        arithmetic: how its products are done.
        init: a name of HIDDEN_INITS, for the hidden weights.
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
        arithmetic: Arithmetic = EXACT,
        init: str = "fanout",
    ) -> None:
        super().__init__()
        for name, known in (("matmul", MATMUL_ROUTES), ("precision", PRECISIONS)):
            if getattr(arithmetic, name) not in known:
                raise ValueError(
                    f"{name} is {getattr(arithmetic, name)!r}; expected one of {', '.join(known)}"
                )
        self.input_size, self.output_size, self.arithmetic = input_size, output_size, arithmetic
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
        self._trunk = tuple(
            trunk
        )  # the same layers once more: looking them up by name costs more than a small product
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
            frozen: treat the weights as constants: gradients reach the inputs only, and none is computed for the weights.
        """
        x = torch.cat(inputs, dim=-1) if len(inputs) > 1 else inputs[0]
        parameters = [p.detach() if frozen else p for pair in self._layers() for p in pair]
        rows = x.reshape(-1, x.shape[-1])
        y = MlpFunction.apply(rows, self._route(rows), *parameters)
        return y.view(*x.shape[:-1], y.shape[-1])

    def last_hidden(self, x: Tensor) -> Tensor:
        """The last ReLU layer on a few rows [rows, input_size], exact and without a graph: what acting needs."""
        route = Route(onednn=self._takes_onednn(x))
        for layer in self._trunk:
            x = route.linear(x, layer.weight, layer.bias, relu=True)
        return x

    def _route(self, rows: Tensor) -> Route:
        """On a CPU slices of about slice_rows rows, a number that the workers share evenly; elsewhere all rows at once."""
        dtype = self.arithmetic.factors_of(rows)
        if rows.device.type != "cpu":
            return Route(dtype=dtype)
        shares = self.num_threads if len(rows) >= 2 * SMALLEST_SHARE else 1
        num_slices = shares * math.ceil(
            len(rows) / (shares * (self.arithmetic.slice_rows or max(1, len(rows))))
        )
        onednn = dtype is None and self._takes_onednn(rows)  # bf16 takes oneDNN anyway
        return Route(max(1, num_slices), onednn, dtype, self.workers, self.num_threads)

    def _takes_onednn(self, rows: Tensor) -> bool:
        return (
            self.arithmetic.matmul == "onednn"
            and rows.dtype == torch.float32
            and rows.device.type == "cpu"
        )

    def share_slices(self, workers: Executor | None, num_threads: int) -> None:
        """Let the workers (None: nobody) multiply slices of large inputs beside the calling thread, num_threads in all."""
        self.workers, self.num_threads = workers, num_threads

    def linear_layers(self) -> list[list[nn.Linear]]:
        """The linear layers from the input on: one each of the trunk, then all heads."""
        return [*([layer] for layer in self._trunk), self.heads()]

    def _layers(self) -> list[tuple[Tensor, Tensor]]:
        """(weight, bias) of every layer; several heads are joined into one layer."""
        pairs = [(layer.weight, layer.bias) for layer in self._trunk]
        heads = self.heads()
        if len(heads) == 1:
            return [*pairs, (heads[0].weight, heads[0].bias)]
        return [
            *pairs,
            (torch.cat([head.weight for head in heads]), torch.cat([head.bias for head in heads])),
        ]


class FlattenMlp(Mlp):
    """An Mlp over several concatenated inputs: Q(o, a, z) and V(o, z). Kept under oyster's name."""
