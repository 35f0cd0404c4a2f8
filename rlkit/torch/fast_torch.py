"""Private functions of PyTorch used for speed; no other file uses private names.

Each function falls back to public functions if the installed torch lacks the private name. The
docstrings say whether the fallback's results are equal bit for bit or up to rounding.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

Method = TypeVar("Method", bound=Callable)

_onednn_linear = getattr(getattr(torch.ops, "mkldnn", None), "_linear_pointwise", None)
_threshold_backward = getattr(getattr(torch.ops, "aten", None), "threshold_backward", None)
_foreach_norm = getattr(torch, "_foreach_norm", None)
_foreach_mul_ = getattr(torch, "_foreach_mul_", None)
_foreach_lerp_ = getattr(torch, "_foreach_lerp_", None)
# Used only by the route and the optimizer of a GPU, which check them for None.
addmm_relu: Any = getattr(torch, "_addmm_activation", None)
fused_adam_: Any = getattr(torch, "_fused_adam_", None)
foreach_add_: Any = getattr(torch, "_foreach_add_", None)


# Activations that oneDNN can fuse with the product, by oneDNN's names.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda y: y,
    "relu": torch.relu,
    "swish": functional.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


def has_onednn() -> bool:
    """Whether this build of torch multiplies through oneDNN with a fused activation."""
    return _onednn_linear is not None and torch.backends.mkldnn.is_available()


def onednn_linear(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: str = "none"
) -> Tensor:
    """f(x W^T + b) through oneDNN, with a fused activation. CPU, float32, no autograd.

    Without the private operator torch chooses the kernel; the result differs by rounding.

    Args:
        x: [rows, in].
        weight: [out, in].
        bias: [out], or None for no bias.
        activation: f, a name of ACTIVATIONS.
    Returns:
        [rows, out].
    """
    if _onednn_linear is not None:
        return _onednn_linear(x, weight, bias, activation, [], "")
    return ACTIVATIONS[activation](functional.linear(x, weight, bias))


def relu_backward_(grad: Tensor, output: Tensor) -> None:
    """Set a gradient to zero, in place, where the ReLU's output of the same shape is zero.

    The fallback is equal bit for bit but allocates a mask.
    """
    if _threshold_backward is not None:
        _threshold_backward.grad_input(grad, output, 0, grad_input=grad)
    else:
        grad.masked_fill_(output <= 0, 0)


def norms_of(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Euclidean norm of each tensor, in one launch.

    The fallback is equal bit for bit on a CPU and up to rounding on a GPU.
    """
    if _foreach_norm is not None:
        return list(_foreach_norm(list(tensors)))
    return [torch.linalg.vector_norm(tensor) for tensor in tensors]


def scale_(tensors: Sequence[Tensor], factor: Tensor) -> None:
    """Multiply each tensor by a scalar tensor, in place and in one launch.

    The fallback is equal bit for bit.
    """
    if _foreach_mul_ is not None:
        _foreach_mul_(list(tensors), factor)
    else:
        for tensor in tensors:
            tensor.mul_(factor)


def lerp_(targets: Sequence[Tensor], sources: Sequence[Tensor], weight: float) -> None:
    """Move each target towards its source by the fraction `weight`, in place, in one launch.

    The fallback is equal bit for bit.
    """
    if _foreach_lerp_ is not None:
        _foreach_lerp_(list(targets), list(sources), weight)
    else:
        for target, source in zip(targets, sources, strict=True):
            target.lerp_(source, weight)


def eager(method: Method) -> Method:
    """An optimizer method without the wrapper that imports torch's compiler."""
    return getattr(method, "__wrapped__", method)
