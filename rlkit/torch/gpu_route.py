"""Matrix products of an MLP on a GPU.

Weight gradients are sums over thousands of rows and have few outputs, which occupy a part of an
H100's multiprocessors; here the rows are cut into parts that occupy all.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rlkit.torch import fast_torch
from rlkit.torch.mlp_function import Route

TILE = 64  # outputs and inputs of a product that one multiprocessor computes together
TILES_OF_A_GPU = 264  # two for each of the 132 multiprocessors of an H100
ROWS_OF_A_PART = 64  # fewer are not worth a tile


def row_parts(shape: Sequence[int], num_inputs: int) -> int:
    """Number of equal parts that the rows of a weight gradient are cut into.

    The fewest that fill a GPU with tiles; if none does, the most that there are.

    Args:
        shape: of the gradient of the layer's outputs, [rows, out].
        num_inputs: of the layer.
    """
    rows, outputs = shape
    tiles = math.ceil(outputs / TILE) * math.ceil(num_inputs / TILE)
    divisors = [n for n in range(1, max(1, rows // ROWS_OF_A_PART) + 1) if rows % n == 0]
    return next((n for n in divisors if n * tiles >= TILES_OF_A_GPU), divisors[-1])


class GpuRoute(Route):
    """The route of all rows at once, arranged for the many multiprocessors of a GPU.

    Sums are in a fixed order, so that equal inputs give equal numbers.
    """

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
        """As `Route.linear`, with bias and ReLU in the product's own pass.

        Without the private function of torch the ReLU is another pass, equal bit for bit on a CPU.
        """
        fused = fast_torch.addmm_relu
        if relu and bias is not None and fused is not None:
            return fused(bias, x, weight.t())
        return super().linear(x, weight, bias, relu)

    def outer(self, grad: Tensor, h: Tensor, dtype: torch.dtype) -> Tensor:
        """As `Route.outer`: G^T h = sum_p G_p^T h_p over parts p of the rows."""
        parts = row_parts(grad.shape, h.shape[-1])
        if parts == 1:
            return super().outer(grad, h, dtype)
        products = grad.unflatten(-2, (parts, -1)).mT @ h.unflatten(-2, (parts, -1))
        return products.sum(-3, dtype=dtype)
