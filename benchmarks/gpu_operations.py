"""Single operations of a gradient step on a GPU, for `benchmarks.gpu_checks`."""

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple
from unittest import mock

import torch
from torch import Tensor

from rlkit.torch import gpu_route, pieces
from rlkit.torch.adam import AdamInPieces
from rlkit.torch.gpu_route import GpuRoute
from rlkit.torch.mlp_function import Route

PRECISIONS = ("float32", "tf32")
# Products of weight gradients: rows, outputs, inputs; predicted microseconds by parts.
GRADIENTS = {
    (4096, 300, 300): (29, 14),
    (1600, 200, 200): (9, 8),
    (4096, 12, 300): (9, 8),
    (4096, 300, 31): (9, 9),
}


class Check(NamedTuple):
    """A measurement and its prediction; the name of the table has the unit."""

    stage: str
    name: str
    measured: float
    predicted: float | None
    tolerance: float = 0.1

    def verdict(self, on_gpu: bool) -> str:
        """ "holds", "OFF" or, without a prediction or a GPU, "-"; faster than predicted holds."""
        if self.predicted is None or not on_gpu:
            return "-"
        return "holds" if self.measured <= (1 + self.tolerance) * self.predicted else "OFF"


def seconds(run: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def microseconds(
    function: Callable[[], object], device: str, repeats: int, calls: int = 50
) -> float:
    """Median time of a call; on a GPU captured, so that launching costs nothing."""
    function()

    def run() -> None:
        for _ in range(calls):
            function()

    if device != "cpu":
        side, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            function()
        torch.cuda.current_stream().wait_stream(side)
        with torch.cuda.graph(graph):
            run()

        def replay() -> None:
            graph.replay()
            torch.cuda.synchronize()

        return 1e6 * statistics.median(seconds(replay) / calls for _ in range(repeats + 1))
    return 1e6 * statistics.median(seconds(run) / calls for _ in range(repeats + 1))


@torch.no_grad()
def operation_checks(device: str, repeats: int, calls: int) -> Iterator[Check]:
    """Single operations: weight gradients by 1 to 64 parts, epilogues, bias sums, Adam by piece."""
    time_of = partial(microseconds, device=device, repeats=repeats, calls=calls)
    for number, precision in enumerate(PRECISIONS):
        kind = torch.backends.cuda.matmul
        before, kind.fp32_precision = kind.fp32_precision, "tf32" if number else "ieee"
        for (rows, outputs, inputs), predicted in GRADIENTS.items():
            grad = torch.randn(rows, outputs, device=device)
            h = torch.randn(rows, inputs, device=device)
            chosen = gpu_route.row_parts(grad.shape, inputs)
            for parts in sorted({n for n in (1, 2, 4, 8, 16, 32, 64) if rows % n == 0} | {chosen}):
                with mock.patch.object(gpu_route, "row_parts", lambda *_, n=parts: n):
                    took = time_of(partial(GpuRoute().outer, grad, h, torch.float32))
                name = f"{rows} rows, {outputs} x {inputs}, {parts} parts"
                name += " (chosen)" if parts == chosen else ""
                expected = predicted[number] if parts == chosen else None
                yield Check(f"weight gradient, {precision}, us", name, took, expected)
        x, weight, bias = (
            torch.randn(*s, device=device) for s in ((4096, 300), (300, 300), (300,))
        )
        for route in (Route(), GpuRoute()):
            took = time_of(partial(route.linear, x, weight, bias, True))
            yield Check(f"layer with ReLU, {precision}, us", type(route).__name__, took, None)
        kind.fp32_precision = before
    grad = torch.randn(4096, 300, device=device)
    sums: dict[str, Callable[[], Tensor]] = {
        "at once": lambda: grad.sum(-2),
        "in two stages": lambda: grad.unflatten(-2, (64, -1)).sum(-2).sum(-2),
        "as a product": lambda: grad.new_ones(1, 4096) @ grad,
    }
    for name, function in sums.items():
        yield Check("bias gradient, us", name, time_of(function), None)
    for piece in (1024, 2048, 4096, 8192, 16384, 65536):
        with mock.patch.object(pieces, "PIECE", piece):
            weights = [torch.nn.Parameter(torch.randn(300, 300, device=device)) for _ in range(6)]
            optimizer = AdamInPieces(weights, lr=1e-3, fused=True, capturable=device != "cpu")
            for p in weights:
                p.grad = torch.randn_like(p)
            yield Check(
                "Adam of six weights, us", f"pieces of {piece}", time_of(optimizer.step), None
            )
