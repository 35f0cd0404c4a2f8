"""Measures, once at the start of a run, what this machine does fastest: the route of matrix products on the CPU (all are exact
in float32), and the device on which the policy acts."""

import copy
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import torch

from rlkit.core.errors import UserError
from rlkit.torch.execution import torch_threads
from rlkit.torch.mlp_function import SLICE_ROWS, Arithmetic, MlpFunction, Route
from rlkit.torch.sac.policies import TanhGaussianPolicy

Matmul = Literal["auto", "default", "onednn"]
RolloutDevice = Literal["auto", "cpu", "gpu"]

ROUTE_GAIN = 1.25  # oneDNN must be so much faster than the library's choice; ties never flip
SLICE_GAIN = 1.10  # and slices so much faster than as few as there are threads
ROWS, INPUT, WIDTH, LATENT = 4096, 31, 300, 5


def choose_route(
    matmul: Matmul,
    slice_rows: int | None,
    num_threads: int,
    seconds_of: Callable[[Route], float] | None = None,
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
            matmul = (
                "onednn" if _gains(ROUTE_GAIN, measure, Route(), Route(onednn=True)) else "default"
            )
        if slice_rows is None:
            few = Route(
                num_threads,
                matmul == "onednn",
                None,
                workers if num_threads > 1 else None,
                num_threads,
            )
            many = few._replace(num_slices=num_threads * -(-ROWS // (num_threads * SLICE_ROWS)))
            slice_rows = SLICE_ROWS if _gains(SLICE_GAIN, measure, few, many) else 0
    return matmul, slice_rows


def choose_rollout_device(
    wanted: RolloutDevice,
    device: str,
    matmul: str,
    widths: Sequence[int],
    seconds_of: Callable[[str, int], float] | None = None,
) -> RolloutDevice:
    """Choose where the policy of rollouts runs; measured only where there is a choice.

    Args:
        wanted: "auto", or what was asked for.
        device: name of the torch device of networks and buffers.
        matmul: route of products on the CPU.
        widths: lanes of the rollouts, each width as frequent as the other.
        seconds_of: measures the actions of a step on a device with so many lanes; None: wall-clock time of a usual policy.
    Returns:
        "cpu" or "gpu"; without a GPU "cpu".
    Raises:
        UserError: the GPU is asked for on a machine that trains without one.
    """
    if device == "cpu":
        if wanted == "gpu":
            expected = 'expected "auto" or "cpu", because this run trains on the CPU'
            raise UserError(f'util_params.rollout_device = "gpu": {expected}')
        return "cpu"
    if wanted != "auto":
        return wanted
    measure = seconds_of or _acting(device, matmul)
    on_cpu, on_gpu = (sum(measure(place, width) for width in widths) for place in ("cpu", device))
    return "cpu" if on_cpu <= on_gpu else "gpu"


def _acting(device: str, matmul: str, repeats: int = 50) -> Callable[[str, int], float]:
    """Median seconds of actions from observations and back, all in the host's memory, as the sampler asks for them."""
    sizes, generator = (INPUT - LATENT, LATENT, LATENT), torch.Generator().manual_seed(0)
    policy = TanhGaussianPolicy(
        [WIDTH] * 3, *sizes, generator=generator, arithmetic=Arithmetic(matmul)
    )
    policies = {"cpu": policy, device: copy.deepcopy(policy).to(device)}

    @torch.inference_mode()
    def seconds_of(place: str, width: int) -> float:
        obs, noise = (
            np.zeros((width, INPUT - LATENT), np.float32),
            np.zeros((width, LATENT), np.float32),
        )
        z, times = torch.zeros(width, LATENT, device=place), []
        with torch_threads(1):
            for _ in range(repeats):
                start = time.perf_counter()
                tensors = (torch.as_tensor(array, device=place) for array in (obs, noise))
                policies[place].act(next(tensors), z, next(tensors)).cpu().numpy()
                times.append(time.perf_counter() - start)
        return statistics.median(times)

    return seconds_of


def _gains(gain: float, measure: Callable[[Route], float], plain: Route, other: Route) -> bool:
    """Whether the other route is so many times as fast in most of three turns, since one may show what another job did."""
    first, second = (measure(plain) / measure(other) >= gain for _ in range(2))
    return first if first == second else measure(plain) / measure(other) >= gain


def _stopwatch() -> Callable[[Route], float]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(ROWS, INPUT), (WIDTH, INPUT), (WIDTH,), (WIDTH, WIDTH), (WIDTH,), (1, WIDTH), (1,)]
    x, *parameters = (
        torch.randn(shape, generator=generator, requires_grad=True) for shape in shapes
    )

    def seconds_of(route: Route) -> float:
        with torch_threads(1):
            start = time.process_time()
            torch.autograd.grad(MlpFunction.apply(x, route, *parameters).sum(), [x, *parameters])
            return time.process_time() - start

    seconds_of(Route())  # the first call allocates
    return seconds_of
