"""Cost of relabeling relative to training, at the sizes of HFR's configurations.

    python -m benchmarks.hfr_relabeling [--tasks ant-goal,four-corners] [--threads 1] [--repeats 5]

Three parts are measured alternately: a gradient step, scoring a trajectory with hfr-q (its rewards
and its utility under every train task), and one of the K contexts from which the log-partition of
every task is estimated. An iteration has `num_train_steps_per_itr` gradient steps, scores half of
its trajectories and uses K contexts. Networks have their shipped sizes and initial weights; rows
and trajectories are random numbers with the environment's shapes, and nothing is simulated. Figures
are median CPU seconds, summed over threads.
"""

import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.machine import Table, Value, Watch, repeats_option, write_option, write_result
from rlkit.core.errors import UserError
from rlkit.data_management.labels import labels_of
from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.launchers.choices import resolve
from rlkit.launchers.hfr import HFR
from rlkit.launchers.load_config import load_config
from rlkit.torch.execution import torch_threads

CONFIGS = Path(__file__).resolve().parents[1] / "configs" / "hfr"
TRAJECTORIES = 3  # of each task in the buffers


def random_paths(
    env: MetaEnv, task_ids: np.ndarray, horizon: int, generator: np.random.Generator
) -> Paths:
    """Full-length trajectories: standard normal observations, actions, rewards and outcomes."""
    paths = Paths.empty(
        len(task_ids), horizon, env.obs_dim, env.act_dim, env.outcome_dim, dtype=env.dtype
    )
    paths.lengths[:], paths.task_ids[:] = horizon, task_ids
    for array in (paths.obs, paths.actions, paths.rewards, paths.outcomes):
        array[:] = generator.standard_normal(array.shape)
    return paths


def measure(config: Any, repeats: int) -> tuple[float, float, float]:
    """CPU seconds of a gradient step, a scored trajectory and a partition context, in turns."""
    experiment, generator = HFR().build(config, "cpu", 0), np.random.default_rng(0)
    algorithm, env = experiment.algorithm, experiment.env
    relabeler: Any = algorithm.collection.relabeler
    with closing(env):
        tasks = np.repeat(np.arange(config.n_train_tasks), TRAJECTORIES)
        for buffer in algorithm.buffers.values():
            buffer.add_paths(
                tasks, random_paths(env, tasks, config.algo_params.max_path_length, generator)
            )
        path = random_paths(
            env, np.zeros(1, np.int64), config.algo_params.max_path_length, generator
        )
        foresight = relabeler.method.foresight

        def step() -> None:
            algorithm.trainer.train(algorithm.replay_buffer, algorithm.encoder_buffer, 1)

        def judge() -> None:
            with relabeler.sharing():
                relabeler.method.score(path, labels_of(path, relabeler.tasks, env), generator)

        def partition() -> None:
            with relabeler.sharing():
                foresight.log_partition(algorithm.buffers["sampler"], generator)

        return in_turns((step, judge, partition), repeats)


def in_turns(parts: tuple[Callable[[], None], ...], repeats: int) -> Any:
    """Median CPU seconds of each part, after a warm-up round."""
    rounds = []
    for _ in range(repeats + 1):
        marks = [time.process_time()]
        for part in parts:
            part()
            marks.append(time.process_time())
        rounds.append(np.diff(marks))
    return tuple(statistics.median(times) for times in zip(*rounds[1:], strict=True))


def row_of(name: str, threads: int, repeats: int) -> list[Any]:
    """A table row: the three parts, judged trajectories per iteration, overhead of relabeling."""
    settings = [
        "seed=0",
        f"util_params.torch_threads={threads}",
        "util_params.physics_threads=1",
        "util_params.num_envs=1",
    ]
    config = load_config(CONFIGS / f"{name}.json", settings)
    samples = config.algo_params.num_partition_samples  # type: ignore[attr-defined]
    one_context = replace(config, algo_params=replace(config.algo_params, num_partition_samples=1))
    step, judge, partition = measure(resolve(one_context, "cpu"), repeats)
    algo = config.algo_params
    trajectories = HFR().requirements(config).iteration_steps / algo.max_path_length
    judged = trajectories * algo.probability  # type: ignore[attr-defined]
    share = (judged * judge + samples * partition) / (algo.num_train_steps_per_itr * step)
    return [name, 1e3 * step, 1e3 * judge, 1e3 * partition, judged, 100 * share]


@click.command()
@click.option("--tasks", default=None, help="Names of files in configs/hfr; all unless told.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1))
@repeats_option(5)
@write_option
def main(tasks: str | None, threads: int, repeats: int, write: bool) -> None:
    """Measure what relabeling costs; see the module's own text."""
    rows = []
    with Watch() as watch, torch_threads(1):
        for name in (
            tasks.split(",") if tasks else sorted(path.stem for path in CONFIGS.glob("*.json"))
        ):
            try:
                rows.append(row_of(name, threads, repeats))
            except UserError as error:  # a task whose files are not installed
                click.echo(f"{name}: left out ({error})")
                continue
            step, judge, partition, judged, share = rows[-1][1:]
            parts = f"step {step:.0f} ms, trajectory {judge:.0f} ms, context {partition:.0f} ms"
            click.echo(f"{name}: {parts}, {judged:.0f} trajectories: {share:.1f} %")
    if write:
        values = [
            Value(f"{part}, CPU ms", 1)
            for part in ("gradient step", "judged trajectory", "partition context")
        ]
        values += [Value("judged per iteration", 0), Value("relabeling / training, %", 1)]
        threaded = f"{threads} thread{'s' * (threads > 1)}"
        note = f"hfr-q as shipped, {threaded}. Aim: at most 10 %, ant-vel 15 %."
        table = Table("Cost of relabeling", ["configuration"], values, rows, note)
        command = f"python -m benchmarks.hfr_relabeling --threads {threads} --repeats {repeats}"
        click.echo(f"wrote {write_result('hfr_relabeling', [table], watch, command=command)}")


if __name__ == "__main__":
    main()
