"""Table of the fastest matrix product routes, and the choice of the rollout device.

Routes round differently. A run therefore never times them when it starts, but looks them up: equal
settings on equal machines give equal choices. `python -m benchmarks.matmul_routes` measures the
rows of the table.
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
    """The fastest exact route for networks of some width and some number of threads.

    Attributes:
        width: minimum width of the hidden layers.
        threads: minimum number of threads that share the products.
        matmul, slice_rows: the settings of that name in `util_params`.
    """

    width: int
    threads: int
    matmul: Matmul
    slice_rows: int


# By instruction set; rows from most to least specific.
ROUTES: dict[str, tuple[Row, ...]] = {
    # Intel Xeon, 2 cores, PyTorch 2.13: benchmarks.matmul_routes, on a machine with other load.
    # From width 300 on, differences are within measurement noise; slices were never clearly slower.
    "AVX512": (
        Row(64, 1, "default", SLICE_ROWS),
        Row(1, 1, "default", 0),
    ),
    # AMD with AVX512, of which oneDNN makes more use than MKL. The benchmark measured these rows on
    # the Intel Xeon with MKL_ENABLE_INSTRUCTIONS=AVX2, not on such a processor. On a Zen 5, oneDNN
    # cuts wide weight gradients from 2.11 ms to 1.16 ms and a step with all of them by 13 %.
    "AMD AVX512": (
        Row(300, 1, "onednn-all", SLICE_ROWS),
        Row(64, 1, "onednn", 0),
        Row(1, 1, "default", 0),
    ),
    # AMD EPYC, 2 cores, PyTorch 2.13. From the pearl_step table of docs/benchmarks.md, which has
    # only width 300; narrower networks were not measured and use the same rows.
    "AVX2": (
        Row(1, 2, "default", SLICE_ROWS),
        Row(1, 1, "onednn", 0),
    ),
}
UNMEASURED = Row(1, 1, "default", 0)  # any other instruction set

# Total lanes of collection and evaluation above which a GPU acts faster than its host. Policies of
# width 300 on an H100 with 16 cores: no difference at 15 + 128 lanes.
GPU_LANES, GPU_WIDTH = 192, 300


def instruction_set(vendor: str | None = None) -> str:
    """The widest vector instructions that PyTorch uses on this CPU, such as "AVX512".

    It is "AMD AVX512" on an AMD CPU with AVX512, which MKL does not use there.

    Args:
        vendor: the CPU's vendor as the kernel names it; None: this CPU's.
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
    """Fill in the open settings of the matrix product route on the CPU.

    Args:
        matmul: the requested route, or "auto".
        slice_rows: the requested number, or None.
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
    """Choose the device on which the policy acts in rollouts.

    Args:
        wanted: the requested device, or "auto".
        device: name of the torch device of networks and buffers.
        lanes: numbers of lanes of equally frequent rollouts.
        width: of the policy's hidden layers.
    Returns:
        "cpu" or "gpu"; without a GPU "cpu".
    Raises:
        UserError: the GPU is requested, but training runs on the CPU.
    """
    if device == "cpu":
        if wanted == "gpu":
            expected = 'expected "auto" or "cpu", because this run trains on the CPU'
            raise UserError(f'util_params.rollout_device = "gpu": {expected}')
        return "cpu"
    if wanted != "auto":
        return wanted
    return "gpu" if sum(lanes) * width**2 > GPU_LANES * GPU_WIDTH**2 else "cpu"
