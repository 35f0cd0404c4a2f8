"""Count, on a CPU, the operations of a gradient step that would launch work on a GPU.

python -m benchmarks.step_operations [--config configs/cheetah-vel.json] [--precision float32]

A step of full size without statistics, with the routes and optimizers of a GPU. Views are not
counted: they launch nothing. An operation is one or two kernels.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import click
import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.machine import Table, Value, Watch, write_option, write_result
from benchmarks.pearl_step import config_option, fill
from rlkit.launchers.load_config import load_config
from rlkit.launchers.pearl import PEARL
from rlkit.torch import optimizers
from rlkit.torch.adam import AdamInPieces
from rlkit.torch.gpu_route import GpuRoute
from rlkit.torch.mlp_function import Arithmetic
from rlkit.torch.pieces import in_pieces
from rlkit.torch.sac import halves

KINDS: dict[str, tuple[str, ...]] = {
    "products": ("mm", "bmm", "addmm", "baddbmm", "_addmm_activation"),
    "ReLUs and their gradients": ("relu_", "threshold_backward.grad_input"),
    "optimizers, norms of lists, soft update": ("_fused_adam_", "_foreach_*"),
    "draws": ("rand*", "index_select", "gather", "remainder", "__*", "bitwise*"),
    "sums, means, norms": ("sum", "mean", "linalg_vector_norm"),
    "copies and joins": ("cat", "stack", "clone", "copy_", "slice_backward"),
}
REST = "number by number"
NOT_LAUNCHED = ("aten._unsafe_view", "profiler.")


def as_arithmetic_of_a_gpu(
    self: Arithmetic, rows: torch.Tensor, workers: object, num_threads: int, rounded: bool = True
) -> GpuRoute:
    """`Arithmetic.route_of` as on a GPU."""
    return GpuRoute(dtype=self.factors_of(rows) if rounded else None)


@contextmanager
def as_on_a_gpu() -> Iterator[None]:
    """Let networks and optimizers that are built in the block compute on a CPU as on a GPU."""
    patches: list[tuple[Any, str, Any]] = [
        (Arithmetic, "route_of", as_arithmetic_of_a_gpu),
        (optimizers, "cut_on_gpu", in_pieces),
        (halves, "adam", adam_of_a_gpu),
    ]
    with ExitStack() as stack:
        for where, name, replacement in patches:
            stack.enter_context(mock.patch.object(where, name, replacement))
        yield


def adam_of_a_gpu(groups: list[tuple[torch.nn.Module, float]]) -> AdamInPieces:
    """`rlkit.torch.adam.adam` as on a GPU."""
    return AdamInPieces(
        [{"params": list(module.parameters()), "lr": lr} for module, lr in groups], fused=True
    )


class Operations(TorchDispatchMode):
    """Counts operations by name inside a `with` block, without those that launch nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = str(function)
        if not function.is_view and not name.startswith(NOT_LAUNCHED):
            self.counts[name.removeprefix("aten.").removesuffix(".default")] += 1
        return function(*args, **(kwargs or {}))


def kind_of(name: str) -> str:
    """The kind of an operation such as "mul.Tensor"."""
    base = name.partition(".")[0]
    for kind, members in KINDS.items():
        beginnings = tuple(member.removesuffix("*") for member in members if member.endswith("*"))
        if name in members or base in members or name.startswith(beginnings):
            return kind
    return REST


def operations_of_a_step(config: Any) -> Counter[str]:
    """Count the operations of one step, by name, after two warm-up steps."""
    with as_on_a_gpu():
        experiment = PEARL().build(config, "cpu", 0)
        algorithm, rng = experiment.algorithm, np.random.RandomState(0)
        for buffer in algorithm.buffers.values():
            fill(buffer, rng)
        with algorithm.trainer.training(*algorithm.buffers.values()):
            algorithm.trainer.take(2)  # the first computes all statistics
            with Operations() as operations:
                algorithm.trainer.take(1)
    return operations.counts


def by_kind(counts: Mapping[str, int]) -> dict[str, int]:
    """Add operations up by kind, in the order of `KINDS`."""
    found = dict.fromkeys((*KINDS, REST), 0)
    for name, count in counts.items():
        found[kind_of(name)] += count
    return found


@click.command()
@config_option
@click.option("--precision", default="float32", type=click.Choice(["float32", "bf16"]))
@write_option
def main(path: Path, precision: str, write: bool) -> None:
    """Count the operations of a step; see the module's own text."""
    config = load_config(path, ["seed=0", "util_params.physics_threads=1"])
    config = replace(config, util_params=replace(config.util_params, precision=precision))
    with Watch() as watch:
        counts = operations_of_a_step(config)
    for name, count in counts.most_common():
        click.echo(f"{count:4} {name}")
    rows: list[list[Any]] = [[kind, count] for kind, count in by_kind(counts).items()]
    rows.append(["all", counts.total()])
    click.echo("".join(f"{count:4} {kind}\n" for kind, count in rows))
    if write:
        table = Table(
            f"Operations of a step in {precision}", ["kind"], [Value("operations")], rows, str(path)
        )
        command = f"python -m benchmarks.step_operations --config {path} --precision {precision}"
        click.echo(f"wrote {write_result('step_operations', [table], watch, command=command)}")


if __name__ == "__main__":
    main()
