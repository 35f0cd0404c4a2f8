"""CPU time of PETS' plan and training step compared with a plain twin and the arithmetic floor.

python -m benchmarks.pets_plan [--tasks cartpole,halfcheetah] [--threads 1,2] [--repeats 10]

A plan is PE-TSinf-CEM at the published size: five equal CEM iterations, of which one is measured.
All are measured in turns. Figures are the minimum CPU seconds over all repeats, because other
processes slow a plan down by more than the differences measured here. The floor is the number of
multiplications and additions divided by the rate of a 1,024^3 float32 product on the faster of two
routes, torch's own and oneDNN.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

from benchmarks.machine import Table, Value, Watch, repeats_option, write_option, write_result
from rlkit.launchers.machine import keep_freed_memory
from rlkit.torch.execution import torch_threads
from rlkit.torch.fast_torch import has_onednn, onednn_linear
from rlkit.torch.pets.dynamics import Dynamics, TrainingSettings, Transforms, make_ensemble
from rlkit.torch.pets.mpc import MPC
from rlkit.torch.pets.objective import ModelCosts, Reward
from rlkit.torch.pets.planners import CEM
from rlkit.torch.pets.propagation import trajectory_sampling_inf
from tests.reference.plain_pets import PlainPETS

NUM_NETS, NUM_PARTICLES, BATCH_SIZE, MAX_ITERS = 5, 20, 32, 5
SIDE = 1024  # of the product that the floor's rate is measured on
STEPS = 10  # training steps per measurement


@dataclass(frozen=True)
class Task:
    """The published sizes of one environment, and what its planner computes around the networks."""

    obs_dim: int
    act_dim: int
    input_size: int
    hidden_sizes: tuple[int, ...]
    weight_decays: tuple[float, ...]
    popsize: int
    plan_hor: int
    bound: float
    transforms: Transforms
    reward: Reward

    @property
    def macs(self) -> int:
        """Multiply-adds of one network evaluation."""
        sizes = [self.input_size, *self.hidden_sizes, 2 * self.obs_dim]
        return sum(inputs * outputs for inputs, outputs in pairwise(sizes))

    @property
    def plan_flops(self) -> int:
        """Multiplications and additions of a plan."""
        return 2 * self.macs * self.popsize * NUM_PARTICLES * self.plan_hor * MAX_ITERS

    @property
    def step_flops(self) -> int:
        """Those of a training step: forward, and twice as much backward."""
        return 6 * self.macs * BATCH_SIZE * NUM_NETS


def cartpole_inputs(obs: Tensor) -> tuple[Tensor, ...]:
    """Sine and cosine of the angle, then the other coordinates."""
    angle = obs[..., 1:2]
    return angle.sin(), angle.cos(), obs[..., :1], obs[..., 2:]


def cartpole_reward(obs: Tensor, action: Tensor, next_obs: Tensor, planned_from: Tensor) -> Tensor:
    """Distance of the tip to the upright position, and the cost of the action."""
    x = next_obs[..., 0] - 0.6 * next_obs[..., 1].sin()
    y = -0.6 * next_obs[..., 1].cos() - 0.6
    return torch.exp(-(x**2 + y**2) / 0.36) - 0.01 * (action**2).sum(dim=-1)


def cheetah_inputs(obs: Tensor) -> tuple[Tensor, ...]:
    """Sine and cosine of the pitch, and everything except the velocity of the last step."""
    pitch = obs[..., 2:3]
    return obs[..., 1:2], pitch.sin(), pitch.cos(), obs[..., 3:]


def cheetah_target(obs: Tensor, next_obs: Tensor) -> Tensor:
    """Differences, except that the velocity is itself."""
    return torch.cat([next_obs[..., :1], next_obs[..., 1:] - obs[..., 1:]], dim=-1)


def cheetah_next(obs: Tensor, output: Tensor) -> Tensor:
    """Inverse of the target."""
    return torch.cat([output[..., :1], obs[..., 1:] + output[..., 1:]], dim=-1)


def cheetah_reward(obs: Tensor, action: Tensor, next_obs: Tensor, planned_from: Tensor) -> Tensor:
    """Forward velocity, and the cost of the action."""
    return next_obs[..., 0] - 0.1 * (action**2).sum(dim=-1)


TASKS = {
    "cartpole": Task(
        obs_dim=4,
        act_dim=1,
        input_size=6,
        hidden_sizes=(500,) * 3,
        weight_decays=(1e-4, 2.5e-4, 2.5e-4, 5e-4),
        popsize=400,
        plan_hor=25,
        bound=3.0,
        transforms=Transforms(cartpole_inputs),
        reward=cartpole_reward,
    ),
    "halfcheetah": Task(
        obs_dim=18,
        act_dim=6,
        input_size=24,
        hidden_sizes=(200,) * 4,
        weight_decays=(2.5e-5, 5e-5, 7.5e-5, 7.5e-5, 1e-4),
        popsize=500,
        plan_hor=30,
        bound=1.0,
        transforms=Transforms(cheetah_inputs, cheetah_target, cheetah_next),
        reward=cheetah_reward,
    ),
}


def make_dynamics(task: Task) -> Dynamics:
    """An untrained PE model."""
    generator = torch.Generator().manual_seed(0)
    sizes = task.input_size, task.obs_dim, task.hidden_sizes
    ensemble = make_ensemble("PE", NUM_NETS, *sizes, generator=generator)
    settings = TrainingSettings(task.weight_decays, batch_size=BATCH_SIZE)
    return Dynamics(ensemble, task.transforms, settings, generator)


def make_plain(task: Task) -> PlainPETS:
    """The twin, with the same weights."""
    dynamics = make_dynamics(task)
    return PlainPETS(dynamics.ensemble, task.transforms, task.weight_decays, 1e-3)


def plans(task: Task) -> dict[str, Callable[[], None]]:
    """One CEM iteration of the twin and of ours."""
    plain, noise = make_plain(task), torch.Generator().manual_seed(0)
    high = torch.full((task.act_dim,), task.bound)
    obs, mean = torch.zeros(task.obs_dim), torch.zeros(task.plan_hor, task.act_dim)
    cem = CEM(-high, high, task.popsize, task.popsize // 10, max_iters=1)
    costs = ModelCosts(make_dynamics(task), trajectory_sampling_inf, task.reward, NUM_PARTICLES)
    mpc = MPC(costs, cem, -high, high, task.plan_hor)
    mpc.start_trajectories([np.random.default_rng(0)])

    def plain_plan() -> None:
        sizes = task.bound, task.popsize, task.popsize // 10, 1, NUM_PARTICLES
        plain.plan(obs, mean, *sizes, task.reward, noise)

    return {"plain twin": plain_plan, "ours": lambda: mpc.plan(obs[None])}


def steps(task: Task) -> dict[str, Callable[[], None]]:
    """Training steps of the twin and of ours."""
    dynamics, plain = make_dynamics(task), make_plain(task)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(NUM_NETS, BATCH_SIZE, task.input_size, generator=generator)
    targets = torch.randn(NUM_NETS, BATCH_SIZE, task.obs_dim, generator=generator)

    def repeat(step: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(STEPS):
                step(inputs, targets)

        return run

    return {"plain twin": repeat(plain.train_step), "ours": repeat(dynamics.train_step)}


def products() -> dict[str, Callable[[], Tensor]]:
    """The product that the floor's rate is measured on, by route."""
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(SIDE, SIDE, generator=generator) for _ in range(2))
    routes: dict[str, Callable[[], Tensor]] = {"default": lambda: first @ second}
    if has_onednn():
        routes["onednn"] = lambda: onednn_linear(first, second, None)
    return routes


