"""Time of a meta-gradient step compared with a plain twin and with the arithmetic floor, in turns.

python -m benchmarks.pearl_step [--config configs/cheetah-vel.json] [--threads 1,2] [--repeats 10]
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import Table, Value, Watch, repeats_option, write_option, write_result
from benchmarks.step_floor import floor_seconds, products
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.launchers.launcher import Experiment
from rlkit.launchers.load_config import load_config
from rlkit.launchers.machine import has_bf16_units, keep_freed_memory
from rlkit.launchers.pearl import PEARL
from rlkit.torch.execution import rounded_factors, sharing_threads, torch_threads
from tests.reference.plain_pearl import PlainBuffer, PlainPEARL

ROWS_PER_TASK = 2000  # in both buffers: as after the initial pool
config_option = click.option(
    "--config",
    "path",
    default="configs/cheetah-vel.json",
    show_default=True,
    type=click.Path(path_type=Path),
)


def fill(buffer: MultiTaskReplayBuffer, rng: np.random.RandomState) -> list[PlainBuffer]:
    """Fill a buffer with random rows; the twin's buffers hold the same numbers."""
    twins = []
    for task_id in range(buffer.num_tasks):
        rows = torch.from_numpy(
            rng.standard_normal((ROWS_PER_TASK, buffer.rows.width)).astype(np.float32)
        )
        rows[:, -1] = 0.0
        buffer.add_rows(task_id, rows)
        names = ("obs", "actions", "rewards", "sparse_rewards", "next_obs", "terminated")
        fields = dict(
            zip(names, (part.numpy() for part in rows.split(buffer.columns, dim=1)), strict=True)
        )
        twins.append(PlainBuffer(fields, str(buffer.device)))
    return twins


def fast_step(
    config: Any, threads: int, rng_seed: int, device: str = "cpu"
) -> tuple[Experiment, Callable[[], None]]:
    """A trainer over filled buffers, and a function that takes one step of it."""
    experiment = PEARL().build(config, device, 0)
    trainer, rng = experiment.algorithm.trainer, np.random.RandomState(rng_seed)
    for buffer in experiment.algorithm.buffers.values():
        fill(buffer, rng)

    def step() -> None:
        networks = trainer.networks.values()
        with sharing_threads(networks, threads), rounded_factors(networks):
            trainer.train_step(*experiment.algorithm.buffers.values(), with_statistics=False)

    return experiment, step


def twin_step(config: Any, threads: int, rng_seed: int, device: str = "cpu") -> Callable[[], None]:
    """The same for the plain twin, whose threads work inside each operation.

    Its rows are in host memory.
    """
    experiment = PEARL().build(config, device, 0)
    rng, generator = np.random.RandomState(rng_seed), torch.Generator(device).manual_seed(0)
    buffers = [fill(buffer, rng) for buffer in experiment.algorithm.buffers.values()]
    plain = PlainPEARL(experiment.networks, config.algo_params, config.latent_size)

    def step() -> None:
        with torch_threads(threads):
            plain.train_step(*buffers, rng, generator)

    return step


