"""Returns of simple behaviour in every task and both physics modes: what a learning curve starts from.

python -m benchmarks.reference_returns [--episodes 400] [--tasks ant-dir,cheetah-vel]

*Zero* actions, *random* ones (uniform in the action box), and for point robots and the Sawyer arm a script that knows the *goal*.
Episodes have the length used in training, or end earlier where the task ends them. The standard error is that of the mean over
these tasks, each run equally often. *Earlier figure*: what was measured once on MuJoCo 4.0 with native physics, from few episodes
and without standard errors, by another program. `tests/envs/test_reference_returns.py` measures again and compares at four
standard errors.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import click
import numpy as np

from benchmarks.machine import Table, Value, Watch, write_result
from benchmarks.sawyer_policies import DragPuck, ReachGoal, runnable
from rlkit.core.seeding import stream
from rlkit.envs import env_class, make_env
from rlkit.envs.base import MetaEnv
from rlkit.envs.keywords import constructor_keywords
from rlkit.policies.simple import RandomPolicy
from rlkit.samplers.util import rollout

MAX_LANES = 64


@dataclass(frozen=True)
class Case:
    """What is measured: a task distribution, some of its tasks, a behaviour, and what was measured earlier."""

    env_name: str
    on: str
    actions: str
    n_tasks: int
    task_ids: Sequence[int] = (0,)
    earlier: str = "–"
    tasks: tuple[tuple[float, ...], ...] | None = None  # instead of the distribution's own
    env_params: dict[str, Any] = field(default_factory=dict)
    sparse: bool = False
    retested: bool = True  # by the test; too long where there are many tasks


@dataclass(frozen=True)
class Measured:
    """Mean return over the tasks, its standard error, mean length of an episode in steps, and number of episodes."""

    mean: float
    error: float
    steps: float
    episodes: int


TEST_GOALS, TEST_TASKS, SOME_DIRECTIONS = range(80, 100), range(100, 130), range(10)
TWO = {"forward_backward": True}
SPARSE, SAWYER_GOALS = {"sparse": True}, range(50, 60)
CASES = [
    Case("cheetah-dir", "g = +1", "zero", 2, (1,), "−0.3 (spread 0.6)"),
    Case("cheetah-dir", "g = +1", "random", 2, (1,), "−35 (spread 31)"),
    Case("cheetah-vel", "30 test tasks", "zero", 130, TEST_TASKS, "−283.5"),
    Case("cheetah-vel", "g = 1.5", "random", 1, earlier="−336", tasks=((1.5,),)),
    Case("ant-dir", "forward, backward", "zero", 2, (0, 1), "200", env_params=TWO),
    Case(
        "ant-dir",
        "forward, backward",
        "random",
        2,
        (0, 1),
        "−20 in 54 steps; −32 in 95",
        env_params=TWO,
    ),
    Case(
        "ant-goal",
        "g = (2, 0)",
        "zero",
        1,
        earlier="−400: −200 ‖g‖₁ for no motion",
        tasks=((2.0, 0.0),),
    ),
    Case(
        "ant-goal",
        "g = (2, 0)",
        "random",
        1,
        earlier="−770; −707 (mujoco210: −722)",
        tasks=((2.0, 0.0),),
    ),
    Case(
        "ant-goal",
        "all 180 goals",
        "zero",
        180,
        range(180),
        "−511; −509.3 for no motion",
        retested=False,
    ),
    Case(
        "ant-goal-ring", "30 test tasks", "zero", 130, TEST_TASKS, "302 (spread 50)", retested=False
    ),
    Case(
        "ant-goal-ring",
        "30 test tasks",
        "random",
        130,
        TEST_TASKS,
        "302 (spread 53)",
        retested=False,
    ),
    Case("ant-goal-ring", "first 3 tasks", "zero", 130, range(3)),
    Case("ant-goal-ring", "first 3 tasks", "random", 130, range(3)),
    Case(
        "ant-vel",
        "30 test tasks",
        "zero",
        180,
        range(150, 180),
        "−116 (spread 174)",
        retested=False,
    ),
    Case(
        "ant-vel",
        "30 test tasks",
        "random",
        180,
        range(150, 180),
        "−118 (spread 172)",
        retested=False,
    ),
    Case("ant-vel", "first 3 tasks", "zero", 180, range(3)),
    Case("ant-vel", "first 3 tasks", "random", 180, range(3)),
    Case("ant-vel-sparse", "first 3 tasks", "zero", 180, range(3)),
    Case("ant-vel-sparse", "first 3 tasks", "random", 180, range(3)),
    Case(
        "cheetah-vel",
        "30 test tasks, task_seed 3",
        "zero",
        130,
        TEST_TASKS,
        "−289 (spread 180)",
        env_params={"task_seed": 3},
    ),
    Case(
        "cheetah-vel",
        "30 test tasks, task_seed 3",
        "random",
        130,
        TEST_TASKS,
        "−341 (spread 165)",
        env_params={"task_seed": 3},
    ),
    Case("cheetah-vel-sparse", "30 test tasks", "zero", 130, TEST_TASKS, "63 (spread 141)"),
    Case("cheetah-vel-sparse", "30 test tasks", "random", 130, TEST_TASKS, "22 (spread 53)"),
    Case("cheetah-highdim", "30 test tasks", "zero", 130, TEST_TASKS, "11 (spread 157)"),
    Case("cheetah-highdim", "30 test tasks", "random", 130, TEST_TASKS, "67 (spread 481)"),
    Case(
        "humanoid-dir",
        "10 directions",
        "zero",
        130,
        SOME_DIRECTIONS,
        "203 in 40 steps; 197.2 (mujoco210: 202.7)",
    ),
    Case("humanoid-dir", "10 directions", "random", 130, SOME_DIRECTIONS, "114 in 23 steps"),
    Case("hopper-rand-params", "50 tasks", "zero", 50, range(50)),
    Case(
        "hopper-rand-params", "50 tasks", "random", 50, range(50), "7.5 in 10 steps, 50 other tasks"
    ),
    Case("walker-rand-params", "50 tasks", "zero", 50, range(50)),
    Case(
        "walker-rand-params", "50 tasks", "random", 50, range(50), "0.2 in 9 steps, 50 other tasks"
    ),
    Case("point-robot", "20 test goals", "zero", 100, TEST_GOALS, "−19.8"),
    Case("point-robot", "20 test goals", "random", 100, TEST_GOALS),
    Case("point-robot", "20 test goals", "goal", 100, TEST_GOALS, "−4.65"),
    Case("sparse-point-robot", "20 test goals", "zero", 100, TEST_GOALS, "0", sparse=True),
    Case("sparse-point-robot", "20 test goals", "random", 100, TEST_GOALS, sparse=True),
    Case("sparse-point-robot", "20 test goals", "goal", 100, TEST_GOALS, "13.38", sparse=True),
    Case(
        "sparse-point-robot",
        "20 test goals, radius 0.8",
        "goal",
        100,
        TEST_GOALS,
        "16.02",
        env_params={"goal_radius": 0.8},
        sparse=True,
    ),
    Case("sparse-point-robot", "20 test goals, dense reward", "goal", 100, TEST_GOALS, "−3.86"),
    Case("four-corners", "4 corners", "zero", 4, range(4), "−20"),
    Case("four-corners", "4 corners", "random", 4, range(4), "−23.0"),
    Case("four-corners", "4 corners", "goal", 4, range(4), "−14; −10 round the squares"),
    Case("sawyer-reach", "10 test goals", "zero", 60, SAWYER_GOALS, env_params=SPARSE),
    Case("sawyer-reach", "10 test goals", "random", 60, SAWYER_GOALS, "−150", env_params=SPARSE),
    Case(
        "sawyer-reach",
        "10 test goals",
        "goal",
        60,
        SAWYER_GOALS,
        "−12",
        env_params=SPARSE,
        retested=False,
    ),
    Case("sawyer-push", "10 test goals", "zero", 60, SAWYER_GOALS, env_params=SPARSE),
    Case("sawyer-push", "10 test goals", "random", 60, SAWYER_GOALS, "−150", env_params=SPARSE),
    Case(
        "sawyer-push",
        "10 test goals",
        "goal",
        60,
        SAWYER_GOALS,
        "−80, another script",
        env_params=SPARSE,
        retested=False,
    ),
]


def physics_modes(env_name: str) -> tuple[str, ...]:
    """Modes of its physics that a task distribution can be given; ("",) where it has none."""
    keywords = constructor_keywords(env_class(env_name))
    return get_args(keywords["physics"].annotation) if "physics" in keywords else ("",)


class ZeroPolicy:
    """Does nothing."""

    def __init__(self, act_dim: int) -> None:
        self.act_dim = act_dim

    def start_trajectories(self, generators: Sequence[np.random.Generator]) -> None:
        """Nothing is drawn."""

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
    """Every case of these task distributions with each of its physics modes ("" where there is none)."""
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
@click.option("--write/--no-write", default=True, help="Keep the figures in benchmarks/results.")
def main(episodes: int, tasks: str, seed: int, write: bool) -> None:
    """Measure reference returns."""
    rows = []
    with Watch() as watch:
        for case, physics in all_cases(tasks.split(",")):
            rows.append(row_of(case, physics, measure(case, physics, episodes, seed)))
            name, on, actions, mode, mean, error, steps, number, earlier = rows[-1]
            shown = f"{mean:9.2f} ± {error:.2f} in {steps:.1f} steps, {number} episodes (earlier: {earlier})"
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
        command = f"python -m benchmarks.reference_returns --episodes {episodes}"
        click.echo(f"wrote {write_result('reference_returns', [table], watch, command=command)}")


if __name__ == "__main__":
    main()
