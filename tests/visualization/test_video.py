"""Films: what is recorded, and that the file holds one picture a step."""

import imageio.v2 as imageio
import numpy as np
import pytest

from rlkit.core.errors import UserError
from rlkit.core.eval_util import evaluate_adaptation
from rlkit.core.seeding import stream
from rlkit.envs import make_env
from rlkit.envs.rendering import Renderer
from rlkit.visualization.video import FilmedEnv, captioned, video_writer


class Still:
    """Never moves a joint."""

    def reset_belief(self, num_envs):
        pass

    def start_trajectories(self, generators):
        pass

    def get_actions(self, obs, noise):
        return np.zeros((len(obs), 6), np.float32)

    def adapt(self, paths):
        pass


def filmed_cheetah():
    try:
        return FilmedEnv(make_env("cheetah-vel", n_tasks=4, num_envs=2), width=64, height=48)
    except ValueError as error:
        pytest.skip(str(error))


@pytest.mark.render
def test_a_film_shows_every_step_of_the_chosen_tasks(tmp_path):
    env = filmed_cheetah()
    plain = make_env("cheetah-vel", n_tasks=4, num_envs=2)
    evaluate = {"num_runs": 1, "num_steps": 4, "max_path_length": 3, "streams": lambda i, r, n: stream(0, "film", i, r, n)}
    adaptation = evaluate_adaptation(env, Still(), [1, 2, 3], **evaluate)  # two slices of at most two lanes
    same = evaluate_adaptation(plain, Still(), [1, 2, 3], **evaluate)
    for filmed, unfilmed in zip(adaptation.trajectories, same.trajectories, strict=True):
        np.testing.assert_array_equal(filmed.obs, unfilmed.obs)
    film = tmp_path / "video.mp4"
    env.film(film, [1, 2, 3], [0, 2], adaptation.trajectories, lambda index, n: [f"task {index}, trajectory {n}"])
    env.close()
    with imageio.get_reader(film) as reader:
        assert reader.get_meta_data()["fps"] == pytest.approx(20.0)  # 0.05 s a step
        pause = 10
        assert reader.count_frames() == 2 * 2 * (1 + 3 + pause)
    assert [file.name for file in tmp_path.iterdir()] == ["video.mp4"]


@pytest.mark.render
def test_the_recorded_states_are_those_of_the_lane(tmp_path):
    env = filmed_cheetah()
    adaptation = evaluate_adaptation(
        env, Still(), [1, 2, 3], num_runs=1, num_steps=4, max_path_length=3, streams=lambda i, r, n: stream(0, "film", i, r, n)
    )
    for index, task_id in enumerate((1, 2, 3)):
        for n, paths in enumerate(adaptation.trajectories):
            heights = [qpos[1] for qpos, _ in env._states(task_id, n)]  # the observation begins with the height
            np.testing.assert_allclose(heights, paths.obs[index, :, 0], rtol=1e-6)
    env.close()


def test_a_caption_changes_the_top_of_the_picture_only():
    frame = np.full((120, 240, 3), 200, np.uint8)
    written = captioned(frame, ["one line"])
    assert written.shape == frame.shape
    assert (written[:10] != frame[:10]).any()
    np.testing.assert_array_equal(written[60:], frame[60:])


def test_an_interrupted_film_leaves_no_file(tmp_path):
    with pytest.raises(KeyboardInterrupt), video_writer(tmp_path / "video.mp4", 20) as writer:
        writer.append_data(np.zeros((48, 64, 3), np.uint8))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_film_that_cannot_be_written_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match="cannot be written"), video_writer(tmp_path / "nowhere" / "video.mp4", 20) as writer:
        writer.append_data(np.zeros((48, 64, 3), np.uint8))


def test_a_point_robot_cannot_be_filmed():
    with pytest.raises(ValueError, match="no MuJoCo model"):
        Renderer(make_env("point-robot", n_tasks=4))
