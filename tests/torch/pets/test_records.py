"""logs.mat and predictions.mat: read back as they were written."""

import io

import numpy as np
import torch
from scipy.io import loadmat

from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.torch.pets.records import LogsSchedule, logs_mat, predictions_mat


def stored(*lengths: int) -> tuple[MultiTaskReplayBuffer, Paths]:
    generator = np.random.default_rng(0)
    paths = Paths.empty(len(lengths), max(lengths), 3, 2, 1)
    for i, length in enumerate(lengths):
        paths.obs[i, : length + 1] = generator.normal(size=(length + 1, 3))
        paths.actions[i, :length] = generator.normal(size=(length, 2))
        paths.rewards[i, :length] = generator.normal(size=length)
        paths.lengths[i] = length
    buffer = MultiTaskReplayBuffer(1, 3, 2, capacity=100)
    buffer.add_paths([0] * len(lengths), paths)
    return buffer, paths


def test_trials_of_one_length_are_arrays():
    buffer, paths = stored(4, 4)
    arrays = loadmat(io.BytesIO(logs_mat(buffer, [1.5, -2.0, 3.0])))
    for name, expected in (("observations", "obs"), ("actions", "actions"), ("rewards", "rewards")):
        np.testing.assert_array_equal(arrays[name], getattr(paths, expected))
    assert arrays["returns"].tolist() == [[1.5, -2.0, 3.0]]


def test_trials_of_different_lengths_are_cells():
    buffer, paths = stored(4, 2, 3)
    arrays = loadmat(io.BytesIO(logs_mat(buffer, [])))
    assert arrays["observations"].shape == (1, 3) and arrays["returns"].size == 0
    for i, length in enumerate(paths.lengths):
        np.testing.assert_array_equal(arrays["observations"][0, i], paths.obs[i, : length + 1])
        np.testing.assert_array_equal(arrays["actions"][0, i], paths.actions[i, :length])


def test_predictions_follow_the_trials_one_after_the_other():
    plans = [torch.arange(2 * 3 * 4 * 2).reshape(2, 3, 4, 2).float() + 100 * n for n in range(3)]
    arrays = loadmat(io.BytesIO(predictions_mat(plans, [3, 1], particles=True)))
    assert arrays["predictions"].shape == (4, 3, 4, 2)
    np.testing.assert_array_equal(arrays["predictions"][2], plans[2][0])
    np.testing.assert_array_equal(arrays["predictions"][3], plans[0][1])
    arrays = loadmat(io.BytesIO(predictions_mat(plans, [3, 1], particles=False)))
    np.testing.assert_allclose(arrays["means"][1], plans[1][0].mean(dim=1))
    np.testing.assert_allclose(arrays["vars"][3], plans[0][1].var(dim=1, correction=0))


def test_a_large_file_is_written_when_it_has_grown_and_at_the_end():
    schedule, sizes = LogsSchedule(40), [10_000_000 + 200_000 * i for i in range(40)]
    written = [i for i, size in enumerate(sizes) if schedule.due(i, size)]
    assert written[0] == 0 and written[-1] == 39 and 4 <= len(written) <= 10
    schedule = LogsSchedule(4)
    assert all(schedule.due(i, 1000) for i in range(4))
