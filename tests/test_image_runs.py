"""Both entry scripts on pictures: a tiny run, what it leaves, its evaluation, and what happens
where nothing can be drawn.
"""

import json

import pytest
from click.testing import CliRunner

from sim_policy import main
from tests.test_sim_policy import CHEETAH, make_run, run, table
from tests.tiny_runs import TINY, launch

PICTURES = {"obs_mode": "image", "image_size": 16}


def write(path, data):
    path.write_text(json.dumps(data))
    return path


def test_a_run_on_pictures_goes_from_its_file_to_weights_and_a_drawing(here):
    write(here / "tiny.json", {**TINY, **PICTURES})
    result = launch("tiny.json", "--cpu", "--seed", 3)
    assert result.exit_code == 0, result.output
    (run_dir,) = (here / "output" / "point-robot").iterdir()
    header = (run_dir / "progress.csv").read_text().splitlines()[0].split(",")
    assert {"Gradient norm obs_encoder (mean)", "Gradient norm obs_encoder (max)"} <= set(header)
    assert (run_dir / "obs_encoder.pth").exists()
    simulated = CliRunner().invoke(main, [str(run_dir)])
    assert simulated.exit_code == 0, simulated.output
    assert [row["z"] for row in table(run_dir)][-1] == "posterior"
    assert (run_dir / "trajectories.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.render
def test_a_cheetah_seen_in_pictures_is_evaluated_and_filmed(tmp_path):
    make_run(tmp_path / "run", {**CHEETAH, **PICTURES, "n_train_tasks": 4, "n_eval_tasks": 1})
    result = run(tmp_path / "run", "--video", "--num_trajs", 2)
    if "no OpenGL" in result.output:
        pytest.skip(result.output.splitlines()[-1])
    assert result.exit_code == 0, result.output
    assert len(table(tmp_path / "run")) == 2
    assert (tmp_path / "run" / "video.mp4").stat().st_size > 10_000


def test_without_opengl_a_run_on_pictures_of_a_cheetah_is_refused_before_anything_is_written(
    here, monkeypatch
):
    monkeypatch.setenv("MUJOCO_GL", "disable")
    write(here / "cheetah.json", {**TINY, **PICTURES, "env_name": "cheetah-vel"})
    result = launch("cheetah.json", "--cpu")
    assert result.exit_code == 2
    assert "the experiment cannot be built: no OpenGL library works here" in result.stderr
    assert not (here / "output").exists()
    printed = launch("cheetah.json", "--print-config")
    assert printed.exit_code == 0, "it draws nothing"
    assert "bytes a row" in printed.stderr
