"""Lanes are independent: lanes, threads, both routes, divergence, separate models."""

import importlib.util
import time

import mujoco
import numpy as np
import pytest

from rlkit.envs.half_cheetah_vel import HalfCheetahVel
from rlkit.envs.mujoco_model import gymnasium_asset, load_model
from rlkit.envs.mujoco_pool import make_simulation

LANES, STEPS = 13, 25  # lanes for four threads
HAS_BATCH = importlib.util.find_spec("mujoco.batch") is not None
BACKENDS = ["batch", "pool"] if HAS_BATCH else ["pool"]


def actions(num_lanes=LANES):
    return np.random.default_rng(8).uniform(-1, 1, (STEPS, LANES, 6))[:, :num_lanes]


def trajectory(env, lanes, given):
    """Run these lanes' generators and actions side by side.

    Observations [steps, lanes, 20] and outcomes [steps, lanes, 2].
    """
    env.reset_task([lane % env.n_tasks for lane in lanes])
    obs = [env.reset([np.random.default_rng(lane) for lane in lanes])]
    outcomes = []
    for action in given[:, lanes]:
        step = env.step(action)
        obs.append(step[0])
        outcomes.append(np.column_stack([step[4]["outcome"], step[1]]))
    env.close()
    return np.array(obs), np.array(outcomes)


def one_at_a_time():
    parts = [
        trajectory(HalfCheetahVel(3, backend="pool", dtype=np.float64), [lane], actions())
        for lane in range(LANES)
    ]
    return np.concatenate([part[0] for part in parts], axis=1), np.concatenate(
        [part[1] for part in parts], axis=1
    )


@pytest.fixture(scope="module")
def alone():
    return one_at_a_time()


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("num_lanes", [1, 3, LANES])
@pytest.mark.parametrize("backend", BACKENDS)
def test_lanes_equal_single_simulations_bit_for_bit(alone, backend, num_lanes, threads):
    env = HalfCheetahVel(
        3, num_envs=LANES, physics_threads=threads, backend=backend, dtype=np.float64
    )
    obs, outcomes = trajectory(env, list(range(num_lanes)), actions())
    np.testing.assert_array_equal(obs, alone[0][:, :num_lanes])
    np.testing.assert_array_equal(outcomes, alone[1][:, :num_lanes])


