"""The backend "mujoco-py": the same tasks on MuJoCo 2.1.0 itself.

Runs where mujoco-py is installed; benchmarks/mujoco210/install_and_test.sh installs it and runs
this file.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.mujoco210 import record
from rlkit.envs import make_env
from rlkit.envs.mujoco_py_simulation import import_mujoco_py

DATA = Path(__file__).parent / "data" / "mujoco210"
TASKS = [
    "ant-dir",
    "ant-goal",
    "cheetah-dir",
    "cheetah-vel",
    "hopper-rand-params",
    "humanoid-dir",
    "walker-rand-params",
]
TASKS += [
    "ant-goal-ring",
    "ant-vel",
    "cheetah-highdim",
]  # HFR's, of which the other two are made of the same parts
LANES, STEPS = 3, 8
needs_mujoco_py = pytest.mark.skipif(
    importlib.util.find_spec("mujoco_py") is None, reason="mujoco-py is not installed"
)


def made(name, num_lanes=LANES, backend="mujoco-py", first=0, **settings):
    """An environment whose lanes have the tasks and random numbers first, first + 1, ..."""
    n_tasks = 2 if name == "cheetah-dir" else LANES
    env = make_env(
        name, n_tasks=n_tasks, num_envs=num_lanes, dtype=np.float64, backend=backend, **settings
    )
    env.reset_task([lane % n_tasks for lane in range(first, first + num_lanes)])
    env.reset([np.random.default_rng(lane) for lane in range(first, first + num_lanes)])
    return env


def actions(env):
    return np.random.default_rng(8).uniform(-1, 1, (STEPS, LANES, env.act_dim))


def run(env, given):
    """Observations, rewards and outcomes of all steps, [steps, lanes, ...]."""
    rows = []
    for action in given:
        obs, reward, _, _, info = env.step(action)
        rows.append(np.concatenate([obs, reward[:, None], info["outcome"]], axis=1))
    return np.array(rows)


def test_where_mujoco_py_is_missing_one_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco_py", None)
    with pytest.raises(
        ValueError,
        match=r"^[^\n]*mujoco_py cannot be imported \(.+\); "
        r"run benchmarks/mujoco210/install.sh[^\n]*$",
    ):
        made("cheetah-vel")


def test_where_the_engine_is_missing_one_message_says_how_to_get_it(monkeypatch, tmp_path):
    (tmp_path / "mujoco_py.py").write_text(
        "raise Exception('\\nYou appear to be missing MuJoCo.\\nMore words')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mujoco_py", raising=False)
    with pytest.raises(
        ValueError,
        match=r"imported \(You appear to be missing MuJoCo\.\); "
        r"run benchmarks/mujoco210/install\.sh",
    ):
        import_mujoco_py()


def test_importing_the_backend_does_not_import_mujoco_py():
    code = "import rlkit.envs.mujoco_py_simulation, sys; assert 'mujoco_py' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@needs_mujoco_py
@pytest.mark.parametrize("body", record.BODIES)
def test_the_engine_gives_the_stored_numbers_again(body):
    with np.load(DATA / f"{body}.npz", allow_pickle=False) as stored:
        for name, values in {
            **record.record_model(body),
            **record.record_trajectories(body),
        }.items():
            np.testing.assert_allclose(values, stored[name], rtol=1e-9, atol=1e-9, err_msg=name)


@needs_mujoco_py
@pytest.mark.parametrize("name", TASKS)
def test_lanes_equal_single_simulations_bit_for_bit(name):
    together = made(name)
    given = actions(together)
    found = run(together, given)
    for lane in range(LANES):
        np.testing.assert_array_equal(
            found[:, [lane]], run(made(name, 1, first=lane), given[:, [lane]])
        )


@needs_mujoco_py
@pytest.mark.parametrize("name", TASKS)
def test_stored_rewards_are_reproduced_exactly_by_compute_reward(name):
    env = made(name)
    for action in actions(env):
        obs, reward, terminated, _, info = env.step(action)
        again = env.compute_reward(info["outcome"], env.tasks[env.task_ids])
        np.testing.assert_array_equal(reward, again[0])
        np.testing.assert_array_equal(terminated, again[2])
        assert obs.shape == (LANES, env.obs_dim)


@needs_mujoco_py
@pytest.mark.parametrize("name", ["cheetah-vel", "ant-goal", "hopper-rand-params"])
def test_a_lane_reset_amid_a_rollout_starts_like_a_fresh_one(name):
    env = made(name)
    given = actions(env)
    run(env, given)
    fresh = made(name, 1, first=2)
    np.testing.assert_array_equal(
        env.reset([np.random.default_rng(7)], [2]), fresh.reset([np.random.default_rng(7)])
    )
    np.testing.assert_array_equal(run(env, given)[:, [2]], run(fresh, given[:, [2]]))


@needs_mujoco_py
@pytest.mark.parametrize("recompute_constants", [False, True])
@pytest.mark.parametrize("name", ["hopper-rand-params", "walker-rand-params"])
def test_bodies_of_a_task_are_those_of_the_official_bindings(name, recompute_constants):
    envs = [
        made(name, backend=backend, recompute_constants=recompute_constants)
        for backend in ("mujoco", "mujoco-py")
    ]
    given = actions(envs[0])
    ours, theirs = (run(env, given) for env in envs)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)
    for field in ("body_mass", "geom_friction"):
        models = [env.simulation.lane_model(1) for env in envs]
        np.testing.assert_allclose(getattr(models[0], field), getattr(models[1], field), rtol=1e-14)


@needs_mujoco_py
def test_recomputed_constants_reach_the_engine():
    envs = [
        made("walker-rand-params", recompute_constants=recompute) for recompute in (False, True)
    ]
    differences = np.abs(np.subtract(*(run(env, actions(env)) for env in envs)))
    assert 1e-6 < differences.max()


@needs_mujoco_py
def test_the_low_gear_ratio_reaches_the_engine():
    strong, weak, official = (
        made("ant-dir"),
        made("ant-dir", use_low_gear_ratio=True),
        made("ant-dir", backend="mujoco"),
    )
    weak_official = made("ant-dir", backend="mujoco", use_low_gear_ratio=True)
    first = [
        run(env, actions(env)[:1])[:, :, :27] for env in (strong, weak, official, weak_official)
    ]
    assert np.abs(first[0] - first[1]).max() > 0.1
    np.testing.assert_allclose(first[0], first[2], atol=1e-4)
    np.testing.assert_allclose(first[1], first[3], atol=1e-4)


@needs_mujoco_py
@pytest.mark.parametrize(("contact_forces", "any_force"), [(True, True), (False, False)])
def test_contact_forces_are_zero_unless_asked_for(contact_forces, any_force):
    env = made("ant-goal", contact_forces=contact_forces)
    env.set_state(np.tile([0, 0, 0.3, 1, 0, 0, 0, *np.zeros(8)], (LANES, 1)), np.zeros((LANES, 14)))
    obs = env.step(np.zeros((LANES, 8)))[0]
    assert obs[:, -84:].any() == any_force


@needs_mujoco_py
@pytest.mark.parametrize("name", ["humanoid-dir", "hopper-rand-params"])
def test_both_physics_modes_are_the_engines_own(name):
    old, native = (made(name, physics=physics) for physics in ("mujoco210", "native"))
    np.testing.assert_allclose(
        run(old, actions(old)), run(native, actions(native)), rtol=0, atol=1e-9
    )
    np.testing.assert_array_equal(old.model.body_mass, native.model.body_mass)


@needs_mujoco_py
def test_a_diverged_lane_is_terminated_and_reported_and_disturbs_no_other(
    tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    calm, env = made("cheetah-vel"), made("cheetah-vel")
    for round_number, action in enumerate(actions(env)[:4]):
        expected = calm.step(action)
        if round_number < 2:  # twice in a row: each time counts
            env.set_state(np.zeros((1, 9)), np.full((1, 9), 1e9), lanes=[1])
        obs, reward, terminated, _, info = env.step(action)
        assert info["diverged"].tolist() == terminated.tolist() == [False, round_number < 2, False]
        assert np.isfinite(obs).all()
        np.testing.assert_array_equal(obs[[0, 2]], expected[0][[0, 2]])
        np.testing.assert_array_equal(reward[[0, 2]], expected[1][[0, 2]])
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
