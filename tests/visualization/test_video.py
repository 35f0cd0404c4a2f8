"""Videos: recorded states, captions and markers, and one frame per step in the file."""

import imageio.v2 as imageio
import numpy as np
import pytest

from rlkit.core.errors import UserError
from rlkit.core.eval_util import evaluate_adaptation
from rlkit.core.seeding import stream
from rlkit.envs import make_env
from rlkit.envs.markers import Pace
from rlkit.envs.opengl import open_gl_context
from rlkit.envs.rendering import Renderer
from rlkit.visualization import video
from rlkit.visualization.video import FilmedEnv, playback
from rlkit.visualization.video_file import captioned, video_writer


class Constant:
    """Acts with a constant action."""

    def __init__(self, action):
        self.action = np.asarray(action, np.float32)

    def reset_belief(self, num_envs):
        pass

    def start_trajectories(self, generators):
        pass

    def get_actions(self, obs, noise):
        return np.tile(self.action, (len(obs), 1))

    def adapt(self, paths):
        pass


def evaluate(env, task_ids, num_steps=4, max_path_length=3, action=0.0):
    """At least two trajectories per task, in slices of the environment's lanes."""
    return evaluate_adaptation(
        env,
        Constant(np.full(env.act_dim, action)),
        task_ids,
        num_runs=1,
        num_steps=num_steps,
        max_path_length=max_path_length,
        streams=lambda i, r, n: stream(0, "film", i, r, n),
    )


def cheetah():
    return make_env("cheetah-vel", n_tasks=4, num_envs=2)


@pytest.fixture(scope="module")
def opengl():
    try:
        open_gl_context(8, 8).free()
    except ValueError as error:
        pytest.skip(str(error))


@pytest.fixture
def drawn(monkeypatch):
    """A video without rendering: markers and lines of its frames, in order; [16, 16, 3]."""
    frames = []

    class Blank:
        def __init__(self, *arguments):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

        def render_state(self, qpos, qvel, marker):
            frames.append((qpos, marker))
            return np.zeros((16, 16, 3), np.uint8)

    def write(frame, lines):
        frames[-1] = (*frames[-1], list(lines))
        return frame

    monkeypatch.setattr(video, "Renderer", Blank)
    monkeypatch.setattr(video, "captioned", write)
    return frames


@pytest.mark.render
def test_a_film_shows_every_step_of_the_chosen_tasks(tmp_path, opengl):
    env = FilmedEnv(cheetah())
    adaptation, same = evaluate(env, [1, 2, 3]), evaluate(cheetah(), [1, 2, 3])
    for filmed, unfilmed in zip(adaptation.trajectories, same.trajectories, strict=True):
        np.testing.assert_array_equal(filmed.obs, unfilmed.obs)
    film = tmp_path / "video.mp4"
    captions = {
        "captions": lambda index, n: [f"task {index}", f"trajectory {n}"],
        "width": 64,
        "height": 48,
    }
    env.film(film, [1, 2, 3], [0, 2], adaptation.trajectories, **captions)
    env.close()
    with imageio.get_reader(film) as reader:
        assert reader.get_meta_data()["fps"] == pytest.approx(20.0)  # 0.05 s a step
        pause = 20
        assert reader.count_frames() == 2 * 2 * (1 + 3 + pause)
        frame = np.array(reader.get_data(0))
    assert frame.shape == (64 + 48, 64, 3)
    assert frame[64:].std() > 10, "there is a picture below the captions"
    assert [file.name for file in tmp_path.iterdir()] == ["video.mp4"]


