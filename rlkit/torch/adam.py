"""The optimizer of all networks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rlkit.torch import fast_torch
from rlkit.torch.pieces import in_pieces


def adam(groups: list[tuple[nn.Module, float]]) -> torch.optim.Adam:
    """Make one fused Adam for several networks, each with its own step size.

    On a GPU, a CUDA graph can capture its steps.
    """
    parameters: list[dict[str, Any]] = [
        {"params": list(module.parameters()), "lr": lr} for module, lr in groups
    ]
    on_gpu = all(p.is_cuda for group in parameters for p in group["params"])
    kind = AdamInPieces if on_gpu and AdamInPieces.is_available() else Adam
    return kind(parameters, fused=True, capturable=on_gpu)


class Adam(torch.optim.Adam):
    """torch's Adam, without importing torch's compiler.

    The import would add more than a second and 100 MB to the start of a run. If torch's methods
    have no wrapper to remove, this is torch's Adam unchanged; the results are equal bit for bit.
    """

    add_param_group = fast_torch.eager(torch.optim.Optimizer.add_param_group)
    zero_grad = fast_torch.eager(torch.optim.Optimizer.zero_grad)
    state_dict = fast_torch.eager(torch.optim.Optimizer.state_dict)
    load_state_dict = fast_torch.eager(torch.optim.Optimizer.load_state_dict)
    step = torch.no_grad()(fast_torch.eager(torch.optim.Adam.step))


class AdamInPieces(Adam):
    """Adam that updates all parameters with the same step size in one launch, over pieces.

    State, checkpoints and results equal those of fused Adam, which needs one launch per group.
    Weight decay and the variants of Adam are not supported.
    """

    @staticmethod
    def is_available() -> bool:
        """Whether the installed torch has the private functions that this class calls."""
        return fast_torch.fused_adam_ is not None and fast_torch.foreach_add_ is not None

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        assert closure is None
        for (lr, (beta1, beta2), eps), parameters in self._by_step_size().items():
            states = [self._state_of(p) for p in parameters]
            steps = [state["step"] for state in states]
            fast_torch.foreach_add_(steps, 1)
            fast_torch.fused_adam_(
                in_pieces([p.detach() for p in parameters]),
                in_pieces([p.grad for p in parameters if p.grad is not None]),
                in_pieces([state["exp_avg"] for state in states]),
                in_pieces([state["exp_avg_sq"] for state in states]),
                [],
                [step for p, step in zip(parameters, steps, strict=True) for _ in in_pieces([p])],
                lr=lr,
                beta1=beta1,
                beta2=beta2,
                eps=eps,
                weight_decay=0.0,
                amsgrad=False,
                maximize=False,
            )

    def _by_step_size(self) -> dict[tuple[float, tuple[float, float], float], list[Tensor]]:
        found: dict[tuple[float, tuple[float, float], float], list[Tensor]] = {}
        for group in self.param_groups:
            key = group["lr"], tuple(group["betas"]), group["eps"]
            found.setdefault(key, []).extend(p for p in group["params"] if p.grad is not None)
        return {key: parameters for key, parameters in found.items() if parameters}

    def _state_of(self, parameter: Tensor) -> dict[str, Tensor]:
        """The optimizer state of a parameter; its first step creates it with zeros."""
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        return state
