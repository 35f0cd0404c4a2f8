"""The tasks of STEVE's experiments, under gymnasium's ids."""

import importlib.util
import subprocess
import sys

import gymnasium
import numpy as np
import pytest

from rlkit.envs import make_env

SIZES = {
    "HalfCheetah-v4": (17, 6),
    "Hopper-v4": (11, 3),
    "Walker2d-v4": (17, 6),
    "Swimmer-v4": (8, 2),
    "rlkit/HumanoidContactCost-v0": (376, 17),
}


@pytest.mark.parametrize("name", SIZES)
def test_old_ids_are_made_in_silence_and_have_the_published_sizes(name):
    env = make_env(name)  # warnings are errors here
    assert (env.obs_dim, env.act_dim) == SIZES[name] and env.n_tasks == 1
    assert env.unwrapped.max_episode_steps == 1000
    assert (env.unwrapped.action_low == -1).all() and (env.unwrapped.action_high == 1).all()
    env.close()


def test_the_humanoid_pays_for_contact_and_for_controls_that_saturate():
    ours = gymnasium.make("rlkit/HumanoidContactCost-v0").unwrapped
    with pytest.warns(DeprecationWarning, match="out of date"):
        theirs = gymnasium.make("Humanoid-v4").unwrapped
    ours.reset(seed=0)
    theirs.reset(seed=0)
    costs, action = [], np.ones(17)
    for _ in range(60):
        found, expected = ours.step(action), theirs.step(action)
        np.testing.assert_array_equal(found[0], expected[0])
        cost = min(5e-7 * np.square(theirs.data.cfrc_ext).sum(), 10)
        assert found[1] == pytest.approx(expected[1] - cost, abs=1e-12)
        costs.append(cost)
    assert max(costs) > 0.01
    assert found[4]["reward_quadctrl"] == pytest.approx(-0.1 * 17)
    scaled = gymnasium.make("rlkit/HumanoidContactCost-v0", rescale_actions=True).unwrapped
    scaled.reset(seed=0)
    assert scaled.step(action)[4]["reward_quadctrl"] == pytest.approx(-0.1 * 17 * 0.16, rel=1e-6)


def test_box2d_is_imported_where_warnings_are_errors():
    if importlib.util.find_spec("Box2D") is None:
        pytest.skip("Box2D is not installed (the extra steve)")
    code = "from rlkit.envs import make_env; print(make_env('BipedalWalkerHardcore-v3').obs_dim)"
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == "24"


def test_a_task_whose_extra_is_not_installed_is_refused_in_one_message(tmp_path):
    config = tmp_path / "config.json"
    config.write_text('{"algorithm": "steve", "env_name": "BipedalWalkerHardcore-v3"}')
    code = "import sys; sys.modules['Box2D'] = None; from launch_experiment import main; main()"
    found = subprocess.run(
        [sys.executable, "-c", code, str(config)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 2 and "Traceback" not in found.stderr
    assert "BipedalWalkerHardcore-v3" in found.stderr and "box2d" in found.stderr.lower()


def test_an_episode_on_box2d_does_not_depend_on_those_before_it():
    pytest.importorskip("Box2D")

    def episode(env, seed):
        env.reset_task([0])
        seen = [env.reset([np.random.default_rng(seed)])]
        actions = np.random.default_rng(seed)
        for _ in range(400):
            obs, reward, terminated, *_ = env.step(actions.uniform(-1, 1, (1, env.act_dim)))
            seen += [obs, reward[:, None]]
            if terminated[0]:
                break
        return np.concatenate(seen, axis=1)

    used = make_env("BipedalWalkerHardcore-v3")
    for seed in range(8):
        env = make_env("BipedalWalkerHardcore-v3")
        np.testing.assert_array_equal(episode(used, seed), episode(env, seed))
        env.close()
    used.close()