def least_cpu_seconds(
    runs: dict[str, Callable[[], object]], repeats: int
) -> dict[str, tuple[float, float]]:
    """Minimum CPU and wall-clock seconds of each, in turns, after a warm-up that allocates."""
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    wall: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            began, worked = time.perf_counter(), time.process_time()
            run()
            cpu[name].append(time.process_time() - worked)
            wall[name].append(time.perf_counter() - began)
    return {name: (min(cpu[name][1:]), min(wall[name][1:])) for name in runs}


def measured(task: Task, repeats: int) -> Iterator[tuple[list[Any], list[float]]]:
    """Measure a plan, then a training step.

    Yields:
        Name; milliseconds of twin, ours, ours (wall clock) and floor; twin / ours; ours / floor;
        GFLOP per CPU second of each route of a product.
    """
    parts = (
        ("plan", plans(task), task.plan_flops, MAX_ITERS),
        ("training step", steps(task), task.step_flops, 1 / STEPS),
    )
    for what, runs, flops, times in parts:
        found = least_cpu_seconds({**products(), **runs}, repeats)
        rates = [2 * SIDE**3 / found[route][0] for route in products()]
        twin, ours = (times * found[which][0] for which in runs)
        floor = flops / max(rates)
        milliseconds = [1e3 * s for s in (twin, ours, times * found["ours"][1], floor)]
        yield [what, *milliseconds, twin / ours, ours / floor], [rate / 1e9 for rate in rates]


@click.command()
@click.option("--tasks", default=",".join(TASKS), show_default=True, help="Names, with commas.")
@click.option("--threads", default="1,2", show_default=True, help="Numbers, with commas.")
@repeats_option(10)
@write_option
def main(tasks: str, threads: str, repeats: int, write: bool) -> None:
    """Measure a plan and a training step; see the module's own text."""
    keep_freed_memory()
    rows: list[list[Any]] = []
    rates: list[list[Any]] = []
    with Watch() as watch:
        for number in map(int, threads.split(",")):
            for name in tasks.split(","):
                with torch_threads(number):
                    for row, rate in measured(TASKS[name], repeats):
                        rows.append([number, name, *row])
                        rates.append([number, name, row[0], *rate])
                        click.echo(
                            f"{number} threads, {name}, {row[0]}: {row[2]:.2f} CPU ms, "
                            f"{row[-2]:.2f} x as fast as the twin, {row[-1]:.2f} x the floor, "
                            f"GFLOP per CPU second {', '.join(f'{r:.0f}' for r in rate)}"
                        )
    if write:
        labels = ["threads", "task", "what"]
        cpu = [Value(f"{which}, CPU ms", 2) for which in ("twin", "ours")]
        values = [*cpu, Value("ours, ms", 2, wall=True), Value("floor, CPU ms", 2)]
        values += [Value("twin / ours", 2), Value("ours / floor", 2)]
        routes = [Value(f"{route}, GFLOP per CPU second") for route in products()]
        tables = [
            Table("Plan and training step of PETS", labels, values, rows),
            Table(f"Products of {SIDE}^3", labels, routes, rates),
        ]
        command = f"python -m benchmarks.pets_plan --tasks {tasks} --threads {threads}"
        command += f" --repeats {repeats}"
        click.echo(f"wrote {write_result('pets_plan', tables, watch, command=command)}")


if __name__ == "__main__":
    main()
