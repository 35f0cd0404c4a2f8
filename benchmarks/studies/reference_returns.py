"""Returns of simple policies on every task in both physics modes: the start of learning curves.

python -m benchmarks.studies.reference_returns [--episodes 400] [--tasks ant-dir,cheetah-vel]

Policies are *zero* actions, *random* actions (uniform in the action box) and, for point robots and
the Sawyer arm, a script that knows the *goal*. Episodes have the length used in training, or end
earlier where the task ends them. The standard error is that of the mean over these tasks, each run
equally often. *Earlier figure*: a previous measurement by another program on MuJoCo 4.0 with native
physics, from few episodes and without standard errors. `tests/envs/test_reference_returns.py`
repeats the measurement and compares at four standard errors.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import click
import numpy as np

from benchmarks.machine import Table, Value, Watch, write_option, write_result
from benchmarks.sawyer_policies import DragPuck, ReachGoal, runnable
from benchmarks.studies.reference_cases import CASES, Case
from rlkit.core.seeding import stream
from rlkit.envs import env_class, make_env
from rlkit.envs.base import MetaEnv
from rlkit.envs.keywords import constructor_keywords
from rlkit.policies.simple import RandomPolicy
from rlkit.samplers.util import rollout

MAX_LANES = 64


@dataclass(frozen=True)
class Measured:
    """Mean return over the tasks, its standard error, mean length of an episode in steps, and
    number of episodes.
    """

    mean: float
    error: float
    steps: float
    episodes: int


def physics_modes(env_name: str) -> tuple[str, ...]:
    """Modes of its physics that a task distribution can be given; ("",) where it has none."""
    keywords = constructor_keywords(env_class(env_name))
    return get_args(keywords["physics"].annotation) if "physics" in keywords else ("",)


class ZeroPolicy:
    """Actions of zero."""

    def __init__(self, act_dim: int) -> None:
        self.act_dim = act_dim

    def start_trajectories(self, generators: Sequence[np.random.Generator]) -> None:
        """There is no state to reset."""

    def get_actions(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        return np.zeros((len(obs), self.act_dim))


class GoalPolicy(ZeroPolicy):
    """Goes straight to the goal of a point robot, as far as an action reaches along each axis."""

    def __init__(self, env: MetaEnv) -> None:
        super().__init__(env.act_dim)
        self._env = env

    def get_actions(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        missing = self._env.tasks[self._env.task_ids] - obs
        return np.clip(missing / self._env.unwrapped.action_high, -1, 1)


def measure(case: Case, physics: str, episodes: int, seed: int) -> Measured:
    """Run episodes, every task equally often and at least twice.

    Args:
        case: what to measure.
        physics: mode, "" where there is none.
        episodes: about how many in all.
        seed: of starts and actions.
    Returns:
        The result.
    """
    params = {**case.env_params, **({"physics": physics} if physics else {})}
    rounds = max(2, round(episodes / len(case.task_ids)))
    runs = [(task, n) for task in case.task_ids for n in range(rounds)]
    env = make_env(
        case.env_name, n_tasks=case.n_tasks, num_envs=min(MAX_LANES, len(runs)), **params
    )
    if case.tasks is not None:
        env.set_tasks(case.tasks)
    script = {"sawyer-reach": ReachGoal, "sawyer-push": DragPuck}.get(env.name, GoalPolicy)
    policies: dict[str, Any] = {
        "zero": ZeroPolicy(env.act_dim),
        "random": RandomPolicy(env.act_dim),
        "goal": script(env),
    }
    returns, lengths = [], []
    for first in range(0, len(runs), env.num_envs):
        part = runs[first : first + env.num_envs]
        generators = [stream(seed, f"{case.env_name} {case.actions}", task, n) for task, n in part]
        tasks = [task for task, _ in part]
        paths = rollout(
            env,
            policies[case.actions],
            tasks,
            generators,
            env.max_episode_steps,
            deterministic=True,
        )
        returns.append(paths.returns(case.sparse).astype(np.float64))
        lengths.append(paths.lengths)
    env.close()
    by_task = np.concatenate(returns).reshape(len(case.task_ids), rounds)
    error = np.sqrt((by_task.var(axis=1, ddof=1) / rounds).sum()) / len(by_task)
    return Measured(
        float(by_task.mean()), float(error), float(np.concatenate(lengths).mean()), by_task.size
    )


def all_cases(names: Sequence[str]) -> Iterator[tuple[Case, str]]:
    """Every case of these task distributions with each of its physics modes ("" where there is
    none).
    """
    for case in CASES:
        if case.env_name in names:
            yield from ((case, physics) for physics in physics_modes(case.env_name))


def row_of(case: Case, physics: str, found: Measured) -> list[Any]:
    """A row of the table."""
    figures = [found.mean, found.error, found.steps, found.episodes]
    return [case.env_name, case.on, case.actions, physics or "none", *figures, case.earlier]


@click.command()
@click.option(
    "--episodes", default=400, type=click.IntRange(min=2), help="Episodes of a row, about."
)
@click.option(
    "--tasks",
    default=",".join(runnable(dict.fromkeys(case.env_name for case in CASES))),
    help="Task distributions.",
)
@click.option("--seed", default=0, type=click.IntRange(min=0), help="Of starts and actions.")
@write_option
def main(episodes: int, tasks: str, seed: int, write: bool) -> None:
    """Measure reference returns."""
    rows = []
    with Watch() as watch:
        for case, physics in all_cases(tasks.split(",")):
            rows.append(row_of(case, physics, measure(case, physics, episodes, seed)))
            name, on, actions, mode, mean, error, steps, number, earlier = rows[-1]
            shown = f"{mean:9.2f} ± {error:.2f} in {steps:.1f} steps, {number} episodes"
            shown += f" (earlier: {earlier})"
            click.echo(f"{name}, {on}, {actions} actions, physics {mode}: {shown}")
    values = [
        Value("return", 2),
        Value("standard error", 2),
        Value("steps", 1),
        Value("episodes"),
        Value("earlier figure"),
    ]
    table = Table("Returns", ["task", "on", "actions", "physics"], values, rows)
    if write:
        command = f"python -m benchmarks.studies.reference_returns --episodes {episodes}"
        click.echo(f"wrote {write_result('reference_returns', [table], watch, command=command)}")


if __name__ == "__main__":
    main()
