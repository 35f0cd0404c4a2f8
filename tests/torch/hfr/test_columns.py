"""HFR's columns of a meta-test."""

import math

import numpy as np
import pytest

from rlkit.core.eval_util import evaluate_adaptation
from rlkit.core.seeding import stream
from rlkit.torch.hfr.columns import HFRColumns, success_shares
from tests.toy import CountingEnv, RecordingPolicy


def run(task_ids):
    """Runs of ten steps with a horizon of four; task k ends after its k-th step, 0 never."""
    return evaluate_adaptation(
        CountingEnv(16),
        RecordingPolicy(),
        task_ids,
        num_runs=1,
        num_steps=10,
        max_path_length=4,
        streams=lambda index, run, n: stream(0, "test", index, run, n),
    )


def test_success_shares_of_hfr_count_last_trajectories_later_trajectories_and_runs():
    adaptation = run([0, 3])  # three trajectories that never succeed, four that always do
    assert success_shares(CountingEnv(), adaptation, 1) == (0.5, 3 / 5, 0.5)
    assert success_shares(CountingEnv(), adaptation, 0) == (0.5, 4 / 7, 0.5)


def test_success_shares_without_a_later_trajectory_or_a_measure_of_success_are_nan():
    final, total, runs = success_shares(CountingEnv(), run([0, 3]), 9)
    assert final == 0.5 and np.isnan([total, runs]).all()
    env = CountingEnv()
    env.success = lambda outcome, task: None
    assert np.isnan(success_shares(env, run([0, 3]), 1)).all()


def make_columns(**changes):
    settings = {"sparse": False, "log_success_rate": True, "num_explored": 1, **changes}
    return HFRColumns(CountingEnv(), **settings)


def test_the_average_return_is_that_of_the_test_tasks():
    adaptations = {"train": run([0]), "test": run([0, 3])}
    assert make_columns(log_success_rate=False)(adaptations) == {"Average Return": 3.5}
    assert make_columns(sparse=True)(adaptations)["Average Return"] == 1.75


def test_success_rates_of_both_splits_have_their_names_and_leave_exploration_out():
    columns = make_columns()({"train": run([3]), "test": run([0, 3])})
    assert list(columns.values()) == [3.5, 1, 1, 1, 0.5, pytest.approx(3 / 5), 0.5]
    assert list(columns)[1:] == [
        "Train Final Success",
        "Train Total Success",
        "Train Any Success",
        "Test Final Success",
        "Test Total Success",
        "Success Rate",
    ]
    all_explored = make_columns(num_explored=9)({"train": run([3]), "test": run([0, 3])})
    assert math.isnan(all_explored["Success Rate"])
