"""The content of `env_params` when a JSON file sets none or few of its keys."""

import pytest

from rlkit.core.errors import UserError
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.pearl_config import PEARLExperiment

TINY = {"n_train_tasks": 1, "n_eval_tasks": 1}


def env_params(env_name, **data):
    return parse_config({**TINY, "env_name": env_name, **data}, "here").env_params


def test_a_constructor_gets_only_what_it_names():
    assert PEARLExperiment().env_params == {}
    line_walk = {"n_tasks": 2, "limit": 1000, "task_seed": 1337}
    assert env_params("tests.envs.own_task:LineWalk") == line_walk
    assert env_params("tests.envs.own_task:TwoWays") == line_walk


def test_one_that_names_them_gets_oysters_defaults_unless_the_file_says_otherwise():
    found = env_params("point-robot")
    assert (found["n_tasks"], found["randomize_tasks"]) == (2, True)
    found = env_params("point-robot", env_params={"n_tasks": 8, "randomize_tasks": False})
    assert (found["n_tasks"], found["randomize_tasks"]) == (8, False)


def test_a_name_of_the_environments_own_is_found_for_a_key_at_the_wrong_level():
    with pytest.raises(UserError, match=r"limit = 3: unknown key, .* env_params\.limit"):
        parse_config({**TINY, "env_name": "tests.envs.own_task:LineWalk", "limit": 3}, "here")


def test_the_numbers_of_train_and_test_tasks_are_compared_with_a_number_that_is_filled_in():
    with pytest.raises(UserError, match=r"n_train_tasks = 3.*at most the 2 tasks of the set"):
        parse_config({"env_name": "tests.envs.own_task:TwoWays", "n_train_tasks": 3}, "here")
    with pytest.raises(UserError, match=r"n_eval_tasks = 2.*at most the one task of the set"):
        parse_config({"env_name": "cheetah-run", "n_train_tasks": 1}, "here")
    assert parse_config({**TINY, "env_name": "cheetah-run"}, "here").cut_for_debug()


def test_of_a_mistyped_id_of_gymnasium_the_nearest_is_named():
    with pytest.raises(UserError, match="no such environment.*, the nearest is Pendulum-v1;"):
        parse_config({**TINY, "env_name": "Pendulm-v1"}, "here")
