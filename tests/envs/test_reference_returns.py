"""Returns of zero and random actions agree with the stored ones at four standard errors."""

import json

import numpy as np
import pytest

from benchmarks.machine import RESULTS
from benchmarks.studies.reference_cases import CASES
from benchmarks.studies.reference_returns import all_cases, measure, physics_modes, row_of
from rlkit.envs import ENVS

EPISODES, SEED = 12, 1  # the stored ones are of seed 0
RETESTED = [(case, physics) for case, physics in all_cases(list(ENVS)) if case.retested]


def stored():
    """Per file and row: (task, on, actions, physics) -> (mean, standard error)."""
    files = sorted(RESULTS.glob("reference_returns-*.json"))
    tables = [json.loads(file.read_text())["tables"][0]["rows"] for file in files]
    return [{tuple(row[:4]): (row[4], row[5]) for row in rows} for rows in tables]


def test_every_stored_task_is_measured_with_zero_and_random_actions_in_both_physics_modes():
    assert len(stored()) >= 1
    for found in stored():
        measured = {name for name, *_ in found}
        wanted = {
            (name, actions, mode or "none")
            for name in measured
            for actions in ("zero", "random")
            for mode in physics_modes(name)
        }
        assert measured <= set(ENVS)
        assert len(measured) >= 17
        assert {(name, actions, mode) for name, _, actions, mode in found} >= wanted
        assert len(found) == len(list(all_cases(sorted(measured))))


@pytest.mark.parametrize(
    ("case", "physics"),
    RETESTED,
    ids=[f"{case.env_name}-{case.on}-{case.actions}-{physics}" for case, physics in RETESTED],
)
def test_returns_agree_with_the_stored_ones(case, physics):
    found = measure(case, physics, EPISODES, SEED)
    key = tuple(row_of(case, physics, found)[:4])
    for rows in stored():
        mean, error = rows[key]
        # Float32 rewards added up leave a last digit where nothing is random.
        assert abs(found.mean - mean) <= 4 * np.hypot(found.error, error) + 1e-6 * abs(mean)


# HFR's tasks as measured by another program: mean and spread of 60 episodes, two of each of the 30
# test tasks, random or zero.
ANOTHER = {
    ("ant-goal-ring", "30 test tasks", "zero"): (302, 50),
    ("ant-goal-ring", "30 test tasks", "random"): (302, 53),
    ("ant-vel", "30 test tasks", "zero"): (-116, 174),
    ("ant-vel", "30 test tasks", "random"): (-118, 172),
    ("cheetah-vel", "30 test tasks, task_seed 3", "zero"): (-289, 180),
    ("cheetah-vel", "30 test tasks, task_seed 3", "random"): (-341, 165),
    ("cheetah-vel-sparse", "30 test tasks", "zero"): (63, 141),
    ("cheetah-vel-sparse", "30 test tasks", "random"): (22, 53),
    ("cheetah-highdim", "30 test tasks", "zero"): (11, 157),
    ("cheetah-highdim", "30 test tasks", "random"): (67, 481),
}


@pytest.mark.parametrize("physics", ["mujoco210", "native"])
@pytest.mark.parametrize(
    ("label", "figures"), ANOTHER.items(), ids=[f"{name}-{actions}" for name, _, actions in ANOTHER]
)
def test_stored_returns_agree_with_those_of_another_program(label, figures, physics):
    mean, spread = figures
    for rows in stored():
        ours, error = rows[*label, physics]
        assert abs(ours - mean) <= 4 * np.hypot(spread / np.sqrt(60), error)


def test_the_standard_error_is_that_of_fixed_tasks_run_equally_often():
    case = next(case for case in CASES if case.env_name == "cheetah-vel" and case.actions == "zero")
    found = measure(case, "mujoco210", 60, SEED)
    assert found.episodes == 60
    assert found.error < 0.2  # the tasks' means, 170 apart on average, do not count
    assert found.mean == pytest.approx(-283.8, abs=1)
