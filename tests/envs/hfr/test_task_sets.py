"""HFR's task sets: the numbers drawn by its code, for each distribution and seed."""

import numpy as np
import pytest

from rlkit.envs import make_env


def tasks(name, n_tasks, **settings):
    return make_env(name, n_tasks=n_tasks, dtype=np.float64, **settings).tasks


def test_goals_of_the_ring():
    goals = tasks("ant-goal-ring", 130)
    assert goals[0].tolist() == [-1.744098816287615, 0.9788356956221717]
    assert goals[1].tolist() == [-1.6679956357797556, 1.1035354815408922]
    np.testing.assert_allclose(goals[100], (-1.316401369, 1.505685039), atol=5e-10)
    assert goals[129].tolist() == [1.241531988233497, 1.5679918119024028]
    np.testing.assert_allclose(np.linalg.norm(goals, axis=1), 2)
    assert (goals[:, 1] >= 0).all()


@pytest.mark.parametrize(
    ("name", "n_tasks", "settings", "vector"),
    [
        (
            "ant-vel",
            180,
            {},
            {
                0: 1.65239371,
                1: 2.12444347,
                2: 0.87271422,
                150: 0.9414573456996661,
                179: 0.6925087968,
            },
        ),
        (
            "ant-vel-sparse",
            180,
            {},
            {0: 1.65239371 - 1.5, 1: 2.12444347 - 1.5, 150: 0.9414573456996661 - 1.5},
        ),
        (
            "cheetah-vel",
            130,
            {"task_seed": 3},
            {0: 1.65239371, 1: 2.12444347, 100: 0.5762168891808094, 129: 0.1731944635},
        ),
        (
            "cheetah-vel-sparse",
            130,
            {},
            {0: 1.25106601, 1: 2.16097348, 2: 0.000343124452, 100: 0.9799347053162885},
        ),
    ],
)
def test_target_velocities(name, n_tasks, settings, vector):
    drawn = tasks(name, n_tasks, **settings)[:, 0]
    np.testing.assert_allclose(drawn[list(vector)], list(vector.values()), rtol=0, atol=5e-9)


def test_some_targets_of_the_sparse_cheetah_are_met_by_standing_still():
    drawn = tasks("cheetah-vel-sparse", 130)[:, 0]
    assert ((drawn[:100] <= 0.3).sum(), (drawn[100:] <= 0.3).sum()) == (11, 5)


def test_weights_of_the_eighteen_coordinates():
    drawn = tasks("cheetah-highdim", 130)
    assert drawn.shape == (130, 18)
    np.testing.assert_allclose(
        drawn[0, :6],
        (-0.16595599, 0.44064899, -0.99977125, -0.39533485, -0.70648822, -0.81532281),
        atol=5e-9,
    )
    assert drawn[0, 17] == pytest.approx(0.11737966, abs=5e-9)


def test_goals_of_the_point_robot_with_hfrs_seed():
    assert tasks("point-robot", 100, task_seed=2)[0].tolist() == [
        -0.12801019571599248,
        -0.9481475363442173,
    ]
