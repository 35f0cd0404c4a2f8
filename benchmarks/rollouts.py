"""Collection and evaluation of cheetah-vel, compared with bare physics and with a plain twin.

Figures are environment steps per second.

python -m benchmarks.rollouts [--threads 1,2] [--lanes 10,15,64,128] [--repeats 10]
"""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import click
import mujoco
import numpy as np
import torch

from benchmarks.machine import Table, Value, Watch, repeats_option, write_option, write_result
from rlkit.core.algorithm import NoLoop
from rlkit.core.loop import Progress
from rlkit.core.seeding import stream
from rlkit.launchers.launcher import Experiment
from rlkit.launchers.load_config import load_config
from rlkit.launchers.pearl import PEARL
from rlkit.torch.execution import torch_threads
from tests.reference.plain_pearl import PlainPEARL
from tests.reference.plain_rollouts import PlainCheetah, PlainSampler

CONFIG = "configs/cheetah-vel.json"
HORIZON = 200


class BarePhysics:
    """`mj_step(nstep=5)` alone on states that random actions reach, one simulation per thread."""

    def __init__(self, model: mujoco.MjModel, threads: int) -> None:
        self.model, self.threads = model, threads
        self.data = [mujoco.MjData(model) for _ in range(threads)]
        self.workers = ThreadPoolExecutor(threads)
        self.starts = np.random.default_rng(0).uniform(-0.1, 0.1, (64, model.nq))
        self.controls = np.random.default_rng(1).uniform(-1.0, 1.0, (HORIZON, model.nu))

    def run(self) -> int:
        """Step every simulation through eight episodes; the number of environment steps."""

        def episodes(data: mujoco.MjData) -> None:
            for start in self.starts[:8]:
                mujoco.mj_resetData(self.model, data)
                data.qpos[:] = self.model.qpos0 + start
                for control in self.controls:
                    data.ctrl[:] = control
                    mujoco.mj_step(self.model, data, 5)

        list(self.workers.map(episodes, self.data))
        return 8 * HORIZON * self.threads


def build(threads: int, lanes: int | None) -> Experiment:
    """A new experiment after collecting an initial pool of one trajectory per task."""
    settings = [
        "seed=0",
        *(f"util_params.{what}_threads={threads}" for what in ("physics", "torch")),
        f"algo_params.num_initial_steps={HORIZON}",
    ]
    if lanes is not None:
        settings.append(f"util_params.num_envs={lanes}")
    experiment = PEARL().build(load_config(CONFIG, settings), "cpu", 0)
    experiment.algorithm.collection.collect_initial_pool(Progress(NoLoop(), total=0))
    return experiment


def collect(experiment: Experiment, lanes: int) -> Callable[[], int]:
    """Collect trajectories with z from the prior on several lanes; returns the number of steps."""

    def run() -> int:
        generators = [stream(0, "benchmark", n) for n in range(lanes)]
        tasks = [n % len(experiment.algorithm.collection.train_tasks) for n in range(lanes)]
        return experiment.algorithm.collection.sampler.obtain_samples(tasks, generators).num_steps

    return run


def evaluate(experiment: Experiment) -> Callable[[], int]:
    """The whole evaluation of an iteration; returns the number of steps."""
    algorithm = experiment.algorithm
    cfg = algorithm.trainer.config

    def run() -> int:
        algorithm.evaluate(0, NoLoop())
        online = sum(
            int(paths.lengths.sum())
            for a in algorithm.evaluation.adaptations.values()
            for paths in a.trajectories
        )
        return (
            online
            + len(algorithm.evaluation.meta_test.eval_tasks)
            * (cfg.num_steps_per_eval // cfg.max_path_length)
            * cfg.max_path_length
        )

    return run


@click.command()
@click.option(
    "--threads", default="1,2", show_default=True, help="Numbers of physics threads, with commas."
)
@click.option(
    "--lanes", default="10,15,64,128", show_default=True, help="Widths of collection, with commas."
)
@repeats_option(10)
@write_option
def main(threads: str, lanes: str, repeats: int, write: bool) -> None:
    """Measure collection and evaluation; see the module's own text."""
    rows = []
    with Watch() as watch, torch_threads(1):
        for number in map(int, threads.split(",")):
            experiment = build(number, 128)
            with closing(experiment.env):
                model = experiment.env.unwrapped.model
                generator = torch.Generator().manual_seed(0)
                plain = PlainPEARL(
                    experiment.networks,
                    experiment.algorithm.trainer.config,
                    experiment.policy.latent_dim,
                )
                twin = PlainSampler(PlainCheetah(model, 0), plain, generator)

                def twin_collects(twin: PlainSampler = twin) -> int:
                    twin.collect(2, HORIZON)
                    return 2 * HORIZON

                def twin_evaluates(twin: PlainSampler = twin) -> int:
                    twin.evaluate_task(3, 2, HORIZON)
                    return 3 * HORIZON

                runs: dict[str, Callable[[], int]] = {
                    "bare mj_step": BarePhysics(model, number).run
                }
                runs["twin: collection"] = twin_collects
                runs |= {
                    f"collection, {n} lanes": collect(experiment, n)
                    for n in map(int, lanes.split(","))
                }
                runs["twin: evaluation"] = twin_evaluates
                runs["evaluation of an iteration"] = evaluate(experiment)
                rates: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
                for repeat in range(repeats + 1):
                    for name, run in runs.items():
                        if name.startswith("evaluation") and repeat > max(1, repeats // 3):
                            continue
                        began, worked = time.perf_counter(), time.process_time()
                        steps = run()
                        if repeat > 0:
                            rates[name].append(
                                (
                                    steps / (time.perf_counter() - began),
                                    steps / (time.process_time() - worked),
                                )
                            )
            medians = {
                name: [statistics.median(column) for column in zip(*rates[name], strict=True)]
                for name in runs
            }
            bare_wall, bare_cpu = medians["bare mj_step"]
            for name, (wall, cpu) in medians.items():
                against = "twin: evaluation" if "evaluation" in name else "twin: collection"
                rows.append(
                    [
                        number,
                        name,
                        wall,
                        wall / bare_wall,
                        cpu / bare_cpu,
                        wall / medians[against][0],
                    ]
                )
                share = f"{wall / bare_wall:.2f} of bare physics (CPU time: {cpu / bare_cpu:.2f})"
                click.echo(
                    f"{number} threads, {name}: {wall:.0f} steps/s, {share}, "
                    f"{wall / medians[against][0]:.1f} x twin"
                )
    if write:
        values = [
            Value("steps/s", wall=True),
            Value("share of bare physics", 2, wall=True),
            Value("the same, by CPU time", 2),
            Value("this / twin", 1, wall=True),
        ]
        note = (
            f"{CONFIG}. Bare physics is `mj_step(nstep=5)` on as many threads; "
            "the twin has one environment and uses one thread."
        )
        table = Table("Collection and evaluation", ["physics threads", "what"], values, rows, note)
        command = (
            f"python -m benchmarks.rollouts --threads {threads} --lanes {lanes} --repeats {repeats}"
        )
        click.echo(f"wrote {write_result('rollouts', [table], watch, command=command)}")


if __name__ == "__main__":
    main()
