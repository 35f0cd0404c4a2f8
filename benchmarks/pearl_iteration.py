"""An iteration of cheetah-vel as shipped, and the whole experiment, compared with the plain twin.

The parts of both are measured in one process.

    python -m benchmarks.pearl_iteration [--threads 2] [--repeats 10]

The twin's iteration is never run as a whole: the time of each part is multiplied by how often it
occurs.
"""

import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import click
import torch

from benchmarks.machine import Table, Value, Watch, repeats_option, write_option, write_result
from benchmarks.pearl_step import fast_step, twin_step
from benchmarks.rollouts import CONFIG, HORIZON, evaluate
from rlkit.core.algorithm import NoLoop
from rlkit.core.loop import Progress
from rlkit.launchers.choices import resolve
from rlkit.launchers.load_config import load_config
from rlkit.launchers.machine import keep_freed_memory
from rlkit.launchers.pearl import PEARL
from rlkit.torch.execution import torch_threads
from tests.reference.plain_pearl import PlainPEARL
from tests.reference.plain_rollouts import PlainCheetah, PlainSampler


@dataclass(frozen=True)
class Part:
    """Seconds of a part of an iteration, for ours and the twin, and its number of repetitions."""

    name: str
    ours: float
    twin: float


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Median seconds, after a warm-up run."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


@click.command()
@click.option("--device", default="cpu", show_default=True, help="cpu, or a GPU such as cuda:0.")
@click.option("--threads", default=2, show_default=True, type=click.IntRange(min=1))
@repeats_option(10)
@write_option
def main(device: str, threads: int, repeats: int, write: bool) -> None:
    """Measure the parts of an iteration; see the module's own text."""
    keep_freed_memory()
    settings = [
        "seed=0",
        f"util_params.torch_threads={threads}",
        f"util_params.physics_threads={threads}",
    ]
    with Watch() as watch, torch_threads(1):
        began = time.perf_counter()
        config = resolve(load_config(CONFIG, settings), device)
        experiment = PEARL().build(config, device, 0)
        algorithm, algo = experiment.algorithm, config.algo_params
        with closing(experiment.env):
            algorithm.collection.collect_initial_pool(Progress(NoLoop(), total=0))
            start = time.perf_counter() - began
            model = experiment.env.unwrapped.model
            plain = PlainPEARL(experiment.networks, algo, config.latent_size)
            twin = PlainSampler(
                PlainCheetah(model, 0), plain, torch.Generator(device).manual_seed(0)
            )
            steps_collected = algo.num_tasks_sample * (
                algo.num_steps_prior + algo.num_extra_rl_steps_posterior
            )
            twin_trajectory = seconds(lambda: twin.collect(1, HORIZON), repeats)
            twin_test = seconds(
                lambda: twin.evaluate_task(3, algo.num_exp_traj_eval, HORIZON), max(1, repeats // 3)
            )
            runs = 2 * config.n_eval_tasks * algo.num_evals
            buffer_trajectories = config.n_eval_tasks * (
                algo.num_steps_per_eval // algo.max_path_length
            )
            parts = [
                Part(
                    "collection",
                    seconds(lambda: algorithm.collect_data(1, NoLoop()), repeats),
                    steps_collected / HORIZON * twin_trajectory,
                ),
                Part(
                    "evaluation",
                    seconds(evaluate(experiment), max(1, repeats // 3)),
                    runs * twin_test + buffer_trajectories * twin_trajectory,
                ),
            ]
        trained = fast_step(config, threads, 1, device)[0].algorithm
        plain_step, times = twin_step(config, threads, 1, device), []
        per_call = 1 if device == "cpu" else 100

        def steps() -> None:
            trained.trainer.train(trained.replay_buffer, trained.encoder_buffer, per_call)

        for _ in range(repeats + 1):
            marks = [time.perf_counter()]
            for run in (steps, plain_step):
                run()
                if device != "cpu":
                    torch.cuda.synchronize()
                marks.append(time.perf_counter())
            times.append(((marks[1] - marks[0]) / per_call, marks[2] - marks[1]))
        ours, theirs = (statistics.median(column) for column in zip(*times[1:], strict=True))
        number = algo.num_train_steps_per_itr
        parts.insert(0, Part(f"{number} gradient steps", number * ours, number * theirs))
    total = Part("an iteration", sum(part.ours for part in parts), sum(part.twin for part in parts))
    hours = algo.num_iterations / 3600
    initial = config.n_train_tasks * algo.num_initial_steps
    whole = Part(
        f"{algo.num_iterations} iterations, hours",
        hours * total.ours,
        hours * total.twin + initial / HORIZON * twin_trajectory / 3600,
    )
    begin = Part(
        f"build and initial pool ({initial:,} steps)", start, initial / HORIZON * twin_trajectory
    )
    rows = [
        [part.name, part.ours, part.twin, part.twin / part.ours]
        for part in [begin, *parts, total, whole]
    ]
    for name, ours, theirs, ratio in rows:
        unit = "" if name.endswith("hours") else " s"
        click.echo(f"{name}: {ours:.2f}{unit}, twin {theirs:.2f}{unit}, ratio {ratio:.1f}")
    if write:
        values = [
            Value("ours, s", 2, wall=True),
            Value("twin, s", 2, wall=True),
            Value("ratio", 1, wall=True),
        ]
        route = f"matmul {config.util_params.matmul}, slice_rows {config.util_params.slice_rows}"
        note = (
            f"{CONFIG}, {device}, {threads} threads, {route}. "
            "The twin is composed of measured parts; the last row is in hours."
        )
        table = Table("An iteration of cheetah-vel", ["part"], values, rows, note)
        options = f"--device {device} --threads {threads} --repeats {repeats}"
        command = f"python -m benchmarks.pearl_iteration {options}"
        file = write_result("pearl_iteration", [table], watch, command=command, device=device)
        click.echo(f"wrote {file}")


if __name__ == "__main__":
    main()
