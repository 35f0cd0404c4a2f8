"""Measures, once at the start of a run, which route of matrix products this CPU does fastest; both are exact in float32."""

import time
from collections.abc import Callable
from typing import Literal

import torch

from rlkit.torch.networks import SLICE_ROWS, MlpFunction, Route
from rlkit.torch.pytorch_util import torch_threads

Matmul = Literal["auto", "default", "onednn"]

ROUTE_GAIN = 1.25  # oneDNN must be so much faster than the library's choice; ties never flip
SLICE_GAIN = 1.10  # and slices so much faster than all rows at once
ROWS, INPUT, WIDTH, REPEATS = 4096, 31, 300, 3


def choose_route(
    matmul: Matmul, slice_rows: int | None, seconds_of: Callable[[Route], float] | None = None
) -> tuple[Matmul, int]:
    """Choose what is left open of the route of products on this CPU, in less than a second.

    Args:
        matmul: "auto", or the route that was asked for.
        slice_rows: None, or the number that was asked for.
        seconds_of: measures a route; None: CPU time of one thread for forward and backward of a network of the usual size.
    Returns:
        The route, "default" or "onednn", and the rows of a slice (0: all at once).
    """
    measure = seconds_of or _stopwatch()
    if matmul == "auto":
        matmul = "onednn" if _gain(measure, Route(), Route(onednn=True)) >= ROUTE_GAIN else "default"
    if slice_rows is None:
        route = Route(onednn=matmul == "onednn")
        gain = _gain(measure, route, route._replace(num_slices=ROWS // SLICE_ROWS))
        slice_rows = SLICE_ROWS if gain >= SLICE_GAIN else 0
    return matmul, slice_rows


def _gain(measure: Callable[[Route], float], plain: Route, other: Route) -> float:
    """How many times as fast the other route is in the worst of several turns: a single one may show what another job did."""
    return min(measure(plain) / measure(other) for _ in range(REPEATS))


def _stopwatch() -> Callable[[Route], float]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(ROWS, INPUT), (WIDTH, INPUT), (WIDTH,), (WIDTH, WIDTH), (WIDTH,), (1, WIDTH), (1,)]
    x, *parameters = (torch.randn(shape, generator=generator, requires_grad=True) for shape in shapes)

    def seconds_of(route: Route) -> float:
        with torch_threads(1):
            start = time.thread_time()
            torch.autograd.grad(MlpFunction.apply(x, route, *parameters).sum(), [x, *parameters])
            return time.thread_time() - start

    seconds_of(Route())  # the first call allocates
    return seconds_of
