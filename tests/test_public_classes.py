"""Classes of public kinds are trained, resumed bit for bit, simulated and filmed by one command."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import sim_policy
from rlkit.core.meta_evaluation import FURTHER_SUCCESS_RATES
from tests.films import frames_of
from tests.tiny_runs import TINY, files_below, launch, rows, run, same_weights

MARKED = {
    "tests.public_classes:OldLine": {"n_tasks": 5},
    "tests.public_classes:GymLine": {},
    "tests.public_classes:GymLineWithSuccess": {"limit": 7},
    "tests.public_classes:Plane": {"n_tasks": 5},
}
CLASSES = {**MARKED, "Pendulum-v1": {"g": 9.81}}


def simulate(*arguments):
    result = CliRunner().invoke(sim_policy.main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def write_config(env_name, env_params):
    data = {**TINY, "env_name": env_name, "env_params": env_params}
    if env_name == "Pendulum-v1":
        data |= {"n_train_tasks": 1, "n_eval_tasks": 1}
        data["algo_params"] = {**TINY["algo_params"], "meta_batch": 1}
    Path("tiny.json").write_text(json.dumps(data))


@pytest.mark.parametrize("env_name", CLASSES)
def test_it_is_trained_resumed_bit_for_bit_simulated_and_filmed(env_name, tmp_path, monkeypatch):
    if env_name == "Pendulum-v1":
        pytest.importorskip("pygame", reason="gymnasium[classic-control] is not installed")
    monkeypatch.chdir(tmp_path)
    write_config(env_name, CLASSES[env_name])
    whole = run("--set", "algo_params.num_iterations=2")
    resumed = run("--set", "algo_params.num_iterations=1")
    result = launch("--resume", resumed, "--set", "algo_params.num_iterations=2")
    assert result.exit_code == 0, result.output
    assert same_weights(whole, resumed) and rows(whole) == rows(resumed)
    knows_success = env_name.endswith("WithSuccess")
    assert (FURTHER_SUCCESS_RATES[0] in rows(whole)[0]) is knows_success

    simulate(whole, "--num_trajs", 2)
    table = (whole / "sim_policy.csv").read_text()
    assert "posterior" in table
    filmed = simulate(whole, "--num_trajs", 2, "--video")
    assert f"wrote {whole / 'video.mp4'}" in filmed.replace("\n", "")
    assert (whole / "sim_policy.csv").read_text() == table
    check_film(whole / "video.mp4", env_name)


def check_film(path, env_name):
    """Two trajectories of five steps on each task, in the shape and at the speed of the class."""
    frames_per_second, height = {
        "OldLine": (20, 112),
        "GymLine": (5, 160),
        "GymLineWithSuccess": (5, 160),
        "Plane": (10, 480),
        "Pendulum-v1": (30, 480),
    }[env_name.rpartition(":")[2]]
    tasks = 1 if env_name == "Pendulum-v1" else 2
    frames, found = frames_of(path)
    assert found == frames_per_second
    assert len(frames) == tasks * 2 * (1 + 5 + frames_per_second)
    band = frames.shape[1] - height
    assert frames.shape[2] == 480 and 80 <= band <= 112
    if env_name in MARKED:
        red = [np.argwhere(f[band:, :, 0] - f[band:, :, 1].astype(int) > 90)[:, 1] for f in frames]
        assert all(len(columns) for columns in red), "the mark is on every picture"
        places = np.array([columns.mean() for columns in red])
        assert np.ptp(places) > 20, "it moves"
    else:
        assert frames[:, band:].std() > 10


def test_a_film_shows_the_states_of_its_trajectories(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_config("tests.public_classes:OldLine", {"n_tasks": 5})
    run_dir = run("--set", "algo_params.num_iterations=1")
    seen = []

    def remember(frame, lines):
        seen.append((frame, lines))
        return frame

    monkeypatch.setattr("rlkit.visualization.video.captioned", remember)
    simulate(run_dir, "--video", "--num_trajs", 1)
    assert [lines[2].split(",")[0] for _, lines in seen] == [f"step {n}" for n in range(6)] * 2
    assert [lines[0] for _, lines in seen[::6]] == [
        "tests.public_classes:OldLine, task 3",
        "tests.public_classes:OldLine, task 4",
    ]
    assert seen[0][1][2] == "step 0, return 0.0", "steps have no seconds"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "class Broken(OldLine):\n    render = None",
            "has no method render, by which it could draw itself",
        ),
        (
            "class Broken(OldLine):\n    def render(self, mode):\n        import no_such_package",
            r"render failed (ModuleNotFoundError: No module named 'no_such_package', broken.py",
        ),
        (
            "class Broken(OldLine):\n    def render(self):\n        return strip(0)[..., 0]",
            "render gave an array of uint8, shape (32, 128), expected a picture",
        ),
        (
            "class Broken(OldLine):\n    def render(self):\n        pass",
            "render gave None, expected a picture, uint8 [height, width, 3]",
        ),
    ],
)
def test_a_class_that_cannot_draw_has_its_film_refused_in_one_line(
    tmp_path, monkeypatch, source, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken", raising=False)
    Path("broken.py").write_text(f"from tests.public_classes import OldLine, strip\n\n{source}\n")
    write_config("broken:Broken", {"n_tasks": 5})
    run_dir = run("--set", "algo_params.num_iterations=1")
    before = files_below(tmp_path)
    result = CliRunner().invoke(sim_policy.main, [str(run_dir), "--video"])
    assert result.exit_code == 2
    assert message in result.stderr and result.stderr.count("\n") == 1
    assert result.stderr.startswith("--video: no video can be recorded; broken:Broken")
    assert result.stdout == "" and files_below(tmp_path) == before