@pytest.mark.skipif(not HAS_BATCH, reason="needs mujoco.batch")
@pytest.mark.parametrize(
    ("num_lanes", "threads", "used"),
    [(1, 16, 1), (4, 16, 1), (5, 16, 2), (15, 16, 4), (64, 16, 16), (128, 2, 2), (128, 16, 16)],
)
def test_narrow_environments_take_a_thread_for_four_lanes(num_lanes, threads, used):
    env = HalfCheetahVel(1, num_envs=num_lanes, physics_threads=threads, backend="batch")
    assert env.simulation._batch.nthread == used
    env.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_lane_reset_amid_a_rollout_starts_like_a_fresh_one(backend):
    env = HalfCheetahVel(3, num_envs=3, backend=backend, dtype=np.float64)
    env.reset_task([0, 1, 2])
    env.reset([np.random.default_rng(lane) for lane in (5, 6, 0)])
    for action in actions(3)[:10]:
        env.step(action)
    fresh = HalfCheetahVel(3, num_envs=1, backend=backend, dtype=np.float64)
    fresh.reset_task([2])
    first = env.reset([np.random.default_rng(77)], lanes=[1])
    np.testing.assert_array_equal(first, fresh.reset([np.random.default_rng(77)]))
    for action in actions(3):
        np.testing.assert_array_equal(env.step(action)[0][1], fresh.step(action[[1]])[0][0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_diverged_lane_is_terminated_and_reported_and_disturbs_no_other(
    backend, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    calm, env = (
        HalfCheetahVel(3, num_envs=5, backend=backend, physics_threads=2) for _ in range(2)
    )
    for each in (calm, env):
        each.reset_task([0, 1, 2])
        each.reset([np.random.default_rng(lane) for lane in range(3)])
    for round_number, action in enumerate(actions(3)[:4]):
        expected = calm.step(action)
        if round_number < 2:  # twice in a row: each time counts
            env.set_state(np.zeros((1, 9)), np.full((1, 9), 1e9), lanes=[1])
        obs, reward, terminated, _, info = env.step(action)
        assert info["diverged"].tolist() == [False, round_number < 2, False]
        assert terminated.tolist() == info["diverged"].tolist()
        assert np.isfinite(obs).all()
        assert np.isfinite(reward).all()
        np.testing.assert_array_equal(obs[[0, 2]], expected[0][[0, 2]])
        np.testing.assert_array_equal(reward[[0, 2]], expected[1][[0, 2]])
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_users_own_warning_handler_hears_of_divergence_and_stays():
    heard = []
    env = HalfCheetahVel(1)
    env.reset_task([0])
    env.set_state(np.zeros((1, 9)), np.full((1, 9), 1e9))
    mujoco.set_mju_user_warning(heard.append)
    try:
        env.step(np.zeros((1, 6)))
        assert mujoco.get_mju_user_warning() is not None
    finally:
        mujoco.set_mju_user_warning(None)
    assert len(heard) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_physics_threads_sleep_while_idle(backend):
    env = HalfCheetahVel(1, num_envs=16, physics_threads=4, backend=backend)
    env.reset_task([0] * 16)
    env.reset([np.random.default_rng(lane) for lane in range(16)])
    env.step(np.zeros((16, 6)))
    before = time.process_time()
    time.sleep(0.4)
    assert time.process_time() - before < 0.08


@pytest.mark.parametrize("recompute_constants", [False, True])
def test_lanes_with_bodies_of_their_own_equal_models_edited_one_by_one(recompute_constants):
    model = load_model(gymnasium_asset("hopper.xml"), physics="mujoco210")
    rng = np.random.default_rng(4)
    fields = ("body_mass", "body_inertia", "dof_damping", "geom_friction")
    values = {
        name: getattr(model, name) * 1.3 ** rng.uniform(-3, 3, (3, *getattr(model, name).shape))
        for name in fields
    }
    start = model.qpos0 + rng.uniform(-0.005, 0.005, (3, model.nq)), np.zeros((3, model.nv))
    ctrl = rng.uniform(-1, 1, (20, 3, model.nu))
    ends = []
    for backend in BACKENDS:
        simulation = make_simulation(model, 3, 4, threads=2, backend=backend)
        simulation.set_model_fields(np.arange(3), values, recompute_constants=recompute_constants)
        simulation.reset(np.arange(3), *start)
        for step in ctrl:
            assert not simulation.step(step).any()
        ends.append(simulation.qpos.copy())
        np.testing.assert_array_equal(simulation.lane_model(1).body_mass, values["body_mass"][1])
        simulation.close()
    for lane in range(3):
        edited = load_model(gymnasium_asset("hopper.xml"), physics="mujoco210")
        for name in fields:
            getattr(edited, name)[...] = values[name][lane]
        data = mujoco.MjData(edited)
        if recompute_constants:
            mujoco.mj_setConst(edited, data)
            mujoco.mj_resetData(edited, data)
        data.qpos[:] = start[0][lane]
        mujoco.mj_forward(edited, data)
        for step in ctrl[:, lane]:
            data.ctrl[:] = step
            mujoco.mj_step(edited, data, 4)
        for end in ends:
            np.testing.assert_array_equal(end[lane], data.qpos)
    assert np.abs(ends[0][0] - ends[0][1]).max() > 1e-3


def test_contact_forces_are_there_when_asked_for_and_equal_on_any_number_of_threads():
    model = load_model(gymnasium_asset("ant.xml"), physics="mujoco210")
    start = np.tile(model.qpos0, (4, 1)), np.random.default_rng(0).normal(size=(4, model.nv))
    forces = []
    for threads in (1, 3):
        simulation = make_simulation(
            model, 4, 5, threads=threads, fields=("cfrc_ext", "cinert"), contact_forces=True
        )
        simulation.reset(np.arange(4), *start)
        for _ in range(15):
            simulation.step(np.full((4, model.nu), 0.3))
        forces.append(simulation.fields["cfrc_ext"].copy())
        assert np.abs(simulation.fields["cinert"]).max() > 0
        simulation.close()
    assert (np.abs(forces[0]).max(axis=(1, 2)) > 1).all()
    np.testing.assert_array_equal(*forces)


def test_a_backend_that_cannot_do_what_is_asked_is_refused():
    model = load_model(gymnasium_asset("ant.xml"), physics="native")
    with pytest.raises(
        ValueError, match="no place for contact forces" if HAS_BATCH else "not part of MuJoCo"
    ):
        make_simulation(model, 1, 5, contact_forces=True, backend="batch")
    with pytest.raises(
        ValueError, match="backend is 'fast', expected one of mujoco, batch, pool, mujoco-py, auto"
    ):
        make_simulation(model, 1, 5, backend="fast")
