"""Memory of the process during the first collection of a run, in addition to the replay data.

python -m benchmarks.studies.initial_pool_memory [--config configs/humanoid-dir.json] [--tasks 100]
    [--limit 1.5]

Collects the initial pool and the visits of the first iteration with the untrained policy, as a run
does, and compares the peak resident size of the process with the data of the two replay buffers at
the end. For the shipped humanoid this is a pool of 200,000 transitions with two observations of
size 376. Trajectories are collected in chunks of one per lane, so the difference depends on the
lanes and not on the pool. Exits 1 if the difference is above the limit.
"""

import time
from dataclasses import replace
from pathlib import Path

import click

from benchmarks.machine import GB, Table, Value, Watch, peak_bytes, write_option, write_result
from rlkit.core.algorithm import NoLoop
from rlkit.core.errors import UserError
from rlkit.launchers.load_config import load_config
from rlkit.launchers.pearl import PEARL
from rlkit.launchers.pearl_config import PEARLExperiment
from rlkit.torch.execution import torch_threads

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "humanoid-dir.json"


def collect(config: PEARLExperiment) -> tuple[int, int, int]:
    """Build an experiment and collect its first data.

    Args:
        config: checked.
    Returns:
        Rows of the buffer that the updates draw from, bytes of data in both buffers, and lanes.
    """
    experiment = PEARL().build(config, "cpu", 0)
    experiment.algorithm.collect_data(0, NoLoop())
    buffers = experiment.algorithm.buffers.values()
    data = sum(buffer.num_rows * buffer.row_bytes for buffer in buffers)
    experiment.env.close()
    return experiment.algorithm.replay_buffer.num_rows, data, experiment.env.num_envs


@click.command()
@click.option(
    "--config",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=CONFIG,
    help="A JSON.",
)
@click.option("--tasks", type=click.IntRange(min=1), help="Train tasks, if others than the file's.")
@click.option(
    "--limit",
    default=1.5,
    type=click.FloatRange(min=0),
    help="Gigabytes above the replay data that are allowed.",
)
@write_option
def main(path: Path, tasks: int | None, limit: float, write: bool) -> None:
    """Measure the memory of a run's first collection."""
    try:
        config = load_config(path, [f"n_train_tasks={tasks}"] if tasks else [])
    except UserError as error:
        raise click.ClickException(str(error)) from error
    config = replace(
        config, util_params=replace(config.util_params, torch_threads=1, physics_threads=1)
    )
    before = peak_bytes()
    with Watch() as watch, torch_threads(1):
        start = time.perf_counter(), time.process_time()
        rows, data, lanes = collect(config)
        wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    above = peak_bytes() - data
    figures = [lanes, rows, data / GB, peak_bytes() / GB, above / GB, before / GB, cpu, wall]
    click.echo(
        f"{config.env_name}, {lanes} lanes: {rows:,} transitions, "
        f"replay data {data / GB:.2f} GB, peak {peak_bytes() / GB:.2f} GB"
    )
    click.echo(
        f"above the replay data: {above / GB:.2f} GB (limit {limit}), "
        f"of which before anything was built: {before / GB:.2f} GB"
    )
    if write:
        values = [
            Value("lanes"),
            Value("transitions"),
            Value("replay data, GB", 2),
            Value("peak of the process, GB", 2),
        ]
        values += [
            Value("above the data, GB", 2),
            Value("before anything was built, GB", 2),
            Value("CPU, s"),
            Value("wall, s", wall=True),
        ]
        table = Table("Peak memory", ["configuration"], values, [[path.stem, *figures]])
        command = "python -m benchmarks.studies.initial_pool_memory"
        path = write_result("initial_pool_memory", [table], watch, command=command)
        click.echo(f"wrote {path}")
    if above > limit * GB:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
