"""Measures, once at the start of a run, which route of matrix products this CPU does fastest; all are exact in float32."""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import torch

from rlkit.torch.networks import SLICE_ROWS, MlpFunction, Route
from rlkit.torch.pytorch_util import torch_threads

Matmul = Literal["auto", "default", "onednn"]

ROUTE_GAIN = 1.25  # oneDNN must be so much faster than the library's choice; ties never flip
SLICE_GAIN = 1.10  # and slices so much faster than as few as there are threads
ROWS, INPUT, WIDTH, REPEATS = 4096, 31, 300, 3


def choose_route(
    matmul: Matmul, slice_rows: int | None, num_threads: int, seconds_of: Callable[[Route], float] | None = None
) -> tuple[Matmul, int]:
    """Choose what is left open of the route of products on this CPU, in about a second.

    Args:
        matmul: "auto", or the route that was asked for.
        slice_rows: None, or the number that was asked for.
        num_threads: threads that will share the products.
        seconds_of: measures a route; None: CPU time of forward and backward of a network of the usual size.
    Returns:
        The route, "default" or "onednn", and the rows of a slice (0: all at once).
    """
    with ThreadPoolExecutor(num_threads) as workers:
        measure = seconds_of or _stopwatch()
        if matmul == "auto":
            matmul = "onednn" if _gain(measure, Route(), Route(onednn=True)) >= ROUTE_GAIN else "default"
        if slice_rows is None:
            few = Route(num_threads, matmul == "onednn", None, workers if num_threads > 1 else None, num_threads)
            many = few._replace(num_slices=num_threads * -(-ROWS // (num_threads * SLICE_ROWS)))
            slice_rows = SLICE_ROWS if _gain(measure, few, many) >= SLICE_GAIN else 0
    return matmul, slice_rows


def _gain(measure: Callable[[Route], float], plain: Route, other: Route) -> float:
    """How many times as fast the other route is: the median of several turns, since one may show what another job did."""
    return statistics.median(measure(plain) / measure(other) for _ in range(REPEATS))


def _stopwatch() -> Callable[[Route], float]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(ROWS, INPUT), (WIDTH, INPUT), (WIDTH,), (WIDTH, WIDTH), (WIDTH,), (1, WIDTH), (1,)]
    x, *parameters = (torch.randn(shape, generator=generator, requires_grad=True) for shape in shapes)

    def seconds_of(route: Route) -> float:
        with torch_threads(1):
            start = time.process_time()
            torch.autograd.grad(MlpFunction.apply(x, route, *parameters).sum(), [x, *parameters])
            return time.process_time() - start

    seconds_of(Route())  # the first call allocates
    return seconds_of
