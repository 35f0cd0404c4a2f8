"""Check predictions about the time of a gradient step on a GPU.

python -m benchmarks.gpu_checks weights|step|operations|seeds|rollouts [--device cuda:0]
    [--repeats 5]

Each line is a measurement, followed by the prediction for an H100, if there is one, and "holds" or
"OFF" (tolerance 10 %, for several seeds 15 %). With `--device cpu` everything runs once at small
size to try the command without a GPU, and nothing is compared. `bash benchmarks/gpu.sh` runs all
stages.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any
from unittest import mock

import click
import numpy as np
import torch

from benchmarks.branch_checks import weight_checks
from benchmarks.gpu_operations import PRECISIONS, Check, operation_checks, seconds
from benchmarks.machine import Table, Value, Watch, repeats_option, write_option, write_result
from benchmarks.pearl_step import fill
from benchmarks.rollout_checks import CONFIG, rollout_checks
from benchmarks.step_operations import as_on_a_gpu
from rlkit.launchers import pearl
from rlkit.launchers.load_config import load_config
from rlkit.launchers.pearl import PEARL
from rlkit.torch import gpu_route, optimizers
from rlkit.torch.adam import Adam
from rlkit.torch.branches import branches_of
from rlkit.torch.execution import Branch
from rlkit.torch.gpu_route import GpuRoute
from rlkit.torch.mlp_function import Route
from rlkit.torch.sac import halves

SMALL = ("n_train_tasks=4", "n_eval_tasks=2", "algo_params.batch_size=64", "net_size=32")
# Milliseconds predicted for an H100, in float32 and tf32.
STEP: dict[str, tuple[float | None, float | None]] = {
    "in line, whole weight gradients, an optimizer launch per network": (2.32, 1.72),
    "in line, weight gradients by parts": (None, None),
    "in line, and optimizers in pieces": (None, None),
    "in line, and bias and ReLU in the product": (None, None),
    "branches, the encoder's update in line": (1.44, 0.94),
    "branches (as shipped)": (1.31, 0.82),
}
UNDONE: list[list[str]] = [
    *(["branches", "pieces", "epilogues", "parts"][: 4 - n] for n in range(4)),
    ["the encoder's branch"],
    [],
]
SEEDS = {1: (1.31, 0.82), 3: (3.2, 1.7), 5: (5.2, 2.8)}


def build(device: str, precision: str = "float32", seed: int = 0) -> Any:
    """An experiment of cheetah-vel with filled buffers; on a CPU a small one."""
    settings = [
        f"seed={seed}",
        "util_params.physics_threads=1",
        f"util_params.precision={precision}",
    ]
    config: Any = load_config(CONFIG, [*settings, *(SMALL if device == "cpu" else ())])
    if device == "cpu":
        config = replace(config, util_params=replace(config.util_params, precision="float32"))
    experiment, rng = PEARL().build(config, device, seed), np.random.RandomState(seed)
    for buffer in experiment.algorithm.buffers.values():
        fill(buffer, rng)
    return experiment


def train(experiment: Any, num_steps: int) -> None:
    """Take steps and read the statistics, which waits for the device."""
    algorithm: Any = experiment.algorithm
    algorithm.trainer.train(algorithm.replay_buffer, algorithm.encoder_buffer, num_steps)


@contextmanager
def without(*changes: str) -> Iterator[None]:
    """Undo some changes for what is built and captured inside.

    Args:
        *changes: "parts", "pieces", "epilogues", "branches", "the encoder's branch".
    """

    def whole_adam(groups: list[tuple[torch.nn.Module, float]]) -> torch.optim.Adam:
        parameters: list[dict[str, Any]] = [
            {"params": list(m.parameters()), "lr": lr} for m, lr in groups
        ]
        on_gpu = parameters[0]["params"][0].is_cuda
        return Adam(parameters, fused=True, capturable=on_gpu)

    replaced: dict[str, list[tuple[Any, str, Any]]] = {
        "parts": [(gpu_route, "row_parts", lambda shape, num_inputs: 1)],
        "epilogues": [(GpuRoute, "linear", Route.linear)],
        "pieces": [
            (halves, "adam", whole_adam),
            (optimizers, "cut_on_gpu", lambda tensors: tensors),
        ],
        "branches": [(pearl, "branches_of", lambda device, wanted: Branch)],
        "the encoder's branch": [(pearl, "branches_of", all_but_the_first)],
    }
    with ExitStack() as stack:
        for change in changes:
            for where, name, other in replaced[change]:
                stack.enter_context(mock.patch.object(where, name, other))
        yield


def all_but_the_first(device: torch.device, wanted: bool) -> Callable[[], Branch]:
    """`branches_of`, whose first branch, the encoder's, runs in line."""
    make, numbers = branches_of(device, wanted), count()
    return lambda: make() if next(numbers) > 0 else Branch()