def test_each_frame_has_the_marker_and_the_returns_of_its_moment(tmp_path, drawn):
    env = FilmedEnv(cheetah())
    adaptation = evaluate(env, [1, 2, 3])
    env.film(
        tmp_path / "v.mp4",
        [1, 2, 3],
        [2],
        adaptation.trajectories,
        lambda index, n: [f"{index}, {n}"],
    )
    assert len(drawn) == 2 * (1 + 3)
    first = adaptation.trajectories[0]
    for step, (qpos, marker, lines) in enumerate(drawn[:4]):
        start = drawn[0][0][0]
        velocity = float(env.tasks[3, 0])
        assert marker == Pace(velocity, pytest.approx(start + velocity * 0.05 * step))
        assert qpos[1] == pytest.approx(
            first.obs[2, step, 0], rel=1e-6
        )  # the observation begins with the height
        total = first.rewards[2, :step].sum()
        assert lines == [
            "2, 0",
            f"step {step}, {0.05 * step:.1f} s, return {total:.1f}",
            "returns before: none",
        ]
    assert drawn[4][2][-1] == f"returns before: {first.rewards[2].sum():.1f}"
    assert drawn[4][1].runner == pytest.approx(drawn[4][0][0]), "each trajectory has its own start"


def test_trajectories_that_end_early_stop_there_and_say_so(tmp_path, drawn):
    env = FilmedEnv(make_env("hopper-rand-params", n_tasks=4, num_envs=4))
    adaptation = evaluate(env, [0, 1, 2, 3], num_steps=31, max_path_length=60, action=1.0)
    lengths = [int(paths.lengths[1]) for paths in adaptation.trajectories if paths.lengths[1] > 0]
    assert all(0 < length < 60 for length in lengths), (
        "a hopper that pushes with all its might falls"
    )
    env.film(
        tmp_path / "v.mp4", [0, 1, 2, 3], [1], adaptation.trajectories, lambda index, n: [str(n)]
    )
    assert len(drawn) == sum(lengths) + len(lengths)
    over = [number for number, (_, _, lines) in enumerate(drawn) if "episode over" in lines[1]]
    assert over == (np.cumsum(np.array(lengths) + 1) - 1).tolist()
    assert "(1/2 speed)" in drawn[0][2][1]


def test_films_of_short_steps_are_slowed_down_and_no_picture_is_left_out():
    assert playback(0.05) == (pytest.approx(20.0), 1)
    assert playback(0.016) == (pytest.approx(31.25), 2)
    assert playback(0.015) == (pytest.approx(33.33, abs=0.01), 2)


def test_captions_stand_above_the_picture_and_leave_it_alone():
    frame = np.full((128, 240, 3), 200, np.uint8)
    written = captioned(frame, ["one line", "another"])
    band = len(written) - len(frame)
    assert written.shape[1:] == frame.shape[1:]
    assert len(written) % 16 == 0, "films need it"
    np.testing.assert_array_equal(written[band:], frame)
    assert written[:band].max() > 200


def test_a_line_that_is_too_long_is_written_smaller():
    frame = np.zeros((16, 240, 3), np.uint8)
    long = captioned(frame, ["w" * 40])
    assert long.shape == captioned(frame, ["w"]).shape
    assert long[:, :-6].max() > 100
    assert long[:-16, -6:].max() < 100, "it does not reach the edge"


def test_without_opengl_there_is_no_film_and_one_message(tmp_path, monkeypatch):
    env = FilmedEnv(cheetah())
    adaptation = evaluate(env, [1])
    monkeypatch.setenv("MUJOCO_GL", "disable")
    with pytest.raises(UserError, match="no video: no OpenGL library works here"):
        env.film(tmp_path / "video.mp4", [1], [0], adaptation.trajectories, lambda index, n: [])
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_film_leaves_no_file(tmp_path):
    with pytest.raises(KeyboardInterrupt), video_writer(tmp_path / "video.mp4", 20) as writer:
        writer.append_data(np.zeros((48, 64, 3), np.uint8))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_film_that_cannot_be_written_is_a_clear_error(tmp_path):
    with (
        pytest.raises(UserError, match="cannot be written"),
        video_writer(tmp_path / "nowhere" / "video.mp4", 20) as writer,
    ):
        writer.append_data(np.zeros((48, 64, 3), np.uint8))


def test_an_error_without_a_text_is_named_by_its_type(tmp_path):
    with (
        pytest.raises(UserError, match=r"video.mp4: cannot be written \(OSError\)"),
        video_writer(tmp_path / "video.mp4", 20),
    ):
        raise OSError


def test_a_point_robot_cannot_be_filmed():
    with pytest.raises(ValueError, match="no MuJoCo model"):
        Renderer(make_env("point-robot", n_tasks=4))
