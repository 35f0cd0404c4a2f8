"""Weights on the disk, and the states that may be written there at all."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rlkit.core.files import replace_file, report_exhaustion

Networks = Mapping[str, nn.Module]


def save_weights(run_dir: str | Path, networks: Networks) -> None:
    """Write `<name>.pth` for each network, each file replaced whole.

    The disk is not waited for: a loss of power may cost these files, but the checkpoint has the
    weights too.

    Args:
        run_dir: the run folder, or another; created if needed.
        networks: by name.
    Raises:
        ResourceError: the disk is full.
    Source: names and content of the files are those of katerakelly/oyster.
    """
    with report_exhaustion(f"cannot write weights to {run_dir}"):
        Path(run_dir).mkdir(parents=True, exist_ok=True)
    for name, network in networks.items():
        path = Path(run_dir) / f"{name}.pth"
        content = io.BytesIO()
        torch.save(plain(network.state_dict(), name), content)
        with report_exhaustion(f"cannot write {path}"), content.getbuffer() as view:
            replace_file(path, view, sync=False)


def plain(value: Any, where: str) -> Any:
    """Copy a state into what can be loaded without running code.

    Tensors are copied to the CPU, without the rest of a storage that they view.

    Args:
        value: tensors, numbers, strings, None and containers of these.
        where: names the value in messages.
    Raises:
        TypeError: the state holds something else.
    """
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    if isinstance(value, Tensor):
        return value.detach().cpu().clone(memory_format=torch.contiguous_format)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {plain(key, where): plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    raise TypeError(
        f"{where} is a {type(value).__name__}; "
        "a checkpoint takes tensors, numbers, strings, None and containers"
    )
