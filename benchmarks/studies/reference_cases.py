"""Cases of `reference_returns`: task distributions, some of their tasks, and simple policies."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """What is measured: a task distribution, some of its tasks, a behaviour, and what was measured
    earlier.
    """

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

# Environments with one task, and what random actions earned earlier.
ONE_TASK = {
    "cheetah-run": "–",
    "pets-cartpole": "−4.4 (spread 0.9)",
    "pets-halfcheetah": "−272 (spread 70)",
    "pets-pusher": "−296 (spread 18)",
    "pets-reacher": "−1503 (spread 53)",
}
for _name, _earlier in ONE_TASK.items():
    CASES.append(Case(_name, "its task", "zero", 1))
    CASES.append(Case(_name, "its task", "random", 1, earlier=_earlier))
