"""Compared variants do the same work, and the figures are the measured times."""

import time

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.contestants import BareMujoco, GymnasiumLanes, OurLanes, draw, timed
from benchmarks.env_throughput import NEAREST, best, main, measure, rate, scale, speedup, tables
from rlkit.envs import ENVS


def test_only_registered_tasks_have_a_nearest_environment():
    assert set(NEAREST) <= set(ENVS)


@pytest.mark.parametrize("name", ["cheetah-vel", "humanoid-dir", "hopper-rand-params"])
def test_mujoco_alone_goes_through_the_same_states_as_our_lanes(name):
    ours = OurLanes(name, 3, 1, seed=0)
    bare, rng = BareMujoco(ours), np.random.default_rng(0)
    for _ in range(3):
        actions = draw(rng, 20, 3, ours.env.act_dim)
        ours.run(actions)
        bare.run(actions)
    assert bare.difference() == 0
    ours.run(actions)
    assert bare.difference() > 0


def test_episodes_begin_anew_where_they_end():
    ours = OurLanes("hopper-rand-params", 4, 1, seed=0)
    ours.run(draw(np.random.default_rng(0), 60, 4, 3))
    assert {lane for _, lanes, *_ in ours.starts for lane in lanes} == {0, 1, 2, 3}
    assert all(np.abs(qvel).max() <= 0.005 for *_, qvel in ours.starts)
    ours = OurLanes("cheetah-vel", 4, 1, seed=0)
    ours.run(draw(np.random.default_rng(0), 200, 4, 6))
    assert sorted(lane for _, lanes, *_ in ours.starts for lane in lanes) == [
        0,
        1,
        2,
        3,
    ]  # once each in 200 steps, not together
    assert len(ours.starts) == 4


def test_the_work_of_other_processes_is_counted():
    lanes = GymnasiumLanes("Hopper-v5", 2, "Async", seed=0)
    actions = draw(np.random.default_rng(0), 30, 2, lanes.act_dim)
    before, own = lanes.worker_cpu_seconds(), time.process_time()
    cpu, wall = timed(lanes, actions)
    assert wall > 0
    assert cpu * 60 > 0.9 * (time.process_time() - own)  # of this process alone
    assert lanes.worker_cpu_seconds() - before > 0
    assert cpu * 60 > 0.5 * (lanes.worker_cpu_seconds() - before)
    lanes.close()


def test_all_contestants_of_a_task_are_timed_and_arranged_in_tables():
    times = measure("hopper-rand-params", 2, repeats=4, seconds=0.002)
    scaled = scale("hopper-rand-params", 2, [1, 2], repeats=3, seconds=0.002)
    assert {name: len(pairs) for name, pairs in times.items()} == {
        "ours": 4,
        "bare": 4,
        "Sync": 1,
        "Async": 1,
    }
    assert {name: len(pairs) for name, pairs in scaled.items()} == {"threads 1": 3, "threads 2": 3}
    assert all(
        cpu > 0 and wall > 0
        for found in (times, scaled)
        for pairs in found.values()
        for cpu, wall in pairs
    )
    key = "hopper-rand-params", 2
    shares, wall = tables({key: times}, {key: scaled}, [1, 2])
    assert shares.rows[0][:3] == [*key, rate(times, "ours")]
    assert wall.rows[0][:3] == [*key, best(scaled, "threads 1")[0]]
    for table in (shares, wall):
        assert len(table.rows[0]) == len(table.labels) + len(table.values)


def test_point_robots_have_no_physics_to_compare_with():
    times = measure("point-robot", 2, repeats=4, seconds=0.002)
    shares, _ = tables({("point-robot", 2): times}, {}, [1])
    assert shares.rows[0][3:5] == [None, None]


def test_medians_and_ratios_are_taken_over_turns_side_by_side():
    times = {
        "ours": [(1.0, 2.0), (2.0, 2.0), (4.0, 8.0), (1.0, 2.0)],
        "bare": [(0.9, 0), (1.6, 0), (4.0, 0), (0.9, 0)],
    }
    assert rate(times, "ours") == pytest.approx(1 / 1.5)
    assert best(times, "ours") == (0.5, 0.5)
    assert speedup(times, "ours", "bare") == pytest.approx(0.9)
    eight = {
        "ours": [(1.0, 1.0)] * 3 + [(2.0, 1.0)] + [(1.0, 1.0)] * 4,
        "Sync": [(8.0, 1.0), (6.0, 1.0)],
    }
    assert speedup(eight, "ours", "Sync") == 5  # in the fourth and the eighth turn


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tasks", "ant"], "['ant'] are not among cheetah-vel"),
        (["--lanes", "1,x"], "'1,x' is not a list of positive numbers"),
        (["--threads", "0"], "'0' is not a list of positive numbers"),
        (["--repeats", "0"], "0 is not in the range"),
    ],
)
def test_bad_options_are_refused(arguments, message):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert message in result.output
