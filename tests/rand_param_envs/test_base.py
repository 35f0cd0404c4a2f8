"""`RandomEnv` on a compiled model: ranges, and what `set_task` writes and leaves alone."""

import mujoco
import numpy as np
import pytest

from rand_param_envs import HopperRandParamsEnv

XML = """
<mujoco>
  <worldbody>
    <geom type="plane" size="5 5 1"/>
    <body name="torso" pos="0 0 1.25">
      <joint type="slide" axis="1 0 0"/> <joint type="slide" axis="0 0 1"/>
      <joint type="hinge" axis="0 1 0"/>
      <geom type="capsule" size="0.05 0.2"/>
      <body pos="0 0 -0.3">
        <joint name="knee" type="hinge" axis="0 1 0" damping="1"/>
        <geom type="capsule" size="0.04 0.1"/>
      </body>
    </body>
  </worldbody>
  <actuator> <motor joint="knee"/> </actuator>
</mujoco>
"""
FIELDS = {"body_mass", "body_inertia", "dof_damping", "geom_friction"}


def made(**settings):
    return HopperRandParamsEnv(mujoco.MjModel.from_xml_string(XML), **settings)


def arrays(model):
    found = {name: getattr(model, name) for name in dir(model) if name[0] != "_"}
    return {name: np.array(value) for name, value in found.items() if isinstance(value, np.ndarray)}


def changed(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


def test_factors_fill_their_ranges_and_nothing_beyond():
    env = made()
    factors = env.scaled(env.sample_factors(np.random.RandomState(0), 2000))
    for name in FIELDS:
        base, values = env.base_params[name], factors[name]
        limit = (1.3 if name == "dof_damping" else 1.5) ** 3
        ratio = values[:, base > 0] / base[base > 0]
        assert limit * 0.99 < ratio.max() <= limit
        assert 1 / limit <= ratio.min() < 1.01 / limit
        assert np.median(ratio) == pytest.approx(1, abs=0.05)
        assert (values[:, base == 0] == 0).all()


def test_every_number_gets_a_factor_of_its_own():
    env = made()
    assert env.num_factors == 3 + 9 + 4 + 9
    assert len(np.unique(env.sample_factors(np.random.RandomState(0), 1))) == env.num_factors


def test_a_task_is_written_into_the_model_and_read_back():
    env = made()
    first, second = env.sample_tasks(np.random.RandomState(1), 2)
    env.set_task(first)
    env.set_task(second)
    for name, value in env.get_task().items():
        np.testing.assert_array_equal(value, second[name])
        np.testing.assert_array_equal(getattr(env.model, name), second[name])


def test_a_task_leaves_all_else_as_it_was_unless_constants_are_recomputed():
    faithful, recomputing = made(), made(recompute_constants=True)
    before = arrays(faithful.model)
    (task,) = faithful.sample_tasks(np.random.RandomState(1), 1)
    faithful.set_task(task)
    recomputing.set_task(task)
    assert changed(before, arrays(faithful.model)) == FIELDS
    assert changed(before, arrays(recomputing.model)) > FIELDS | {
        "body_subtreemass",
        "dof_invweight0",
    }


def test_the_model_handed_over_is_left_alone():
    model = mujoco.MjModel.from_xml_string(XML)
    env, before = HopperRandParamsEnv(model), arrays(model)
    env.set_task(env.sample_tasks(np.random.RandomState(1), 1)[0])
    assert changed(before, arrays(model)) == set()


def test_without_room_for_factors_every_task_is_the_base_model():
    env = made(log_scale_limit=0)
    np.testing.assert_array_equal(env.sample_factors(np.random.RandomState(1), 2), 1)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="log_scale_limit is -1"):
        made(log_scale_limit=-1)
    env = made()
    with pytest.raises(ValueError, match="24 factors, but the model has 25"):
        env.scaled(np.ones(24))
    task = env.get_task()
    del task["dof_damping"]
    with pytest.raises(ValueError, match="the task has fields"):
        env.set_task(task)


def test_a_mujoco_model_is_moved_by_its_task():
    env = made()
    ends = []
    for task in env.sample_tasks(np.random.RandomState(1), 2):
        env.set_task(task)
        data = mujoco.MjData(env.model)
        data.ctrl[:] = 1.0
        mujoco.mj_step(env.model, data, 20)
        ends.append(env.observe(data.qpos, data.qvel))
    assert ends[0].shape == (7,)
    assert np.abs(ends[0] - ends[1]).max() > 1e-3