def flops_of(step: Callable[[], None]) -> float:
    """GFLOP of the products of a step on one thread."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops() / 1e9


def gpu_rows(config: Any, device: str, repeats: int, steps: int = 100) -> list[list[Any]]:
    """Median milliseconds of a step on a GPU.

    The twin, ours step by step, and ours captured, in turns of `steps` steps.
    """
    keys: dict[str, dict[str, Any]] = {
        "float32, launched step by step": {"cuda_graph": False},
        "float32, captured": {},
        "tf32, captured, in line": {"precision": "tf32", "branches": False},
        "tf32, captured": {"precision": "tf32"},
        "bf16, captured": {"precision": "bf16"},
    }
    twin = twin_step(config, 1, 1, device)

    def twin_steps() -> None:
        for _ in range(steps // 10):
            twin()
        torch.cuda.synchronize()

    runs: dict[str, tuple[Callable[[], Any], int]] = {"plain twin": (twin_steps, steps // 10)}
    for name, chosen in keys.items():
        experiment, _ = fast_step(
            replace(config, util_params=replace(config.util_params, **chosen)), 1, 1, device
        )
        algorithm = experiment.algorithm
        train = partial(
            algorithm.trainer.train, algorithm.replay_buffer, algorithm.encoder_buffer, steps
        )
        runs[name] = train, steps  # it fetches the losses, and so waits for the GPU, at its end
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, (run, number) in runs.items():
            start = time.perf_counter()
            run()
            if repeat > 0:
                times[name].append((time.perf_counter() - start) / number)
    twin_median = statistics.median(times["plain twin"])
    quartiles = {name: np.percentile(found, [25, 50, 75]) for name, found in times.items()}
    return [[name, *(1e3 * q), twin_median / q[1]] for name, q in quartiles.items()]


@click.command()
@config_option
@click.option("--device", default="cpu", show_default=True, help="cpu, or a GPU such as cuda:0.")
@click.option(
    "--threads", default="1,2", show_default=True, help="Numbers of threads, with commas."
)
@repeats_option(10)
@write_option
def main(path: Path, device: str, threads: str, repeats: int, write: bool) -> None:
    """Measure one meta-gradient step; see the module's own text."""
    keep_freed_memory()
    config = load_config(path, ["seed=0", "util_params.physics_threads=1"])
    if device != "cpu":
        with Watch() as watch:
            rows = gpu_rows(config, device, repeats)
        for name, _, median, _, ratio in rows:
            click.echo(f"{name}: {median:.3f} ms, {ratio:.1f} x twin")
        if write:
            values = [Value(f"{what}, ms", 3, wall=True) for what in ("25 %", "median", "75 %")]
            table = Table(
                "One meta-gradient step on a GPU",
                ["step"],
                [*values, Value("twin / this", 1, wall=True)],
                rows,
                str(path),
            )
            options = f"--config {path} --device {device} --repeats {repeats}"
            command = f"python -m benchmarks.pearl_step {options}"
            file = write_result("pearl_step", [table], watch, command=command, device=device)
            click.echo(f"wrote {file}")
        return
    routes: dict[str, dict[str, Any]] = {
        "default, all rows at once": {"matmul": "default", "slice_rows": 0},
        "default, slices": {"matmul": "default", "slice_rows": 1024},
        "onednn, all rows at once": {"matmul": "onednn", "slice_rows": 0},
        "onednn, slices": {"matmul": "onednn", "slice_rows": 1024},
        "onednn-all, all rows at once": {"matmul": "onednn-all", "slice_rows": 0},
        "onednn-all, slices": {"matmul": "onednn-all", "slice_rows": 1024},
    }
    if has_bf16_units():
        routes["bf16, slices"] = {"matmul": "default", "slice_rows": 1024, "precision": "bf16"}
    rows: list[list[Any]] = []
    floors: list[list[Any]] = []
    with Watch() as watch:
        for number in map(int, threads.split(",")):
            steps: dict[str, Callable[[], None]] = {"plain twin": twin_step(config, number, 1)}
            for name, keys in routes.items():
                chosen = replace(config, util_params=replace(config.util_params, **keys))
                experiment, steps[name] = fast_step(chosen, number, 1)
            algo = config.algo_params
            counts = products(
                experiment.networks,
                algo.meta_batch * algo.batch_size,
                algo.meta_batch * algo.embedding_batch_size,
            )
            gflop = sum(product.flops * count for product, count in counts.items()) / 1e9
            for step in steps.values():
                step()
            wall: dict[str, list[float]] = {name: [] for name in steps}
            cpu: dict[str, list[float]] = {name: [] for name in steps}
            floor = []
            for repeat in range(repeats):
                if repeat % 3 == 0:
                    floor.append(floor_seconds(counts, number, repeats=3))
                for name, step in steps.items():
                    began, worked = time.perf_counter(), time.process_time()
                    step()
                    wall[name].append(time.perf_counter() - began)
                    cpu[name].append(time.process_time() - worked)
            least = statistics.median(floor)
            floors.append([number, gflop, 1e3 * least, gflop / least])
            twin = statistics.median(wall["plain twin"])
            for name in steps:
                low, median, high = np.percentile(wall[name], [25, 50, 75])
                row = [
                    number,
                    name,
                    1e3 * low,
                    1e3 * median,
                    1e3 * high,
                    1e3 * statistics.median(cpu[name]),
                    1e3 * min(cpu[name]),
                ]
                rows.append([*row, twin / median, least / median])
                figures = f"{1e3 * median:.0f} ms (CPU: least {1e3 * min(cpu[name]):.0f}), "
                figures += f"{twin / median:.2f} x twin, floor/time {least / median:.2f}"
                click.echo(f"{number} threads, {name}: {figures}")
    counted = {
        "plain twin": flops_of(twin_step(config, 1, 1)),
        "fast": flops_of(
            fast_step(
                replace(config, util_params=replace(config.util_params, matmul="default")), 1, 1
            )[1]
        ),
    }
    click.echo(
        f"GFLOP of a step as counted: twin {counted['plain twin']:.1f}, ours {counted['fast']:.1f}"
    )
    if write:
        quartiles = [
            Value("25 %, ms", wall=True),
            Value("median, ms", wall=True),
            Value("75 %, ms", wall=True),
        ]
        ratios = [Value("twin / this", 2, wall=True), Value("floor / this", 2, wall=True)]
        note = (
            f"{path}. GFLOP of products as counted: "
            f"twin {counted['plain twin']:.1f}, ours {counted['fast']:.1f}. "
            "The floor is the time of the step's products alone, each on its fastest exact route."
        )
        tables = [
            Table(
                "One meta-gradient step",
                ["threads", "step"],
                [*quartiles, Value("CPU ms"), Value("least CPU ms"), *ratios],
                rows,
                note,
            ),
            Table(
                "Floor of the meta-gradient step",
                ["threads"],
                [
                    Value("GFLOP", 1),
                    Value("floor, ms", 0, wall=True),
                    Value("GFLOP/s", 0, wall=True),
                ],
                floors,
            ),
        ]
        options = f"--config {path} --threads {threads} --repeats {repeats}"
        command = f"python -m benchmarks.pearl_step {options}"
        click.echo(f"wrote {write_result('pearl_step', tables, watch, command=command)}")


if __name__ == "__main__":
    main()
