"""A user's `MetaEnv`: the keywords of its constructor, and where they are passed."""

import numpy as np
import pytest

from rlkit.envs import env_class, make_env
from rlkit.envs.base import MetaEnv
from rlkit.envs.keywords import constructor_keywords
from rlkit.envs.point_robot import PointRobot
from rlkit.launchers.load_config import env_schema
from tests.envs.own_task import LineWalk, TwoWays

LINE_WALK, TWO_WAYS = (f"tests.envs.own_task:{cls.__name__}" for cls in (LineWalk, TwoWays))


def test_a_constructor_straight_over_the_base_has_keywords_of_a_json_only():
    expected = ["n_tasks", "limit", "task_seed", "num_envs", "dtype"]
    assert list(constructor_keywords(LineWalk)) == expected
    assert set(env_schema(LINE_WALK).__dataclass_fields__) == {"n_tasks", "limit", "task_seed"}


def test_actions_from_minus_one_to_one_cover_the_action_box_of_the_class():
    env = make_env(LINE_WALK, n_tasks=3, num_envs=2, dtype=np.float64)
    env.reset_task([0, 1])
    start = env.reset([np.random.default_rng(lane) for lane in range(2)])
    obs = env.step([[-1.0], [1.0]])[0]
    np.testing.assert_allclose(obs - start, [[-0.1], [0.3]])


def test_a_class_without_an_action_box_is_refused_by_name():
    class Boxless(LineWalk):
        action_box = None

    with pytest.raises(ValueError, match="line-walk: the class must have action_box"):
        Boxless(2)


def test_threads_go_only_to_constructors_that_name_them():
    assert make_env(LINE_WALK, n_tasks=2, physics_threads=3).n_tasks == 2
    assert "physics_threads" not in constructor_keywords(PointRobot)
    cheetah = make_env("cheetah-vel", n_tasks=2, num_envs=4, physics_threads=3, backend="pool")
    assert cheetah.unwrapped.simulation._threads == 3
    cheetah.close()


@pytest.mark.parametrize(
    ("name", "count"), [("four-corners", 4), ("cheetah-dir", 2), (TWO_WAYS, 2)]
)
def test_a_fixed_number_of_tasks_need_not_be_given(name, count):
    assert make_env(name).n_tasks == count
    assert constructor_keywords(env_class(name))["n_tasks"].default == count
    with pytest.raises(ValueError, match=f"n_tasks is 7, but .* has exactly {count} tasks"):
        make_env(name, n_tasks=7)


def test_a_number_of_tasks_that_is_free_must_be_given():
    with pytest.raises(ValueError, match="LineWalk needs n_tasks"):
        make_env(LINE_WALK)


def test_the_docstring_names_everything_that_a_task_must_have():
    abstract = MetaEnv.__abstractmethods__
    assert abstract == {"sample_tasks", "compute_reward", "_reset_lanes", "_advance"}
    listed = MetaEnv.__doc__.split("Attributes:")[0]
    attributes = {"name", "obs_dim", "act_dim", "outcome_dim", "task_dim", "action_box"}
    for name in abstract | attributes | {"max_episode_steps"}:
        assert f"`{name}`" in listed


def test_only_a_class_that_draws_itself_or_has_a_body_can_be_drawn():
    assert not make_env(LINE_WALK, n_tasks=2).can_be_drawn
    assert make_env("point-robot", n_tasks=2).can_be_drawn
    assert make_env("cheetah-vel", n_tasks=2).can_be_drawn
    with pytest.raises(NotImplementedError, match="line-walk has no method draw"):
        make_env(LINE_WALK, n_tasks=2).draw(np.arange(1), 8)
