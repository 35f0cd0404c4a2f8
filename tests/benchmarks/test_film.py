"""The GIF of a film: which trajectory is where, and what is refused."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks.publishing.film import cut, main
from rlkit.core.errors import UserError
from rlkit.visualization.video_file import video_writer

TASKS, TRAJECTORIES, STEPS = 2, 3, 4


@pytest.fixture
def video(tmp_path):
    """A grey film whose brightness names task and trajectory, with a green square."""
    path = tmp_path / "video.mp4"
    with video_writer(path, fps=10) as writer:
        for part in range(TASKS * TRAJECTORIES):
            image = np.full((64, 64, 3), 20 + 35 * part, np.uint8)
            image[:16, :16] = 0, 200, 0
            for _ in range(STEPS):
                writer.append_data(image)
    return path


def make(video, gif, *options):
    sizes = "--tasks", TASKS, "--trajectories", TRAJECTORIES, "--width", 64
    return CliRunner().invoke(main, [str(each) for each in (video, gif, *sizes, *options)])


def test_tasks_are_columns_and_trajectories_rows(video):
    gif = video.with_name("film.gif")
    result = make(video, gif, "--show", "1,3", "--every", 2)
    assert result.exit_code == 0, result.output
    with Image.open(gif) as film:
        assert (film.n_frames, film.size) == (1, (128, 128))  # equal images are merged
        assert film.info["duration"] == 400
        image = np.asarray(film.convert("RGB")).astype(int)
    for row, trajectory in enumerate((0, 2)):
        for task in range(TASKS):
            part = image[64 * row : 64 * (row + 1), 64 * task : 64 * (task + 1)]
            grey = 20 + 35 * (task * TRAJECTORIES + trajectory)
            np.testing.assert_allclose(part[40, 40], grey, atol=6)
            red, green, blue = part[8, 8]
            assert green > 150 > 60 > max(red, blue)  # few pixels, yet no grey


def test_images_stay_in_order():
    frames = np.arange(12, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 1, 3), np.uint8)
    images = cut(frames, tasks=2, trajectories=2, shown=[2, 1])
    np.testing.assert_array_equal(
        images[..., 0], [[[3, 9], [0, 6]], [[4, 10], [1, 7]], [[5, 11], [2, 8]]]
    )


def test_a_film_of_unequal_parts_is_refused():
    with pytest.raises(UserError, match="7 images, which is no multiple of 2 tasks times 3"):
        cut(np.zeros((7, 1, 1, 3), np.uint8), 2, 3, [1])


@pytest.mark.parametrize("show", ["0", "4", "1,", "first"])
def test_trajectories_that_do_not_exist_are_refused(video, show):
    result = make(video, video.with_name("film.gif"), "--show", show)
    assert result.exit_code == 1
    assert f"--show {show}: expected numbers from 1 to 3" in result.output


def test_a_file_that_is_no_video_is_named(tmp_path):
    (tmp_path / "video.mp4").write_text("text")
    result = make(tmp_path / "video.mp4", tmp_path / "film.gif")
    assert result.exit_code == 1
    assert "video.mp4: no video that can be read" in result.output
