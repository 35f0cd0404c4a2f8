"""Success rates of progress.csv: which runs have these columns, and their values."""

import copy
import csv
import json
import math
import shutil
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from rlkit.core.algorithm import NoLoop
from rlkit.core.meta_evaluation import FURTHER_SUCCESS_RATES
from rlkit.envs import ENVS, env_class
from rlkit.envs.base import MetaEnv
from rlkit.launchers.launcher import launcher_for
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.pearl import PEARL
from rlkit.torch.sac.columns import COLUMNS
from tests.meta_pg_runs import METHODS, settings
from tests.test_old_runs import FIXTURES, unpacked
from tests.tiny_runs import TINY, launch, rows, run

ALL = ("SuccessRate_test_tasks", *FURTHER_SUCCESS_RATES)
QUICK = ("--set", "algo_params.num_iterations=1")


class Shy(gymnasium.Env):
    """A point on a line that reports success beyond a position, and nothing otherwise."""

    def __init__(self, n_tasks=5, beyond=0.0):
        self.observation_space = gymnasium.spaces.Box(-99, 99, (1,), np.float64)
        self.action_space = gymnasium.spaces.Box(-0.1, 0.1, (1,), np.float64)
        self.n_tasks, self.beyond = n_tasks, beyond

    def reset_task(self, idx):
        self.side = 1 - 2 * (idx % 2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.normal(size=1)
        return self.place, {}

    def step(self, action):
        self.place = self.place + self.side * action
        info = {"success": True} if self.place[0] > self.beyond else {}
        return self.place, -abs(self.place), False, False, info


def shy_experiment(**env_params):
    data = {**copy.deepcopy(TINY), "env_name": f"{__name__}:Shy", "env_params": env_params}
    return PEARL().build(parse_config(data, "test"), "cpu", 3)


def header(run_dir: Path) -> list[str]:
    with (run_dir / "progress.csv").open(newline="") as file:
        return next(csv.reader(file))


@pytest.fixture(autouse=True)
def tiny(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.json").write_text(json.dumps(TINY))


def test_goals_with_a_radius_and_the_arms_know_success():
    known = {name for name in ENVS if env_class(name).success is not MetaEnv.success}
    goals = {"ant-goal-ring", "four-corners", "sparse-point-robot"}
    assert known >= goals | {"sawyer-push", "sawyer-reach"}
    assert not known & {"ant-goal", "cheetah-vel", "point-robot"}


def test_tasks_without_success_have_the_header_that_they_always_had():
    columns = header(run(*QUICK))
    assert tuple(columns[:46]) == COLUMNS
    assert [name for name in columns if "uccess" in name] == ["SuccessRate_test_tasks"]
    expected = FIXTURES / "pearl" / "progress.csv"
    with expected.open(newline="") as file:
        assert columns == next(csv.reader(file))


@pytest.mark.parametrize(("radius", "rate"), [(0.1, 0.0), (1.6, 1.0)])
def test_tasks_with_success_have_it_before_and_after_adaptation(radius, rate):
    changes = "env_name=sparse-point-robot", f"env_params.goal_radius={radius}"
    run_dir = run(*(argument for setting in changes for argument in ("--set", setting)))
    assert {float(row[name]) for row in rows(run_dir) for name in ALL} == {rate}
    columns = header(run_dir)
    assert tuple(columns[:46]) == COLUMNS
    assert columns[-4:] == [*FURTHER_SUCCESS_RATES, "(Previous) Save Time (s)"]


def test_an_iteration_that_is_not_evaluated_has_nan():
    sparse = ("--set", "env_name=sparse-point-robot", "--set", "algo_params.eval_every=2")
    table = rows(run(*sparse))
    assert [[math.isnan(float(row[name])) for name in ALL] for row in table] == [
        [False] * 4,
        [True] * 4,
        [False] * 4,
    ]


def test_a_class_that_never_says_has_no_further_columns_and_nan():
    experiment = shy_experiment(beyond=1e9)
    assert not set(FURTHER_SUCCESS_RATES) & set(experiment.algorithm.columns)
    experiment.algorithm.collect_data(0, NoLoop())
    found = experiment.algorithm.evaluate(0, NoLoop())
    assert not set(FURTHER_SUCCESS_RATES) & set(found)
    assert math.isnan(found["SuccessRate_test_tasks"])


def test_a_class_that_says_so_at_its_goal_alone_is_known_to_know_after_a_resume():
    first, second = shy_experiment(beyond=0.0).algorithm, shy_experiment(beyond=1e9).algorithm
    first.collect_data(0, NoLoop())
    assert first.env.knows_success and not second.env.knows_success
    rates = [first.evaluate(0, NoLoop())[name] for name in ALL]
    assert all(0 <= rate <= 1 for rate in rates) and any(0 < rate for rate in rates)
    second.collect_data(0, NoLoop())
    second.load_state_dict(first.state_dict())
    assert [second.evaluate(0, NoLoop())[name] for name in ALL] == [0, 0, 0, 0]


@pytest.mark.parametrize("method", METHODS)
def test_the_baselines_remember_it_too(method):
    def algorithm(beyond):
        data = settings(method, f"{__name__}:Shy", fresh_tasks=False)
        data["env_params"] |= {"beyond": beyond}
        parsed = parse_config(data, "test")
        return launcher_for(parsed).build(parsed, "cpu", 3).algorithm

    first, second = algorithm(0.0), algorithm(1e9)
    first.evaluate(0, NoLoop())
    assert first.evaluation.env.knows_success and not second.evaluation.env.knows_success
    second.load_state_dict(first.state_dict())
    assert second.evaluation.env.knows_success


def test_a_run_of_an_older_version_keeps_its_header_however_often_it_is_resumed(tmp_path):
    run_dir = unpacked("hfr", tmp_path)
    before = header(run_dir)
    assert not set(FURTHER_SUCCESS_RATES) & set(before)
    for iterations in (3, 4):
        more = f"algo_params.num_iterations={iterations}"
        result = launch("--resume", run_dir, "--set", more)
        assert result.exit_code == 0, result.output
        assert not set(FURTHER_SUCCESS_RATES) & set(header(run_dir))
        assert header(run_dir)[: len(before)] == before


def test_a_new_run_keeps_its_columns_when_it_is_resumed(tmp_path):
    sparse = ("--set", "env_name=sparse-point-robot", "--set", "env_params.goal_radius=0.999")
    whole = run(*sparse)
    stopped = run(*sparse, *QUICK)
    copied = Path(shutil.copytree(stopped, tmp_path / "copied"))
    result = launch("--resume", copied, "--set", "algo_params.num_iterations=3")
    assert result.exit_code == 0, result.output
    assert rows(copied) == rows(whole) and header(copied) == header(whole)
