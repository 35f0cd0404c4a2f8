"""Collecting the initial pool takes memory for the lanes, not for the pool."""

import tracemalloc

import pytest
from click.testing import CliRunner

from benchmarks.studies.initial_pool_memory import main, peak_bytes
from rlkit.core.algorithm import NoLoop
from rlkit.core.loop import Progress
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.pearl import PEARL

HORIZON = 20
STEPS = 200  # ten trajectories a task
ROW = 4 * (2 * 376 + 17 + 3)


def config(num_tasks, num_envs):
    """The humanoid with short episodes, small networks, and minimal visits and batches."""
    algo = {
        "num_initial_steps": STEPS,
        "max_path_length": HORIZON,
        "num_tasks_sample": 1,
        "num_steps_prior": HORIZON,
    }
    algo |= {
        "num_extra_rl_steps_posterior": HORIZON,
        "num_steps_posterior": 0,
        "num_steps_per_eval": 2 * HORIZON,
    }
    return parse_config(
        {
            "env_name": "humanoid-dir",
            "n_train_tasks": num_tasks,
            "n_eval_tasks": 1,
            "net_size": 8,
            "env_params": {"n_tasks": num_tasks + 1},
            "algo_params": algo,
            "util_params": {"num_envs": num_envs, "torch_threads": 1, "physics_threads": 1},
        },
        "here",
    )


def peak_of_collection(num_tasks, num_envs):
    """Greatest size of what Python and numpy held while collecting (replay data are outside of it),
    and rows collected.
    """
    experiment = PEARL().build(config(num_tasks, num_envs), "cpu", 0)
    tracemalloc.start()
    try:
        experiment.algorithm.collection.collect_initial_pool(Progress(NoLoop(), total=0))
        return tracemalloc.get_traced_memory()[1], experiment.algorithm.replay_buffer.num_rows
    finally:
        tracemalloc.stop()
        experiment.env.close()


def test_the_peak_follows_the_lanes_and_not_the_pool():
    small, few_rows = peak_of_collection(num_tasks=3, num_envs=10)
    large_pool, many_rows = peak_of_collection(num_tasks=9, num_envs=10)
    many_lanes, _ = peak_of_collection(num_tasks=9, num_envs=30)
    assert many_rows >= 3 * STEPS * 3 >= 2.5 * few_rows
    assert large_pool < 1.2 * small
    assert large_pool < 0.5 * many_rows * ROW
    assert 2 * small < many_lanes < 4 * small


def test_the_check_exits_1_above_its_limit(tmp_path, monkeypatch):
    path = tmp_path / "tiny.json"
    path.write_text(
        '{"env_name": "point-robot", "n_train_tasks": 3, "n_eval_tasks": 1, "net_size": 8,'
        ' "env_params": {"n_tasks": 4},'
        ' "algo_params": {"num_initial_steps": 40, "max_path_length": 20, "num_steps_prior": 20,'
        ' "num_steps_per_eval": 40, "num_extra_rl_steps_posterior": 20}}'
    )
    above = CliRunner().invoke(main, ["--config", str(path), "--no-write", "--limit", "0.001"])
    below = CliRunner().invoke(
        main, ["--config", str(path), "--no-write", "--limit", str(2 * peak_bytes() / 1e9)]
    )
    assert (above.exit_code, below.exit_code) == (1, 0)
    assert "above the replay data" in above.output


def test_more_tasks_than_there_are_get_one_message():
    result = CliRunner().invoke(main, ["--tasks", "1000", "--no-write"])
    assert result.exit_code != 0
    assert "n_train_tasks = 1000" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("limit", ["-1", "much"])
def test_a_limit_that_is_none_is_refused(limit):
    assert CliRunner().invoke(main, ["--limit", limit]).exit_code == 2
