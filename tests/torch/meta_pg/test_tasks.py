"""Tasks of an iteration: new ones in place of train tasks, or the train tasks."""

import numpy as np
import pytest

from rlkit.envs import make_env
from rlkit.torch.meta_pg.tasks import TaskSource, can_be_drawn_anew


def source(**options) -> TaskSource:
    env = make_env("point-robot", n_tasks=10)
    settings = {"fresh": True, "seed": 3, **options}
    return TaskSource(env, 7, settings.pop("num_tasks", 5), **settings)


def test_fresh_tasks_differ_by_iteration_and_leave_the_held_out_ones_alone():
    chosen = source()
    before = chosen.env.tasks.copy()
    assert chosen.tasks_of(0).tolist() == [0, 1, 2, 3, 4]
    first = chosen.env.tasks.copy()
    assert np.array_equal(first[5:], before[5:]) and not (first[:5] == before[:5]).any()
    chosen.tasks_of(1)
    assert not (chosen.env.tasks[:5] == first[:5]).any()
    again = source()
    again.tasks_of(0)
    assert np.array_equal(again.env.tasks, first)  # without what came before


def test_chosen_train_tasks_are_never_held_out_ones_and_come_equally_often():
    chosen = source(fresh=False, num_tasks=17)
    before = chosen.env.tasks.copy()
    found = chosen.tasks_of(0)
    counts = np.bincount(found, minlength=10)
    assert len(found) == 17 and counts[7:].sum() == 0 and set(counts[:7]) == {2, 3}
    assert np.array_equal(chosen.env.tasks, before)
    assert found.tolist() != chosen.tasks_of(1).tolist()


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("point-robot", {"n_tasks": 8}, True),
        ("point-robot", {"n_tasks": 8, "randomize_tasks": False}, False),
        ("sparse-point-robot", {"n_tasks": 8}, False),
        ("cheetah-vel", {"n_tasks": 3}, True),
        ("cheetah-dir", {}, False),
    ],
)
def test_whether_tasks_can_be_drawn_anew_is_found_out_from_two_draws(name, settings, expected):
    env = make_env(name, **settings)
    assert can_be_drawn_anew(env) is expected
    env.close()
