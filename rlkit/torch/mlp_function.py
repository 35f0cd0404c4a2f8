"""An MLP as a single autograd function, and the routes of its matrix products.

`MlpFunction` is one node of the autograd graph. Its backward pass applies the chain rule, computes
only the gradients that are needed, and can use oneDNN for its products.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from rlkit.torch import fast_torch

MATMUL_ROUTES = ("default", "onednn", "onednn-all")
PRECISIONS = ("float32", "tf32", "bf16")
SLICE_ROWS = 1024  # up to 1.3 times as fast per row as 4,096 rows at once (AMD)
SMALLEST_SHARE = 128  # with fewer rows, using another thread does not pay off
WIDE = 128  # oneDNN copies transposed factors, so it only pays off for weight gradients this wide

Result = TypeVar("Result")


class Route(NamedTuple):
    """Matrix product settings for one input of an MLP.

    Attributes:
        num_slices: number of slices that the rows are cut into.
        onednn: compute products through oneDNN instead of torch's own choice.
        dtype: dtype of the factors; None: keep that of input and weights.
        workers: threads that share the slices with the calling one. Every operation runs on a
            single thread, so none spins at a barrier inside an operation.
        num_threads: threads that share the slices, including the calling one.
        onednn_all: use oneDNN for wide weight gradients too.
    """

    num_slices: int = 1
    onednn: bool = False
    dtype: torch.dtype | None = None
    workers: Executor | None = None
    num_threads: int = 1
    onednn_all: bool = False

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
        """x W^T + b, followed by a ReLU if `relu`: [rows, in] -> [rows, out]."""
        if self.onednn:
            return fast_torch.onednn_linear(x, weight, bias, "relu" if relu else "none")
        y = functional.linear(x, weight, bias)
        return y.relu_() if relu else y

    def outer(self, grad: Tensor, h: Tensor, dtype: torch.dtype) -> Tensor:
        """G^T h, the gradient of a weight: [rows, out], [rows, in] -> [out, in], in `dtype`."""
        if self.onednn_all and min(grad.shape[-1], h.shape[-1]) >= WIDE:
            return fast_torch.onednn_linear(grad.mT, h.mT, None)
        return (grad.mT @ h).to(dtype)

    def round(self, x: Tensor) -> Tensor:
        """Convert x to the dtype of the factors."""
        return x if self.dtype is None else x.to(self.dtype)

    def map(self, function: Callable[..., Result], *slices: Sequence[Tensor]) -> list[Result]:
        """Apply a function to every slice, without autograd; results keep the slices' order."""
        items = list(zip(*slices, strict=True))

        @torch.no_grad()
        def share(first: int, stride: int) -> list[Result]:
            return [function(*item) for item in items[first::stride]]

        if self.workers is None or len(items) == 1:
            return share(0, 1)
        others = [
            self.workers.submit(share, k, self.num_threads) for k in range(1, self.num_threads)
        ]
        shares = [share(0, self.num_threads), *(other.result() for other in others)]
        return [shares[i % self.num_threads][i // self.num_threads] for i in range(len(items))]


@dataclass(frozen=True)
class Arithmetic:
    """Matrix product settings of a network. Without tf32 and bf16 they only affect rounding.

    Attributes:
        matmul: on a CPU, "default" (torch's own choice), "onednn" (float32 products of layers and
            input gradients through oneDNN) or "onednn-all" (wide weight gradients too).
        precision: "float32"; "tf32", which rounds the factors on a GPU (see
            `execution.tensor_cores`); or "bf16": factors and hidden layers are rounded to bfloat16,
            while the last layer's product, weights, losses and optimizers stay float32. Rounded
            outputs would be too coarse: near Q = -517, bfloat16 has only -516 and -520.
        slice_rows: on a CPU, multiply about this many rows at a time, so that activations stay in
            its cache; 0: all.
    Raises:
        ValueError: unknown matmul route or precision.
    """

    matmul: str = "default"
    precision: str = "float32"
    slice_rows: int = SLICE_ROWS

    def __post_init__(self) -> None:
        for name, known in (("matmul", MATMUL_ROUTES), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; expected one of {', '.join(known)}"
                )

    def factors_of(self, rows: Tensor) -> torch.dtype | None:
        """The dtype that factors are rounded to; None: no rounding."""
        return torch.bfloat16 if self.precision == "bf16" and rows.dtype == torch.float32 else None

    def takes_onednn(self, rows: Tensor) -> bool:
        """Whether these rows are multiplied through oneDNN."""
        wanted = self.matmul != "default"
        return wanted and rows.dtype == torch.float32 and rows.device.type == "cpu"

    def route_of(
        self, rows: Tensor, workers: Executor | None, num_threads: int, rounded: bool = True
    ) -> Route:
        """Choose the route of rows [n, width].

        On a CPU the rows are cut into slices of about `slice_rows`, which the threads can share
        evenly; elsewhere all rows are multiplied at once. Factors are rounded only if `rounded`.
        """
        dtype = self.factors_of(rows) if rounded else None
        if rows.device.type != "cpu":
            from rlkit.torch.gpu_route import GpuRoute  # it imports this module

            return GpuRoute(dtype=dtype)
        shares = num_threads if len(rows) >= 2 * SMALLEST_SHARE else 1
        slice_rows = self.slice_rows or max(1, len(rows))
        num_slices = shares * math.ceil(len(rows) / (shares * slice_rows))
        onednn = dtype is None and self.takes_onednn(rows)  # torch uses oneDNN for bf16 anyway
        onednn_all = onednn and self.matmul == "onednn-all"
        return Route(max(1, num_slices), onednn, dtype, workers, num_threads, onednn_all)


DEFAULT_ARITHMETIC = Arithmetic()


class _MlpContext(FunctionCtx):
    """Data saved by the forward pass for the backward pass."""

    route: Route
    num_layers: int
    dtype: torch.dtype
    saved_tensors: tuple[Tensor, ...]
    needs_input_grad: tuple[bool, ...]


class MlpFunction(torch.autograd.Function):
    """ReLU layers and one linear layer as a single differentiable function of x and all weights.

    h_0 = x,  h_i = relu(h_{i-1} W_i^T + b_i),  y = h_n V^T + c.
    Backward from G = dL/dy:  dV = G^T h_n,  dc = sum(G),  G <- (G V) * [h_n > 0],  down to dx.
    """

    @staticmethod
    def forward(ctx: _MlpContext, x: Tensor, route: Route, *parameters: Tensor) -> Tensor:
        """Map x [rows, in] to [rows, out]; parameters are W_1, b_1, ..., V, c."""
        # The last layer is always float32.
        rounded = [*(route.round(p) for p in parameters[:-2]), *parameters[-2:]]
        layers = list(zip(rounded[::2], rounded[1::2], strict=True))

        def forward_slice(x: Tensor) -> list[Tensor]:
            activations = [route.round(x)]
            for weight, bias in layers[:-1]:
                activations.append(route.linear(activations[-1], weight, bias, relu=True))
            last = activations[-1].to(x.dtype)
            return [*activations, route.linear(last, *layers[-1], relu=False)]

        slices = route.map(forward_slice, x.tensor_split(route.num_slices, dim=-2))
        ctx.route, ctx.num_layers, ctx.dtype = route, len(layers), x.dtype
        ctx.save_for_backward(*rounded, *(h for activations in slices for h in activations[:-1]))
        outputs = [activations[-1] for activations in slices]
        return torch.cat(outputs, dim=-2) if len(outputs) > 1 else outputs[0]

    @staticmethod
    def backward(ctx: _MlpContext, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x and of the parameters that require them."""
        route, num_layers = ctx.route, ctx.num_layers
        parameters, saved = ctx.saved_tensors[: 2 * num_layers], ctx.saved_tensors[2 * num_layers :]
        needs_x, needs = ctx.needs_input_grad[0], ctx.needs_input_grad[2:]

        def backward_slice(
            grad: Tensor, *activations: Tensor
        ) -> tuple[Tensor, list[Tensor | None]]:
            gradients: list[Tensor | None] = [None] * len(parameters)
            for i in reversed(range(num_layers)):
                h = activations[i]
                if needs[2 * i]:
                    gradients[2 * i] = route.outer(grad, h.to(grad.dtype), ctx.dtype)
                if needs[2 * i + 1]:
                    gradients[2 * i + 1] = grad.sum(-2, dtype=ctx.dtype)
                if i > 0 or needs_x:
                    grad = route.linear(grad, parameters[2 * i].mT, None, relu=False)
                if i > 0:
                    grad = route.round(grad)
                    fast_torch.relu_backward_(grad, h)
            return grad.to(ctx.dtype), gradients

        grads = grad_output.contiguous().tensor_split(route.num_slices, dim=-2)
        slices = route.map(
            backward_slice, grads, *(saved[i::num_layers] for i in range(num_layers))
        )
        parts_and_needs = zip(*(gradients for _, gradients in slices), needs, strict=True)
        totals = [
            reduce(Tensor.add_, parts) if needed else None for *parts, needed in parts_and_needs
        ]
        dx = [grad for grad, _ in slices]
        whole = None if not needs_x else torch.cat(dx, dim=-2) if len(dx) > 1 else dx[0]
        return whole, None, *totals
