"""Chooses device and threads on this machine, and records the machine that a run used."""

import ctypes
import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from rlkit.core.errors import UserError

PACKAGES = ("torch", "numpy", "mujoco", "gymnasium")
CGROUP = Path("/sys/fs/cgroup")


def granted_cpus(cgroup: Path = CGROUP) -> int:
    """Number of CPUs that this process may use.

    This is its affinity, limited by the quota of its control group (version 1 or 2).
    """
    affinity = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, min([affinity, *(int(quota) for quota in _quotas(cgroup))]))


def default_threads() -> int:
    """Choose a number of threads: the granted CPUs, or OMP_NUM_THREADS if that is smaller."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(granted_cpus(), max(1, int(limit))) if limit.isdecimal() else granted_cpus()


def choose_device(
    use_gpu: bool, gpu_id: int, say: Callable[[str], None], *, required: bool = False
) -> str:
    """Choose the device of networks and buffers.

    Args:
        use_gpu: whether to use a GPU; if there is none, the CPU is used and this is reported.
        gpu_id: which GPU.
        say: receives that message.
        required: fail if the GPU is not available.
    Returns:
        The name of a torch device, such as "cuda:0" or "cpu".
    Raises:
        UserError: there are other GPUs but not this one, or a required GPU is not available.
    """
    import torch

    if not use_gpu:
        return "cpu"
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0 and required:
        raise UserError(
            f"GPU {gpu_id} was requested, but no GPU can be used here; --cpu trains on the CPU"
        )
    if count == 0:
        say("util_params.use_gpu is true, but no GPU can be used here: running on the CPU")
        return "cpu"
    if gpu_id >= count:
        raise UserError(
            f"util_params.gpu_id = {gpu_id}: expected one of the {count} GPUs of this machine, "
            f"0 to {count - 1}"
        )
    return f"cuda:{gpu_id}"


def check_precision(precision: str, device: str) -> None:
    """Check that the device supports a precision.

    Args:
        precision: "float32", "tf32" or "bf16".
        device: name of the torch device.
    Raises:
        UserError: tf32 on a device without it.
    """
    import torch

    on_gpu = device.startswith("cuda")
    if precision == "tf32" and not (on_gpu and torch.cuda.get_device_capability(device) >= (8, 0)):
        expected = "expected a GPU of the Ampere generation or newer"
        raise UserError(f'util_params.precision = "tf32": {expected}, got {device}')


def slow_precision(precision: str, device: str) -> list[str]:
    """Warn if a precision is slower than float32 on this device; one line or none."""
    if precision == "bf16" and not device.startswith("cuda") and not has_bf16_units():
        what = "util_params.precision is bf16, but this CPU has no bfloat16 units"
        return [f"{what}: expect it to be slower than float32"]
    return []


def has_bf16_units() -> bool:
    """Whether this CPU supports bfloat16 products in hardware."""
    return bool(_cpu_flags() & {"avx512_bf16", "amx_bf16", "bf16"})


def cpu_vendor() -> str:
    """The vendor of this CPU, such as "GenuineIntel"; empty if the kernel does not report it."""
    return _cpuinfo("vendor_id")


def keep_freed_memory() -> None:
    """Make glibc keep freed memory for reuse in this process.

    Activations take megabytes; allocating them from the system at every step costs a page fault
    per 4 kB, about a tenth of a gradient step. No effect without glibc.
    """
    mmap_threshold, trim_threshold = -3, -1  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of malloc.h
    mallopt = (
        getattr(ctypes.CDLL(None), "mallopt", None) if platform.libc_ver()[0] == "glibc" else None
    )
    if mallopt is not None:
        mallopt(mmap_threshold, 2**30)
        mallopt(trim_threshold, 2**31 - 1)


def versions() -> dict[str, str | None]:
    """Versions of Python, this code (with its commit, in a git checkout) and its dependencies."""
    import rlkit

    found = {name: _version(name) for name in PACKAGES}
    return {
        "python": platform.python_version(),
        "rlkit": rlkit.__version__,
        "commit": _commit(),
        **found,
    }


def machine(device: str) -> dict[str, Any]:
    """Describe the machine of a run: device, models of CPU and GPU, number of granted CPUs."""
    import torch

    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else None
    return {
        "device": device,
        "cpu": _cpu_model(),
        "cpus": granted_cpus(),
        "gpu": gpu,
        "platform": platform.platform(),
    }


def _quotas(cgroup: Path) -> Iterator[float]:
    """Yield the CPU limits of this process's control group and its ancestors, if they set one."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    own = cgroup / next((line[4:] for line in lines if line.startswith("0::/")), "")
    groups = [own, *own.parents]
    files = [(group / "cpu.max",) for group in groups if group.is_relative_to(cgroup)]
    for paths in [*files, (cgroup / "cpu/cpu.cfs_quota_us", cgroup / "cpu/cpu.cfs_period_us")]:
        try:
            quota, period = (float(word) for path in paths for word in path.read_text().split())
        except (OSError, ValueError):
            continue  # no such file, or "max"
        if quota > 0 and period > 0:
            yield quota / period


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of this checkout, with "-dirty" if there are uncommitted changes.

    Outside a checkout, the environment variable RLKIT_COMMIT, which container images set; or None.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return os.environ.get("RLKIT_COMMIT") or None
    try:
        done = subprocess.run(
            [
                "git",
                "-C",
                str(root),
                "describe",
                "--always",
                "--dirty",
                "--abbrev=40",
                "--exclude=*",
            ],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _cpu_model() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpu_flags() -> set[str]:
    """Flags of the first CPU as named by the kernel (x86: flags, ARM: Features); may be empty."""
    return set((_cpuinfo("flags") or _cpuinfo("Features")).split())


def _cpuinfo(name: str) -> str:
    """Value of the first line of /proc/cpuinfo with this name; "" if there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
