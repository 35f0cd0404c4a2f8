"""Multi-layer perceptrons with oyster's initialisation and parameter names (fc0, fc1, ..., last_fc).

A whole MLP is one node of the autograd graph (`MlpFunction`): its backward pass reads as the chain rule, forms weight
gradients only where they are asked for, and can take its products through oneDNN.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

MATMUL_ROUTES = ("default", "onednn")
SLICE_ROWS = 1024


class Route(NamedTuple):
    """How an MLP multiplies: in slices of so many rows (0: all at once), and through oneDNN or the library's own choice.

    Slices keep the activations of a slice in the processor's cache: on a CPU 1,024 rows of width 300 run about 1.3 times as
    fast as 4,096 (benchmarks/pearl_step.py).
    """

    slice_rows: int
    onednn: bool

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
        """x W^T + b, then ReLU where wanted. [rows, in] -> [rows, out]."""
        if self.onednn:
            return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "relu" if relu else "none", [], "")
        y = functional.linear(x, weight, bias)
        return y.relu_() if relu else y

    def slices(self, x: Tensor) -> tuple[Tensor, ...]:
        """Cut x [rows, dim] along its rows."""
        return x.split(self.slice_rows) if self.slice_rows else (x,)


class MlpFunction(torch.autograd.Function):
    """ReLU layers and one linear layer as one differentiable function of x and all weights.

    h_0 = x,  h_i = relu(h_{i-1} W_i^T + b_i),  y = h_n V^T + c.
    Backward from G = dL/dy:  dV = G^T h_n,  dc = sum(G),  G <- (G V) * [h_n > 0],  and so on down to dx.
    """

    @staticmethod
    def forward(ctx, x: Tensor, route: Route, *parameters: Tensor) -> Tensor:
        """Map x [rows, in] to [rows, out]; parameters are W_1, b_1, ..., V, c."""
        layers = list(zip(parameters[::2], parameters[1::2], strict=True))
        outputs, activations = [], []
        for h in route.slices(x):
            activations.append(h)
            for weight, bias in layers[:-1]:
                h = route.linear(h, weight, bias, relu=True)
                activations.append(h)
            outputs.append(route.linear(h, *layers[-1], relu=False))
        ctx.route, ctx.num_layers = route, len(layers)
        ctx.save_for_backward(*parameters, *activations)
        return torch.cat(outputs) if len(outputs) > 1 else outputs[0]

    @staticmethod
    def backward(ctx, grad_output: Tensor):
        """Gradients of x and of those parameters that need one; nothing is computed for the others."""
        route, num_layers = ctx.route, ctx.num_layers
        parameters, activations = ctx.saved_tensors[: 2 * num_layers], ctx.saved_tensors[2 * num_layers :]
        needs_x, needs_parameters = ctx.needs_input_grad[0], ctx.needs_input_grad[2:]
        gradients = [torch.zeros_like(p) if needed else None for p, needed in zip(parameters, needs_parameters, strict=True)]
        grads_x = []
        for k, grad in enumerate(route.slices(grad_output.contiguous())):
            for i in reversed(range(num_layers)):
                h = activations[k * num_layers + i]
                if gradients[2 * i] is not None:
                    gradients[2 * i].addmm_(grad.t(), h)
                if gradients[2 * i + 1] is not None:
                    gradients[2 * i + 1] += grad.sum(0)
                if i > 0 or needs_x:
                    grad = route.linear(grad, parameters[2 * i].t(), None, relu=False)
                if i > 0:
                    torch.ops.aten.threshold_backward.grad_input(grad, h, 0, grad_input=grad)
            grads_x.append(grad)
        return (torch.cat(grads_x) if needs_x else None, None, *gradients)


def fanout_init_(weight: Tensor, generator: torch.Generator | None) -> None:
    """Fill a hidden weight with U(+-1/sqrt(k)), k its number of rows (the layer's output width), as oyster does."""
    bound = 1.0 / weight.shape[0] ** 0.5
    nn.init.uniform_(weight, -bound, bound, generator=generator)


class Mlp(nn.Module):
    """ReLU layers, then one linear layer.

    Args:
        hidden_sizes: widths of the ReLU layers.
        input_size: width of the input.
        output_size: width of the output.
        init_w: the last layer's weight and bias are drawn from U(+-init_w).
        generator: source of the initial weights.
        matmul: "default" (the library's own choice) or "onednn" (exact float32 products through oneDNN, CPU only).
    Source: PEARL's reference networks (specs: hidden biases 0.1, fan-out scaled hidden weights).
    """

    def __init__(
        self,
        hidden_sizes: Sequence[int],
        input_size: int,
        output_size: int,
        *,
        init_w: float = 3e-3,
        generator: torch.Generator | None = None,
        matmul: str = "default",
    ) -> None:
        super().__init__()
        if matmul not in MATMUL_ROUTES:
            raise ValueError(f"matmul is {matmul!r}; expected one of {', '.join(MATMUL_ROUTES)}")
        self.input_size, self.output_size, self.matmul = input_size, output_size, matmul
        self.num_hidden = len(hidden_sizes)
        width = input_size
        for i, size in enumerate(hidden_sizes):
            layer = nn.utils.skip_init(nn.Linear, width, size)
            fanout_init_(layer.weight, generator)
            nn.init.constant_(layer.bias, 0.1)
            self.add_module(f"fc{i}", layer)
            width = size
        self.last_fc = self._head(width, output_size, init_w, generator)

    @staticmethod
    def _head(width: int, output_size: int, init_w: float, generator: torch.Generator | None) -> nn.Linear:
        head = nn.utils.skip_init(nn.Linear, width, output_size)
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
        on_cpu = x.device.type == "cpu"
        route = Route(SLICE_ROWS if on_cpu else 0, self.matmul == "onednn" and on_cpu and x.dtype == torch.float32)
        y = MlpFunction.apply(x.reshape(-1, x.shape[-1]), route, *parameters)
        return y.view(*x.shape[:-1], y.shape[-1])

    def _layers(self) -> list[tuple[Tensor, Tensor]]:
        """(weight, bias) of every layer; several heads are joined into one layer."""
        layers = [getattr(self, f"fc{i}") for i in range(self.num_hidden)]
        pairs = [(layer.weight, layer.bias) for layer in layers]
        heads = self.heads()
        if len(heads) == 1:
            return [*pairs, (heads[0].weight, heads[0].bias)]
        return [*pairs, (torch.cat([head.weight for head in heads]), torch.cat([head.bias for head in heads]))]


class FlattenMlp(Mlp):
    """An Mlp over several concatenated inputs: Q(o, a, z) and V(o, z). Kept under oyster's name."""
