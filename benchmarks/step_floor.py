"""The arithmetic floor of a meta-gradient step.

Its matrix products alone, each on the fastest exact float32 route there is.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlkit.torch import fast_torch
from rlkit.torch.execution import torch_threads
from rlkit.torch.mlp_function import SLICE_ROWS
from rlkit.torch.networks import Mlp


@dataclass(frozen=True)
class Product:
    """A product over rows, "forward" x W^T, "dx" G W or "dw" G^T h, and the layer's sizes."""

    kind: str
    rows: int
    inputs: int
    outputs: int

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.rows * self.inputs * self.outputs


def products(networks: Mapping[str, nn.Module], rows: int, context_rows: int) -> dict[Product, int]:
    """Count the products that a step needs.

    Q has two forward passes. Its loss needs dW and, for z, dx down to the inputs; the policy loss
    needs only dx. V, policy and encoder need no dx of their inputs. The target V is only evaluated.
    """
    counts: dict[Product, int] = {}
    for name, network in networks.items():
        n = context_rows if name == "context_encoder" else rows
        for i, (inputs, outputs) in enumerate(_layers(network)):
            is_q = name in ("qf1", "qf2")
            trained = name != "target_vf"
            uses = {
                "forward": 1 + is_q,
                "dw": int(trained),
                "dx": 2 if is_q else int(trained and i > 0),
            }
            for kind, uses_of_kind in uses.items():
                product = Product(kind, n, inputs, outputs)
                counts[product] = counts.get(product, 0) + uses_of_kind
    return {product: count for product, count in counts.items() if count}


def _layers(network: nn.Module) -> Iterator[tuple[int, int]]:
    """(inputs, outputs) of every layer; heads count as one layer."""
    assert isinstance(network, Mlp)
    for weight, _ in network._layers():
        yield weight.shape[1], weight.shape[0]


def floor_seconds(counts: Mapping[Product, int], num_threads: int, repeats: int) -> float:
    """Seconds of all products, each on the route that is fastest for it: the library's own or
    oneDNN, all rows at once with threads inside the product, or slices of rows that threads share.
    """
    with ThreadPoolExecutor(num_threads) as workers:
        return sum(
            count * _fastest(product, num_threads, workers, repeats)
            for product, count in counts.items()
        )


def _fastest(
    product: Product, num_threads: int, workers: ThreadPoolExecutor, repeats: int
) -> float:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(product.outputs, product.inputs, generator=generator)
    x, grad = (
        torch.randn(product.rows, n, generator=generator) for n in (product.inputs, product.outputs)
    )
    medians = []
    for onednn in (False, True):
        multiply = partial(_multiply, product.kind, onednn, weight)
        for num_slices in {1, max(num_threads, product.rows // SLICE_ROWS)}:
            slices = list(
                zip(x.tensor_split(num_slices), grad.tensor_split(num_slices), strict=True)
            )
            run = partial(_run, multiply, slices, num_threads, workers)
            times = []
            with torch_threads(num_threads if num_slices == 1 else 1), torch.no_grad():
                run()
                for _ in range(repeats):
                    start = time.perf_counter()
                    run()
                    times.append(time.perf_counter() - start)
            medians.append(statistics.median(times))
    return min(medians)


def _run(multiply: Callable, slices: list, num_threads: int, workers: ThreadPoolExecutor) -> None:
    if len(slices) == 1 or num_threads == 1:
        for pair in slices:
            multiply(*pair)
        return

    def share(k: int) -> None:
        for pair in slices[k::num_threads]:
            multiply(*pair)

    list(workers.map(share, range(num_threads)))


@torch.no_grad()
def _multiply(kind: str, onednn: bool, weight: Tensor, x: Tensor, grad: Tensor) -> Tensor:
    if kind == "dw":
        return fast_torch.onednn_linear(grad.t(), x.t(), None) if onednn else grad.t() @ x
    first, second = (x, weight) if kind == "forward" else (grad, weight.t())
    if onednn:
        return fast_torch.onednn_linear(first, second, None)
    return functional.linear(first, second)
