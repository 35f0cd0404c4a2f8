"""An iteration of RL², ProMP or MAML-TRPO on cheetah-vel, compared with bare physics.

Figures are environment steps per second: of the collection, which has the policy in its loop, and
of collection and update together (evaluation excluded). Both and bare physics take turns.

python -m benchmarks.meta_pg_iteration [--methods rl2,promp] [--threads 1,2] [--repeats 8]

Policies are untrained. RL² stops an update early at its `kl_target`, in a trained policy earlier
than here. An iteration of a gradient method at full size takes about a minute.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import click
import numpy as np

from benchmarks.machine import Table, Value, Watch, repeats_option, write_option, write_result
from benchmarks.rollouts import BarePhysics
from rlkit.core.algorithm import NoLoop
from rlkit.launchers.choices import resolve
from rlkit.launchers.launcher import Experiment, launcher_for
from rlkit.launchers.load_config import load_config
from rlkit.launchers.machine import keep_freed_memory
from rlkit.torch.execution import torch_threads

STEPS = "Number of env steps total"


def config_name(method: str) -> str:
    """The configuration that is measured."""
    return f"figure3/cheetah-vel-{method}"


def build(method: str, threads: int, settings: tuple[str, ...] = ()) -> Experiment:
    """A new experiment with as many physics threads as threads of the networks."""
    both = [f"util_params.{what}_threads={threads}" for what in ("physics", "torch")]
    config = load_config(config_name(method), [*both, *settings])
    resolved = resolve(replace(config, seed=0), "cpu")
    return launcher_for(resolved).build(resolved, "cpu", 0)


class Iterations:
    """Iterations of an experiment; both methods return the environment steps of the current one."""

    def __init__(self, experiment: Experiment) -> None:
        self.algorithm = experiment.algorithm
        self.iteration = self.total = self.steps = 0

    def collect(self) -> int:
        """Collect an iteration's data."""
        total = int(self.algorithm.collect_data(self.iteration, NoLoop())[STEPS])
        self.steps, self.total = total - self.total, total
        return self.steps

    def update(self) -> int:
        """Update on these data."""
        self.algorithm.do_training(self.iteration, NoLoop())
        self.iteration += 1
        return self.steps


def seconds_per_step(run: Callable[[], int]) -> tuple[float, float]:
    """Wall-clock and CPU seconds of `run` for each of the steps that it returns."""
    began, worked = time.perf_counter(), time.process_time()
    steps = run()
    return (time.perf_counter() - began) / steps, (time.process_time() - worked) / steps


def measure(experiment: Experiment, threads: int, repeats: int) -> list[float]:
    """The figures of a row; medians over the repeats, after a first turn that is not counted."""
    with closing(experiment.env), torch_threads(1):
        bare = BarePhysics(experiment.env.unwrapped.model, threads)
        parts = Iterations(experiment)
        turns = [
            [seconds_per_step(run) for run in (bare.run, parts.collect, parts.update)]
            for _ in range(repeats + 1)
        ]
    walls, cpus = np.median(turns[1:], axis=0).T
    whole = walls[1] + walls[2]
    return [
        parts.steps,
        1 / walls[1],
        walls[0] / walls[1],
        cpus[0] / cpus[1],
        walls[2] * parts.steps,
        1 / whole,
        walls[0] / whole,
    ]


@click.command()
@click.option("--methods", default="rl2", show_default=True, help="Methods, with commas.")
@click.option("--threads", default="1,2", show_default=True, help="Numbers, with commas.")
@repeats_option(8)
@write_option
def main(methods: str, threads: str, repeats: int, write: bool) -> None:
    """Measure iterations; see the module's own text."""
    keep_freed_memory()
    rows = []
    with Watch() as watch:
        for method in methods.split(","):
            for number in map(int, threads.split(",")):
                figures = measure(build(method, number), number, repeats)
                rows.append([config_name(method), number, *figures])
                _, speed, share, cpu_share, seconds, whole, whole_share = figures
                click.echo(
                    f"{config_name(method)}, {number} threads: collection {speed:,.0f} steps/s, "
                    f"{share:.2f} of bare physics (CPU time: {cpu_share:.2f}); update "
                    f"{seconds:.2f} s; both {whole:,.0f} steps/s, {whole_share:.2f}"
                )
    if write:
        values = [
            Value("steps"),
            Value("collection, steps/s", wall=True),
            Value("share of bare physics", 2, wall=True),
            Value("the same, by CPU time", 2),
            Value("update, s", 2, wall=True),
            Value("both, steps/s", wall=True),
            Value("share of bare physics, both", 2, wall=True),
        ]
        note = "Bare physics is `mj_step(nstep=5)` on as many threads."
        tables = [Table("An iteration", ["file", "threads"], values, rows, note)]
        command = (
            f"python -m benchmarks.meta_pg_iteration --methods {methods} --threads {threads} "
            f"--repeats {repeats}"
        )
        click.echo(f"wrote {write_result('meta_pg_iteration', tables, watch, command=command)}")


if __name__ == "__main__":
    main()
