"""A wrapper is a `MetaEnv` and passes on everything that it does not change."""

import copy

import numpy as np
import pytest

from rlkit.envs import make_env
from rlkit.envs.base import MetaEnv
from rlkit.envs.pixels import PixelObservation
from rlkit.envs.wrapper import EnvWrapper, NormalizedBoxEnv
from tests.envs.own_task import LineWalk

BUILT_ON_OTHERS = {"divergence_message"}  # the base's own, made of what is handed on


def public(cls):
    return {name for name in dir(cls) if not name.startswith("_")}


def test_every_method_and_property_of_an_environment_is_handed_on():
    given = {
        name
        for name in public(MetaEnv)
        if not isinstance(getattr(MetaEnv, name), bool | tuple | None)
    }
    assert given - set(vars(EnvWrapper)) == BUILT_ON_OTHERS


@pytest.mark.parametrize("name", ["cheetah-dir", "sparse-point-robot", "hopper-rand-params"])
def test_every_attribute_is_the_wrapped_environments(name):
    env = make_env(name, n_tasks=2, num_envs=3, normalize=False)
    wrapper = EnvWrapper(env)
    fields = (public(type(env)) | set(vars(env))) & (public(MetaEnv) | set(vars(wrapper)))
    compared = {field for field in fields if not callable(getattr(env, field))}
    assert {"tasks", "recorded_dim", "goal_radius", "dt", "relabelable", "num_lanes"} <= compared
    for field in compared - {"unwrapped"}:
        np.testing.assert_array_equal(getattr(wrapper, field), getattr(env, field), err_msg=field)
    env.close()


def test_lanes_and_tasks_are_those_of_the_wrapped_environment_at_any_time():
    inner = LineWalk(3, num_envs=4)
    outer = EnvWrapper(NormalizedBoxEnv(inner))
    outer.reset_task([2, 0])
    assert (inner.num_lanes, outer.num_lanes) == (2, 2)
    assert outer.task_ids.tolist() == [2, 0]
    outer.set_tasks([[0.5], [0.6], [0.7]])
    np.testing.assert_array_equal(inner.tasks, outer.tasks)
    outer.close()
    assert outer.num_lanes == 0


def test_unwrapped_is_the_environment_itself_however_deep():
    inner = make_env("point-robot", n_tasks=2, normalize=False)
    pictures = PixelObservation(NormalizedBoxEnv(inner), size=8)
    assert inner.unwrapped is inner
    assert pictures.unwrapped is inner
    assert isinstance(pictures, MetaEnv)
    assert not hasattr(pictures, "randomize_tasks"), "what is not declared is not handed on"


def test_a_wrapped_environment_can_be_copied():
    env = make_env("point-robot", n_tasks=2)
    env.reset_task([1])
    env.reset([np.random.default_rng(0)])
    twin = copy.deepcopy(env)
    twin.reset_task([0])
    assert env.task_ids.tolist() == [1]
