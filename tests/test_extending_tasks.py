"""The files of docs/extending_tasks.md run unchanged."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import launch_experiment
import sim_policy
from rlkit.envs import make_env
from rlkit.envs.reward_matrix import reward_matrix

PAGE = Path(__file__).resolve().parents[1] / "docs" / "extending_tasks.md"
FILES = dict(re.findall(r"^`(\S+)`:\n\n```\w+\n(.*?)^```$", PAGE.read_text(), re.M | re.S))
SETTINGS = (
    "seed=1",
    "util_params.use_gpu=false",
    "util_params.torch_threads=1",
    "util_params.physics_threads=1",
    "util_params.matmul=default",
    "util_params.slice_rows=0",
    "net_size=8",
    "algo_params.num_iterations=1",
)


@pytest.fixture
def files(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_form_has_a_file():
    assert len(FILES) == 10


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".json")])
def test_its_configurations_are_trained_and_evaluated(files, name):
    arguments = [argument for setting in SETTINGS for argument in ("--set", setting)]
    result = CliRunner().invoke(launch_experiment.main, [name, "--debug", *arguments])
    assert result.exit_code == 0, result.output
    (run_dir,) = files.glob("output/*/debug*")
    film = ["--video"] if name == "gym_line.json" else []  # the class draws itself
    result = CliRunner().invoke(sim_policy.main, [str(run_dir), *film])
    assert result.exit_code == 0, result.output
    assert (run_dir / "video.mp4").exists() == bool(film)
    env_name = json.loads(FILES[name])["env_name"]
    assert run_dir.parent.name == env_name.replace(":", ".").replace("_", "-")


def test_its_example_for_other_programs_runs(files):
    exec(compile(FILES["use_tasks.py"], "use_tasks.py", "exec"), {})


def test_its_mujoco_task_is_rewarded_for_every_task_at_once(files):
    env = make_env("swimmer:SwimmerVel", n_tasks=5, num_envs=3)
    env.reset_task([0, 2, 4])
    env.reset([np.random.default_rng(lane) for lane in range(3)])
    _, reward, _, _, info = env.step(np.ones((3, 2)))
    matrix = reward_matrix(env, info["outcome"], env.tasks)[0]
    np.testing.assert_array_equal(matrix[[0, 2, 4], [0, 1, 2]], reward)
    assert len(np.unique(matrix[:, 0])) == 5
    assert env.unwrapped.has_simulation and env.unwrapped.marker(0) is not None
    env.close()
