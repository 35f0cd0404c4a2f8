"""Returns of the PETS planner on the true simulator, an upper reference for learned models.

    python -m benchmarks.studies.pets_true_simulator [--tasks pets-cartpole]
        [--episodes 3] [--steps N]

The cross-entropy method as PETS uses it (Chua et al. 2018; kchua/handful-of-trials,
dmbrl/misc/optimizers/cem.py), with the published sizes of each task, but every candidate is a lane
of the simulator itself, started from the present state. Candidates are rewarded as the planner
rewards predicted states, by `planned_outcome_of` and `compute_reward`.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
import torch

from benchmarks.machine import Table, Value, Watch, write_option, write_result
from rlkit.core.seeding import stream
from rlkit.envs.pets.base import PetsEnv
from rlkit.envs.pets.cartpole import PetsCartpole
from rlkit.envs.pets.half_cheetah import PetsHalfCheetah
from rlkit.envs.pets.pusher import PetsPusher
from rlkit.envs.pets.reacher import PetsReacher

TASKS: dict[str, type[PetsEnv]] = {
    cls.name: cls for cls in (PetsCartpole, PetsReacher, PetsPusher, PetsHalfCheetah)
}
CUT = 2.0  # normal variables are truncated at this many standard deviations


@dataclass(frozen=True)
class Sizes:
    """Sizes of the planner.

    Attributes:
        horizon: steps of a plan.
        popsize, num_elites: candidates per iteration, and the number of them to which the next
            distribution is fitted.
        iterations: maximum number of iterations.
        alpha: weight of the old mean and variance.
        epsilon: the search ends when all variances are at most this.
    """

    horizon: int
    popsize: int
    num_elites: int
    iterations: int = 5
    alpha: float = 0.1
    epsilon: float = 0.001


SIZES = {
    "pets-cartpole": Sizes(25, 400, 40),
    "pets-reacher": Sizes(25, 400, 40),
    "pets-pusher": Sizes(25, 500, 50),
    "pets-halfcheetah": Sizes(30, 500, 50),
}


class TrueSimulatorPlanner:
    """Plans by the cross-entropy method; lanes of the simulator execute the candidates."""

    def __init__(self, env: PetsEnv, sizes: Sizes, generator: np.random.Generator) -> None:
        """Take over an environment with a lane for each candidate.

        Args:
            env: `popsize` lanes.
            sizes: of the planner.
            generator: draws the candidates.
        """
        self._env, self._sizes, self._generator = env, sizes, generator
        shape = (sizes.horizon, env.act_dim)
        self._low = np.broadcast_to(env.action_low, shape)
        self._high = np.broadcast_to(env.action_high, shape)
        self.mean = (self._low + self._high) / 2
        env.reset_task(np.zeros(sizes.popsize, int))

    def act(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        """Plan from a state; return the first action of the mean, [act_dim], and keep the rest."""
        sizes, mean = self._sizes, self.mean
        variance = (self._high - self._low) ** 2 / 16
        for _ in range(sizes.iterations):
            if variance.max() <= sizes.epsilon:
                break
            room = np.minimum((mean - self._low) / 2, (self._high - mean) / 2)
            deviation = np.sqrt(np.minimum(room**2, variance))
            candidates = mean + deviation * self._truncated_normal()
            best = np.argsort(-self._returns(qpos, qvel, candidates))[: sizes.num_elites]
            elites = candidates[best]
            mean = sizes.alpha * mean + (1 - sizes.alpha) * elites.mean(axis=0)
            variance = sizes.alpha * variance + (1 - sizes.alpha) * elites.var(axis=0)
        self.mean = np.concatenate([mean[1:], np.zeros_like(mean[:1])])
        return mean[0]

    def _truncated_normal(self) -> np.ndarray:
        """Draw standard normal variables within ±2, [popsize, horizon, act_dim]."""
        share = math.erf(CUT / math.sqrt(2))
        shape = (self._sizes.popsize, *self._low.shape)
        uniform = torch.from_numpy(self._generator.uniform(-share, share, shape))
        return (math.sqrt(2) * torch.special.erfinv(uniform)).numpy()

    def _returns(self, qpos: np.ndarray, qvel: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """Sums of rewards [popsize] of action sequences [popsize, horizon, act_dim]."""
        env, popsize = self._env, len(candidates)
        start = obs = env.set_state(np.tile(qpos, (popsize, 1)), np.tile(qvel, (popsize, 1)))
        returns = np.zeros(popsize)
        for action in candidates.swapaxes(0, 1):
            next_obs = env.step(action)[0]
            outcome = np.stack(env.planned_outcome_of(start, obs, action, next_obs), axis=-1)
            returns += env.compute_reward(outcome, env.tasks[0])[0]
            obs = next_obs
        return returns


def episode_return(name: str, seed: int, num_steps: int | None = None) -> float:
    """Run an episode and return the sum of the environment's rewards.

    Args:
        name: of the task.
        seed: of start and candidates.
        num_steps: length, None for the task's own.
    Returns:
        The return.
    """
    sizes = SIZES[name]
    env = TASKS[name](dtype=np.float64)
    lanes = TASKS[name](num_envs=sizes.popsize, dtype=np.float64)
    planner = TrueSimulatorPlanner(lanes, sizes, stream(seed, f"{name} candidates"))
    env.reset_task([0])
    env.reset([stream(seed, f"{name} start")])
    total = 0.0
    for _ in range(num_steps or env.max_episode_steps):
        total += float(env.step(planner.act(*env.get_state(0))[None])[1][0])
    env.close()
    lanes.close()
    return total


@click.command()
@click.option("--tasks", default="pets-cartpole", show_default=True, help="Names with commas.")
@click.option("--episodes", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--steps", type=click.IntRange(min=1), help="Length of an episode.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@write_option
def main(tasks: str, episodes: int, steps: int | None, seed: int, write: bool) -> None:
    """Plan on the true simulator and print the returns."""
    names = tasks.split(",")
    if not set(names) <= TASKS.keys():
        raise click.BadParameter(f"{tasks}: known are {', '.join(TASKS)}", param_hint="--tasks")
    rows: list[list[Any]] = []
    with Watch() as watch:
        for task in names:
            returns, began = [], time.process_time()
            for number in range(seed, seed + episodes):
                returns.append(episode_return(task, number, steps))
                click.echo(f"{task}, seed {number}: {returns[-1]:.2f}")
            seconds = (time.process_time() - began) / episodes
            rows.append([task, np.mean(returns), np.std(returns), min(returns), episodes, seconds])
            click.echo(f"{task}: {rows[-1][1]:.2f} ± {rows[-1][2]:.2f}, {seconds:.0f} CPU s each")
    if write:
        values = [
            Value("mean return", 2),
            Value("standard deviation", 2),
            Value("least", 2),
            Value("episodes"),
            Value("CPU seconds an episode"),
        ]
        table = Table("Returns on the true simulator", ["task"], values, rows)
        options = f"--tasks {tasks} --episodes {episodes}"
        command = f"python -m benchmarks.studies.pets_true_simulator {options}"
        click.echo(f"wrote {write_result('pets_true_simulator', [table], watch, command=command)}")


if __name__ == "__main__":
    main()
