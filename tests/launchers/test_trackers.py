"""Rows that also go to TensorBoard and W&B; a stand-in replaces W&B where it is missing."""

import json
import math
import sys
from io import BytesIO
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from rlkit.launchers import trackers
from rlkit.visualization.video_file import video_writer
from tests.launchers.test_sweep_plan import sweep
from tests.tiny_runs import TINY, files_below, launch, rows, run, same_weights

TENSORBOARD = ("--set", 'util_params.trackers=["tensorboard"]')
WANDB = ("--set", 'util_params.trackers=["wandb"]')
RETURN = "AverageReturn_all_test_tasks"


@pytest.fixture
def fake_wandb(monkeypatch):
    """A module `wandb` that records its calls."""
    module = ModuleType("wandb")
    module.begun, module.rows, module.fails = [], [], False

    def log(scalars, step):
        if module.fails:
            raise ConnectionError("gone\nand more")
        module.rows.append((step, scalars))

    def init(**settings):
        module.begun.append(settings)
        return SimpleNamespace(log=log)

    module.init, module.api = init, SimpleNamespace(api_key=None)
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setattr(trackers, "find_spec", lambda name: name)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    return module


def curve(folder, name):
    """(step, value) of a scalar as TensorBoard reads it."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_tensorboard_has_the_rows_of_a_run_and_of_its_resumed_part_in_one_curve(here):
    pytest.importorskip("tensorboard")
    plain = run("--name", "plain")
    short = ("--set", "algo_params.num_iterations=2")
    tracked = run("--name", "tracked", *TENSORBOARD, *short)
    longer = ("--set", "algo_params.num_iterations=3")
    assert launch("--resume", tracked, *longer).exit_code == 0
    assert rows(tracked) == rows(plain) and same_weights(tracked, plain)
    found = curve(tracked / "tensorboard", RETURN)
    assert [step for step, _ in found] == [0, 1, 2]
    assert [value for _, value in found] == [
        pytest.approx(float(row[RETURN]), rel=1e-6) for row in rows(plain)
    ]
    assert not (plain / "tensorboard").exists()


def test_rows_that_a_killed_process_wrote_too_many_are_dropped(tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "variant.json").write_text("{}")
    first = trackers.TensorBoard(tmp_path, 0)
    for iteration in range(4):
        first.send({"x": 1.0}, iteration)
    second = trackers.TensorBoard(tmp_path, 2)
    second.send({"x": 5.0}, 2)
    assert curve(tmp_path / "tensorboard", "x") == [(0, 1.0), (1, 1.0), (2, 5.0)]


def test_wandb_gets_finite_scalars_settings_and_an_identity_that_a_resumed_run_keeps(
    here, fake_wandb
):
    tracked = run("--name", "tracked", *WANDB, "--set", "algo_params.num_iterations=2")
    assert launch("--resume", tracked, "--set", "algo_params.num_iterations=3").exit_code == 0
    first, second = fake_wandb.begun
    identity = json.loads((tracked / "variant.json").read_text())["log_dir_id"]
    for settings in (first, second):
        assert (settings["id"], settings["resume"]) == (identity, "allow")
        assert (settings["name"], settings["group"], settings["mode"]) == (
            "tracked",
            "tiny",
            "offline",
        )
        assert settings["config"]["algo_params.batch_size"] == TINY["algo_params"]["batch_size"]
    assert [step for step, _ in fake_wandb.rows] == [0, 1, 2]
    for (_, scalars), row in zip(fake_wandb.rows, rows(tracked), strict=True):
        assert scalars[RETURN] == float(row[RETURN])
        assert all(map(math.isfinite, scalars.values()))


def write_film(path, num_frames=30, fps=30):
    path.parent.mkdir(parents=True)
    with video_writer(path, fps) as writer:
        for n in range(num_frames):
            writer.append_data(np.full((480, 640, 3), 8 * n, np.uint8))


def test_tensorboard_shows_films_as_gifs_that_last_as_long(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    (tmp_path / "variant.json").write_text("{}")
    write_film(tmp_path / "train_iter0" / "rollout0.mp4")
    send = trackers._Guarded("tensorboard", tmp_path, pytest.fail)
    send({"x": 1.0}, 1)  # resumed: the film of iteration 0 was sent before
    write_film(tmp_path / "train_iter2" / "rollout0.mp4")
    for iteration in (2, 3):
        send({"x": 1.0}, iteration)
    accumulator = events.EventAccumulator(str(tmp_path / "tensorboard"))
    accumulator.Reload()
    (film,) = accumulator.Images("films/rollout0")
    assert (film.step, film.width, film.height) == (2, 320, 240)
    gif = Image.open(BytesIO(film.encoded_image_string))
    assert (gif.format, gif.n_frames, gif.info["duration"]) == ("GIF", 10, 100)


def test_wandb_gets_films_once(tmp_path, fake_wandb):
    fake_wandb.Video = lambda path: ("video", path)
    (tmp_path / "variant.json").write_text("{}")
    film = tmp_path / "train_iter0" / "rollout0.mp4"
    write_film(film, 2)
    send = trackers._Guarded("wandb", tmp_path, pytest.fail)
    for iteration in (0, 1):
        send({"x": 1.0}, iteration)
    films = [row for row in fake_wandb.rows if "films/rollout0" in row[1]]
    assert films == [(0, {"films/rollout0": ("video", str(film))})]


def test_a_tracker_that_fails_is_told_once_and_the_run_goes_on(here, fake_wandb):
    fake_wandb.fails = True
    result = launch("tiny.json", "--name", "mine", *WANDB)
    assert result.exit_code == 0
    line = "wandb receives no more rows, but the run continues (ConnectionError: gone)"
    assert result.output.count(line) == 1
    assert len(rows(here / "output/point-robot/mine")) == 3


@pytest.mark.parametrize("start", [launch, sweep])
def test_a_tracker_that_is_not_installed_is_refused_before_anything_is_written(
    here, monkeypatch, start
):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    before = files_below(here)
    result = start("tiny.json", *WANDB)
    assert result.exit_code == 2
    assert 'util_params.trackers: "wandb" is not installed here; pip install' in result.stderr
    assert files_below(here) == before


def test_an_unknown_tracker_is_refused(here):
    result = launch("tiny.json", "--set", 'util_params.trackers=["comet"]')
    assert result.exit_code == 2 and 'util_params.trackers = ["comet"]: expected' in result.stderr


def test_the_real_wandb_writes_offline_files(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    (tmp_path / "variant.json").write_text(json.dumps({"log_dir_id": "abc", "seed": 3}))
    tracker = trackers.WeightsAndBiases(tmp_path, 0)
    tracker.send({"x": 1.0}, 0)
    tracker._run.finish()
    assert list(tmp_path.glob("wandb/offline-run-*abc/*.wandb"))
