"""The optimizer of all networks."""

from typing import Any

import torch
from torch import nn

from rlkit.torch import fast_torch
from rlkit.torch.pieces import AdamInPieces


def adam(groups: list[tuple[nn.Module, float]]) -> torch.optim.Adam:
    """Adam over several networks, each with its own step size, as one fused update.

    On a GPU a CUDA graph can capture it.
    """
    parameters: list[dict[str, Any]] = [
        {"params": list(module.parameters()), "lr": lr} for module, lr in groups
    ]
    on_gpu = all(p.is_cuda for group in parameters for p in group["params"])
    kind = AdamInPieces if on_gpu and fast_torch.has_fused_adam() else fast_torch.Adam
    return kind(parameters, fused=True, capturable=on_gpu)
