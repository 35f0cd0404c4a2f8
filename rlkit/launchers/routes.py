"""Table of the fastest routes of matrix products, and the choice of the device for rollouts.

Routes differ by rounding, so nothing here is measured when a run starts: equal settings on equal
machines choose equally. `python -m benchmarks.matmul_routes` measures the rows of the table.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch

from rlkit.core.errors import UserError
from rlkit.launchers.machine import cpu_vendor
from rlkit.torch.mlp_function import SLICE_ROWS

Matmul = Literal["auto", "default", "onednn", "onednn-all"]
RolloutDevice = Literal["auto", "cpu", "gpu"]


class Row(NamedTuple):
    """The fastest exact route of a network.

    Attributes:
        width: of the hidden layers, at least.
        threads: that share the products, at least.
        matmul, slice_rows: the settings of that name in `util_params`.
    """

    width: int
    threads: int
    matmul: Matmul
    slice_rows: int


# By instruction set, with rows from the most specific to the least.
ROUTES: dict[str, tuple[Row, ...]] = {
    # Intel Xeon, 2 cores, PyTorch 2.13: benchmarks.matmul_routes, on a machine with other work.
    # From 300 up, the routes lie within what repeated measurements differ by; slices never lost
    # clearly.
    "AVX512": (
        Row(64, 1, "default", SLICE_ROWS),
        Row(1, 1, "default", 0),
    ),
    # AMD with AVX512, on which MKL multiplies with AVX2 and oneDNN with AVX512. Not measured on such
    # a processor by the benchmark, but on the Intel Xeon with MKL_ENABLE_INSTRUCTIONS=AVX2; on a
    # Zen 5 wide weight gradients take 1.16 ms instead of 2.11, a step of width 300 13 % less.
    "AMD AVX512": (
        Row(300, 1, "onednn-all", SLICE_ROWS),
        Row(64, 1, "onednn", 0),
        Row(1, 1, "default", 0),
    ),
    # AMD EPYC, 2 cores, PyTorch 2.13. From the pearl_step table of docs/benchmarks.md, which has
    # one width, 300; narrower networks were not measured there and take the same rows.
    "AVX2": (
        Row(1, 2, "default", SLICE_ROWS),
        Row(1, 1, "onednn", 0),
    ),
}
UNMEASURED = Row(1, 1, "default", 0)  # any other instruction set

# Lanes of collection and of evaluation, added up, from which on a GPU acts faster than its host.
# Policies of width 300 on an H100 with 16 cores: no difference at 15 + 128 lanes.
GPU_LANES, GPU_WIDTH = 192, 300


def instruction_set(vendor: str | None = None) -> str:
    """The widest vector instructions that PyTorch uses on this CPU, such as "AVX512".

    "AMD AVX512" where MKL does not take them.

    Args:
        vendor: of the CPU, in the kernel's words; None: this one's.
    """
    found = torch.backends.cpu.get_cpu_capability()
    amd = (cpu_vendor() if vendor is None else vendor) == "AuthenticAMD"
    return f"AMD {found}" if amd and found == "AVX512" else found


def choose_route(
    matmul: Matmul,
    slice_rows: int | None,
    *,
    num_threads: int,
    width: int,
    instructions: str | None = None,
) -> tuple[Matmul, int]:
    """Look up what is left open of the route of products on the CPU.

    Args:
        matmul: "auto", or the route that was asked for.
        slice_rows: None, or the number that was asked for.
        num_threads: threads that share the products.
        width: of the hidden layers.
        instructions: a key of `ROUTES`; None: this CPU's.
    Returns:
        The route, a name of `MATMUL_ROUTES`, and the rows of a slice (0: all at once).
    """
    rows = ROUTES.get(instructions or instruction_set(), ())
    fits = (row for row in rows if width >= row.width and num_threads >= row.threads)
    row = next(fits, UNMEASURED)
    return (
        row.matmul if matmul == "auto" else matmul,
        row.slice_rows if slice_rows is None else slice_rows,
    )


def choose_rollout_device(
    wanted: RolloutDevice, device: str, *, lanes: Sequence[int], width: int
) -> RolloutDevice:
    """Choose where the policy of rollouts runs.

    Args:
        wanted: "auto", or what was asked for.
        device: name of the torch device of networks and buffers.
        lanes: of the rollouts, each number as frequent as the other.
        width: of the policy's hidden layers.
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
    return "gpu" if sum(lanes) * width**2 > GPU_LANES * GPU_WIDTH**2 else "cpu"
