"""The private parts of PyTorch that are used for speed; no other file uses a private name.

Each function falls back to public functions where an installed version of torch lacks the private
name. The docstrings say whether the fallback's numbers are the same bit for bit or equal up to
rounding.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

Method = TypeVar("Method", bound=Callable)

_onednn_linear = getattr(getattr(torch.ops, "mkldnn", None), "_linear_pointwise", None)
_threshold_backward = getattr(getattr(torch.ops, "aten", None), "threshold_backward", None)
_addmm_activation = getattr(torch, "_addmm_activation", None)
_fused_adam_: Any = getattr(torch, "_fused_adam_", None)
_foreach_add_: Any = getattr(torch, "_foreach_add_", None)
_foreach_norm = getattr(torch, "_foreach_norm", None)
_foreach_mul_ = getattr(torch, "_foreach_mul_", None)
_foreach_lerp_ = getattr(torch, "_foreach_lerp_", None)


# Functions that a layer may end with, under the names by which oneDNN fuses them with the product.
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
    """f(x W^T + b) through oneDNN, with the activation in the same pass. CPU, float32, no graph.

    Without the private operator torch chooses the kernel; the result differs by rounding.

    Args:
        x: [rows, in].
        weight: [out, in].
        bias: [out], or None for none.
        activation: f, a name of ACTIVATIONS.
    Returns:
        [rows, out].
    """
    if _onednn_linear is not None:
        return _onednn_linear(x, weight, bias, activation, [], "")
    return ACTIVATIONS[activation](functional.linear(x, weight, bias))


def linear_relu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """relu(x W^T + b), on a GPU in the product's own pass. No graph.

    The fallback is equal bit for bit on a CPU.
    """
    if _addmm_activation is not None:
        return _addmm_activation(bias, x, weight.t())
    return functional.linear(x, weight, bias).relu_()


def relu_backward_(grad: Tensor, output: Tensor) -> None:
    """Set a gradient to zero, in place, where the ReLU's output is zero.

    Both have the same shape. The fallback is equal bit for bit and allocates a mask.
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
    """Move each target towards its source by this share, in place and in one launch.

    The fallback is equal bit for bit.
    """
    if _foreach_lerp_ is not None:
        _foreach_lerp_(list(targets), list(sources), weight)
    else:
        for target, source in zip(targets, sources, strict=True):
            target.lerp_(source, weight)


def has_fused_adam() -> bool:
    """Whether this version of torch has what `fused_adam_` and `increment_` need."""
    return _fused_adam_ is not None and _foreach_add_ is not None


def increment_(counts: Sequence[Tensor]) -> None:
    """Add 1 to each count, in place and in one launch."""
    _foreach_add_(list(counts), 1)


def fused_adam_(*lists: Sequence[Tensor], **settings: float) -> None:
    """One launch of Adam over parameters, gradients, first and second moments and step counts."""
    *first, counts = map(list, lists)
    others = {"weight_decay": 0.0, "amsgrad": False, "maximize": False}
    _fused_adam_(*first, [], counts, **others, **settings)


def _eager(method: Method) -> Method:
    """A method of torch's optimizers without the wrapper that imports torch's compiler."""
    return getattr(method, "__wrapped__", method)


class Adam(torch.optim.Adam):
    """torch's Adam without the import of torch's compiler.

    The import takes more than a second and 100 MB at the start of a run.
    Where the methods have no wrapper to remove, this is torch's Adam, equal bit for bit.
    """

    add_param_group = _eager(torch.optim.Optimizer.add_param_group)
    zero_grad = _eager(torch.optim.Optimizer.zero_grad)
    state_dict = _eager(torch.optim.Optimizer.state_dict)
    load_state_dict = _eager(torch.optim.Optimizer.load_state_dict)
    step = torch.no_grad()(_eager(torch.optim.Adam.step))
