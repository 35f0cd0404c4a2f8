"""Tensors in pieces, so that one launch over a list of them uses all multiprocessors of a GPU.

PyTorch gives 65,536 numbers of one tensor to one block of threads: a network's optimizer runs on a
dozen of an H100's 132 multiprocessors.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from rlkit.torch import fast_torch

PIECE = 4096  # numbers: two rounds of a block's 512 threads, four numbers at a time


def in_pieces(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Cut contiguous tensors into flat views of at most `PIECE` numbers each, in their order."""
    return [piece for tensor in tensors for piece in tensor.view(-1).split(PIECE)]


class AdamInPieces(fast_torch.Adam):
    """Adam with one launch over pieces for all parameters of one step size.

    State, checkpoints and numbers are those of Adam's fused form, which takes a launch per group;
    neither weight decay nor another variant of Adam is known.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Step all parameters that have a gradient."""
        assert closure is None
        for (lr, (beta1, beta2), eps), parameters in self._by_step_size().items():
            states = [self._state_of(p) for p in parameters]
            steps = [state["step"] for state in states]
            fast_torch.increment_(steps)
            fast_torch.fused_adam_(
                in_pieces([p.detach() for p in parameters]),
                in_pieces([p.grad for p in parameters if p.grad is not None]),
                in_pieces([state["exp_avg"] for state in states]),
                in_pieces([state["exp_avg_sq"] for state in states]),
                [step for p, step in zip(parameters, steps, strict=True) for _ in in_pieces([p])],
                lr=lr,
                beta1=beta1,
                beta2=beta2,
                eps=eps,
            )

    def _by_step_size(self) -> dict[tuple[float, tuple[float, float], float], list[Tensor]]:
        found: dict[tuple[float, tuple[float, float], float], list[Tensor]] = {}
        for group in self.param_groups:
            key = group["lr"], tuple(group["betas"]), group["eps"]
            found.setdefault(key, []).extend(p for p in group["params"] if p.grad is not None)
        return {key: parameters for key, parameters in found.items() if parameters}

    def _state_of(self, parameter: Tensor) -> dict[str, Tensor]:
        """The state of a parameter, which the first step begins with zeros."""
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        return state
