"""Small helpers around PyTorch that several algorithms share."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rlkit.torch.networks import Mlp


@contextmanager
def torch_threads(num_threads: int) -> Iterator[None]:
    """Let torch use `num_threads` CPU threads inside the block, and what it used before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def sharing_threads(networks: Iterable[nn.Module], num_threads: int) -> Iterator[None]:
    """Let `num_threads` threads share the products of the networks inside the block; every operation runs on one thread.

    Threads that meet once per network, not within every operation, do not wait spinning: a step keeps its speed beside
    other jobs. On a GPU the pool has nothing to do.
    """
    mlps = [
        module for network in networks for module in network.modules() if isinstance(module, Mlp)
    ]
    with (
        torch_threads(1),
        ThreadPoolExecutor(max(1, num_threads - 1), thread_name_prefix="mlp") as workers,
    ):
        for mlp in mlps:
            mlp.share_slices(workers if num_threads > 1 else None, num_threads)
        try:
            yield
        finally:
            for mlp in mlps:
                mlp.share_slices(None, 1)


@contextmanager
def tensor_cores(enabled: bool) -> Iterator[None]:
    """Let float32 products on a GPU round their factors to TF32 inside the block, if enabled; those of a GRU, an LSTM or a
    convolution, which do so by default, not otherwise."""
    cudnn: Any = torch.backends.cudnn
    kinds = torch.backends.cuda.matmul, cudnn.rnn, cudnn.conv
    before = [kind.fp32_precision for kind in kinds]
    for kind in kinds if enabled else kinds[1:]:
        kind.fp32_precision = "tf32" if enabled else "ieee"
    try:
        yield
    finally:
        for kind, precision in zip(kinds, before, strict=True):
            kind.fp32_precision = precision


@torch.no_grad()
def soft_update_(source: nn.Module, target: nn.Module, tau: float) -> None:
    """Move the target's parameters towards the source's: target <- (1 - tau) target + tau source."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), tau)


class Copies:
    """Copies of networks on another device, which follow them when told to.

    Attributes:
        copies: under the names of the networks.
    """

    def __init__(self, networks: Mapping[str, nn.Module], device: torch.device | str) -> None:
        """Copy the networks as they are."""
        self._networks = dict(networks)
        self.copies: dict[str, Any] = {
            name: copy.deepcopy(network).to(device) for name, network in networks.items()
        }

    def update(self) -> None:
        """Take over the networks' present weights, in place; waits for their device."""
        for name, network in self._networks.items():
            self.copies[name].load_state_dict(network.state_dict())


def _eager(method: Any) -> Any:
    """A method of torch's optimizers without the wrapper that tells the compiler about it, and imports the compiler for that."""
    return getattr(method, "__wrapped__", method)


class Adam(torch.optim.Adam):
    """torch's Adam, without importing torch's compiler, which takes more than a second of a run's start and 100 MB."""

    add_param_group = _eager(torch.optim.Optimizer.add_param_group)
    zero_grad = _eager(torch.optim.Optimizer.zero_grad)
    state_dict = _eager(torch.optim.Optimizer.state_dict)
    load_state_dict = _eager(torch.optim.Optimizer.load_state_dict)
    step = torch.no_grad()(_eager(torch.optim.Adam.step))


def adam(groups: list[tuple[nn.Module, float]]) -> Adam:
    """Adam over several networks, each with its own step size, as one fused update; on a GPU one that can be captured."""
    parameters: list[dict[str, Any]] = [
        {"params": list(module.parameters()), "lr": lr} for module, lr in groups
    ]
    on_gpu = all(p.is_cuda for group in parameters for p in group["params"])
    return Adam(parameters, fused=True, capturable=on_gpu)


class Gradients:
    """The gradients of several networks, measured and clipped without waiting for the device.

    Args:
        networks: whose gradients.
        largest_norm: Euclidean norm that a network's gradient is scaled down to; None: never.
    """

    def __init__(self, networks: Iterable[nn.Module], largest_norm: float | None = None) -> None:
        self._parameters = [
            list(network.parameters()) for network in networks
        ]  # to walk through modules takes time
        self._flat = [p for parameters in self._parameters for p in parameters]
        self._counts = [len(parameters) for parameters in self._parameters]
        self._largest_norm = largest_norm

    @torch.no_grad()
    def clip_(self) -> Tensor:
        """Scale each network's gradient down to the largest norm, and return the norms from before, [num_networks]."""
        norms = torch.stack(torch._foreach_norm(_gradients_of(self._flat)))
        norms = torch.stack([torch.linalg.vector_norm(part) for part in norms.split(self._counts)])
        if self._largest_norm is not None:
            scales = (self._largest_norm / norms).clamp(max=1.0)
            for parameters, scale in zip(self._parameters, scales, strict=True):
                torch._foreach_mul_(_gradients_of(parameters), scale)
        return norms


def _gradients_of(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    return [p.grad for p in parameters if p.grad is not None]


def statistics_of(name: str, values: Tensor) -> dict[str, Tensor]:
    """Mean, population standard deviation, maximum and minimum over all entries, under oyster's column names."""
    values = values.detach()
    return {
        f"{name} Mean": values.mean(),
        f"{name} Std": values.std(correction=0),
        f"{name} Max": values.max(),
        f"{name} Min": values.min(),
    }
