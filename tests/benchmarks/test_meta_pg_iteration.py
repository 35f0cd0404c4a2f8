"""The benchmark of the policy-gradient methods counts the steps of each iteration once."""

from contextlib import closing

import pytest

from benchmarks.meta_pg_iteration import Iterations, build


@pytest.mark.parametrize(
    ("method", "trajectories_of_a_task"),
    [("rl2", "episodes_per_trial=2"), ("promp", "rollouts_per_task=1")],
)
def test_every_iteration_has_the_steps_of_its_own_trajectories(method, trajectories_of_a_task):
    few = ("meta_batch=4", "max_path_length=10", trajectories_of_a_task)
    experiment = build(method, 1, tuple(f"algo_params.{setting}" for setting in few))
    with closing(experiment.env):
        parts = Iterations(experiment)
        expected = 4 * 2 * 10  # ProMP: a round before and one after the inner step
        for _ in range(2):
            assert parts.collect() == expected
            assert parts.update() == expected
        assert parts.iteration == 2
