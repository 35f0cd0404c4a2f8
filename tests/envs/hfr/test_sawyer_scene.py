"""The Sawyer scenes: what is changed in metaworld's files, where episodes start, and what happens
without the files.
"""

import importlib.metadata
import importlib.util
import json
import sys

import mujoco
import numpy as np
import pytest
from click.testing import CliRunner

import launch_experiment
from rlkit.envs import env_class, make_env
from rlkit.envs.hfr.sawyer_model import load_scene, scene_file
from rlkit.envs.hfr.sawyer_starts import ABOVE_PUCK, AT_PUCK

SCENES = ["sawyer_reach_v3.xml", "sawyer_push_v3.xml"]
VERSION = tuple(int(part) for part in mujoco.__version__.split(".")[:2])
absent = (
    "needs the scene files of metaworld, which is not installed: pip install --no-deps metaworld"
)


@pytest.fixture
def no_metaworld(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "metaworld" else real(name, *rest),
    )


@pytest.mark.metaworld
@pytest.mark.parametrize("file_name", SCENES)
def test_bodies_have_the_sizes_and_masses_of_2020(file_name):
    model = load_scene(scene_file(file_name, "test"), (0.0, 0.6, 0.2))
    np.testing.assert_array_equal(model.geom("objGeom").size[:2], [0.03, 0.015])
    np.testing.assert_array_equal(model.body("hand").mass, 0.08635)
    np.testing.assert_array_equal(model.body("hand").ipos, [-0.05, 0, 0])
    for pad in ("leftpad", "rightpad"):
        np.testing.assert_allclose(
            model.body(pad).inertia, [1.2636e-6, 1.215e-5, 1.09836e-5], rtol=1e-12
        )
        np.testing.assert_array_equal(model.body(pad).mass, 0.0162)
        np.testing.assert_array_equal(model.body(pad).iquat, [1, 0, 0, 0])
    armatures = [
        model.dof_armature[model.joint(f"right_j{number}").dofadr[0]] for number in range(7)
    ]
    assert armatures == [0.1] * 7
    assert model.opt.timestep == 0.0025


@pytest.mark.metaworld
def test_constants_follow_the_changes_and_the_weld_keeps_no_distance():
    model = load_scene(scene_file(SCENES[0], "test"), (0.0, 0.6, 0.2))
    before = {
        name: getattr(model, name).copy()
        for name in ("eq_data", "dof_invweight0", "body_invweight0", "body_subtreemass")
    }
    mujoco.mj_setConst(model, mujoco.MjData(model))
    for name, values in before.items():
        np.testing.assert_array_equal(getattr(model, name), values)
    assert model.eq_data[0, :10].tolist() == [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
    assert len(model.eq_data[0]) in (11, 12)


@pytest.mark.metaworld
@pytest.mark.skipif(VERSION < (3, 7), reason="MuJoCo before 3.7 pulls the arm to another start")
@pytest.mark.parametrize(("start", "atol"), [(ABOVE_PUCK, 1e-3), (AT_PUCK, 1e-2)])
def test_the_start_is_what_ten_control_steps_of_pulling_lead_to(start, atol):
    model = load_scene(scene_file(SCENES[1], "test"), start.hand_target)
    data = mujoco.MjData(model)
    data.ctrl[:] = -1, 1
    mujoco.mj_step(model, data, 10 * 5)
    np.testing.assert_allclose(data.qpos[:9], start.qpos[:9], atol=atol)
    np.testing.assert_allclose(data.qvel[:9], start.qvel[:9], atol=10 * atol)
    assert start.qpos[9:11] == (0.0, 0.6)
    assert start.qvel[9:] == (0.0,) * 6


@pytest.mark.metaworld
def test_metaworld_is_not_imported():
    make_env("sawyer-reach", n_tasks=2).close()
    assert not [name for name in sys.modules if name.split(".")[0] == "metaworld"]
    assert importlib.metadata.version("metaworld")


@pytest.mark.metaworld
@pytest.mark.parametrize("settings", [{"physics": "mujoco210"}, {"backend": "mujoco-py"}])
def test_there_is_no_older_physics_of_this_arm(settings):
    with pytest.raises(
        ValueError, match=f"^{next(iter(settings))} is '{next(iter(settings.values()))}'"
    ):
        make_env("sawyer-reach", n_tasks=2, **settings)


def test_without_metaworld_other_tasks_run_and_these_name_the_command(no_metaworld):
    make_env("cheetah-vel", n_tasks=2).close()
    assert env_class("sawyer-push").max_episode_steps == 150
    with pytest.raises(ValueError, match=f"^sawyer-push {absent}$"):
        make_env("sawyer-push", n_tasks=2)


def test_without_the_scenes_of_version_3_the_command_upgrades(tmp_path, monkeypatch):
    (tmp_path / "metaworld").mkdir()
    (tmp_path / "metaworld" / "__init__.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(
        ValueError,
        match="which has no sawyer_reach_v3.xml: pip install --no-deps --upgrade metaworld",
    ):
        make_env("sawyer-reach", n_tasks=2)


def test_without_metaworld_the_command_line_answers_with_one_message_and_code_2(
    no_metaworld, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    sizes = {"n_train_tasks": 4, "n_eval_tasks": 2, "env_params": {"n_tasks": 6, "sparse": True}}
    (tmp_path / "mine.json").write_text(json.dumps({"env_name": "sawyer-reach", **sizes}))
    result = CliRunner().invoke(launch_experiment.main, ["mine.json", "--cpu"])
    assert result.exit_code == 2
    assert result.stderr.count(absent) == 1
    assert "Traceback" not in result.output
    assert [file.name for file in tmp_path.iterdir()] == ["mine.json"]
