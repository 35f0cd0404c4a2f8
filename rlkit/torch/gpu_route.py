"""Matrix products of an MLP on a GPU.

A weight gradient sums over thousands of rows but has few entries, so it would occupy only some of
an H100's multiprocessors. Here the rows are cut into parts, which together occupy all of them.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rlkit.torch import fast_torch
from rlkit.torch.mlp_function import Route

TILE = 64  # side of the square of a weight gradient that one multiprocessor computes at a time
TILES_OF_A_GPU = 264  # two for each of the 132 multiprocessors of an H100
ROWS_OF_A_PART = 64  # fewer are not worth a tile


def row_parts(shape: Sequence[int], num_inputs: int) -> int:
    """Number of equal parts to cut the rows of a weight gradient into.

    This is the smallest number that fills a GPU with tiles, or else the largest possible.

    Args:
        shape: shape of the gradient of the layer's outputs, [rows, out].
        num_inputs: number of inputs of the layer.
    """
    rows, outputs = shape
    tiles = math.ceil(outputs / TILE) * math.ceil(num_inputs / TILE)
    divisors = [n for n in range(1, max(1, rows // ROWS_OF_A_PART) + 1) if rows % n == 0]
    return next((n for n in divisors if n * tiles >= TILES_OF_A_GPU), divisors[-1])


class GpuRoute(Route):
    """Multiplies all rows at once, arranged for the many multiprocessors of a GPU.

    Sums run in a fixed order, so equal inputs give equal results.
    """

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
        """Same as `Route.linear`, with bias and ReLU fused into the product.

        Without torch's private function the ReLU is a separate pass, equal bit for bit on a CPU.
        """
        fused = fast_torch.addmm_relu
        if relu and bias is not None and fused is not None:
            return fused(bias, x, weight.t())
        return super().linear(x, weight, bias, relu)

    def outer(self, grad: Tensor, h: Tensor, dtype: torch.dtype) -> Tensor:
        """Same as `Route.outer`: G^T h = sum_p G_p^T h_p over parts p of the rows."""
        parts = row_parts(grad.shape, h.shape[-1])
        if parts == 1:
            return super().outer(grad, h, dtype)
        products = grad.unflatten(-2, (parts, -1)).mT @ h.unflatten(-2, (parts, -1))
        return products.sum(-3, dtype=dtype)