def train_without(changes: Sequence[str], experiment: Any, num_steps: int) -> None:
    """Train without some changes; on a GPU this was fixed at capture."""
    with without(*changes):
        train(experiment, num_steps)


def step_checks(device: str, repeats: int, steps: int) -> Iterator[Check]:
    """A captured step with and without each change, in turns."""
    kinds = dict(zip(STEP, UNDONE, strict=True))
    for number, precision in enumerate(PRECISIONS):
        runs: dict[str, Callable[[], None]] = {}
        for name, changes in kinds.items():
            with without(*changes):
                experiment = build(device, precision)
                train(experiment, 2)  # captures, with and without statistics
            runs[name] = partial(train_without, changes, experiment, steps)
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(repeats):
            for name, run in runs.items():
                times[name].append(1e3 * seconds(run) / steps)
        for name, found in times.items():
            yield Check(
                f"step, {precision}, ms", name, statistics.median(found), STEP[name][number]
            )


def seed_checks(device: str, repeats: int, steps: int) -> Iterator[Check]:
    """Steps of several seeds in threads with a stream each, per step of all of them."""
    for number, precision in enumerate(PRECISIONS):
        experiments = [build(device, precision, seed) for seed in range(max(SEEDS))]
        streams = [None if device == "cpu" else torch.cuda.Stream() for _ in experiments]
        runs = [partial(take, *pair) for pair in zip(experiments, streams, strict=True)]
        with ExitStack() as stack:
            for k, experiment in enumerate(experiments):
                algorithm: Any = experiment.algorithm
                buffers = algorithm.replay_buffer, algorithm.encoder_buffer
                stack.enter_context(algorithm.trainer.training(*buffers))
                runs[k](2)  # one capture at a time
            for number_of_seeds, predicted in SEEDS.items():
                with ThreadPoolExecutor(number_of_seeds) as pool:
                    together = partial(all_at_once, pool, runs[:number_of_seeds], steps)
                    took = (
                        1e3 * statistics.median(seconds(together) for _ in range(repeats)) / steps
                    )
                expected = predicted[number]
                yield Check(
                    f"seeds, {precision}, ms", f"{number_of_seeds} seeds", took, expected, 0.15
                )


def take(experiment: Any, stream: torch.cuda.Stream | None, num_steps: int) -> None:
    """Take steps on a stream and wait for it."""
    trainer: Any = experiment.algorithm.trainer
    with torch.cuda.stream(stream):
        trainer.take(num_steps)
    if stream is not None:
        stream.synchronize()


def all_at_once(
    pool: ThreadPoolExecutor, runs: Sequence[Callable[[int], None]], num_steps: int
) -> None:
    """Take steps of several experiments, each in a thread."""
    list(pool.map(lambda run: run(num_steps), runs))


STAGES = {
    "weights": (weight_checks, 500),
    "step": (step_checks, 200),
    "operations": (operation_checks, 50),
    "seeds": (seed_checks, 200),
    "rollouts": (rollout_checks, 1),
}


@click.command()
@click.argument("stage", type=click.Choice(list(STAGES)))
@click.option("--device", default="cuda:0", show_default=True, help="A GPU, or cpu: only try it.")
@repeats_option(5)
@write_option
def main(stage: str, device: str, repeats: int, write: bool) -> None:
    """Check the predictions of one stage; see the module's own text."""
    on_gpu = device != "cpu"
    measure, size = STAGES[stage]
    rows: dict[str, list[list[Any]]] = {}
    with Watch() as watch, ExitStack() as stack:
        if not on_gpu:
            stack.enter_context(as_on_a_gpu())
        for check in measure(device, repeats if on_gpu else 1, size if on_gpu else 2):
            verdict = check.verdict(on_gpu)
            predicted = "" if check.predicted is None else f", predicted {check.predicted:.3g}"
            click.echo(f"{check.stage}: {check.name}: {check.measured:.3g}{predicted}: {verdict}")
            rows.setdefault(check.stage, []).append(
                [check.name, check.measured, check.predicted, verdict]
            )
    if write and on_gpu:
        values = [Value("measured", 3, wall=True), Value("predicted", 3), Value("verdict")]
        tables = [Table(name, ["what"], values, found) for name, found in rows.items()]
        command = f"python -m benchmarks.gpu_checks {stage} --device {device} --repeats {repeats}"
        path = write_result(f"gpu_checks_{stage}", tables, watch, command=command, device=device)
        click.echo(f"wrote {path}")


if __name__ == "__main__":
    main()
