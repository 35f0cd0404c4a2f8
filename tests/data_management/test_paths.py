"""Trajectories: lengths and masks, sums of rewards, flat rows, selection, files."""

import io
import re

import numpy as np
import pytest

from rlkit.data_management.path_files import load_paths, save_paths
from rlkit.data_management.paths import Paths


def make_paths(lengths, horizon=4, obs_dim=2, act_dim=1, dtype=np.float32, seed=0):
    """Trajectories of random numbers, zero past their lengths."""
    rng = np.random.default_rng(seed)
    paths = Paths.empty(
        len(lengths), horizon, obs_dim, act_dim, outcome_dim=1, latent_dim=3, dtype=dtype
    )
    paths.zs[:] = rng.standard_normal(paths.zs.shape)
    for i, length in enumerate(lengths):
        paths.lengths[i], paths.task_ids[i] = length, i
        paths.obs[i, : length + 1] = rng.standard_normal((length + 1, obs_dim))
        for array in (paths.actions, paths.rewards, paths.sparse_rewards, paths.outcomes):
            array[i, :length] = rng.standard_normal(array[i, :length].shape)
        paths.terminated[i, length - 1 : length] = length < horizon
    return paths


def test_empty_paths_have_the_shapes_asked_for_and_no_steps():
    paths = Paths.empty(3, 5, 7, 2, outcome_dim=4, latent_dim=6, dtype=np.float64)
    assert (paths.num_paths, paths.horizon, paths.num_steps) == (3, 5, 0)
    assert paths.obs.shape == (3, 6, 7)
    assert paths.actions.shape == (3, 5, 2)
    assert paths.outcomes.shape == (3, 5, 4)
    assert paths.zs.shape == (3, 6)
    assert paths.obs.dtype == paths.rewards.dtype == np.float64
    assert paths.zs.dtype == np.float32
    assert not paths.mask.any()


def test_rows_are_the_valid_transitions_path_after_path():
    paths = make_paths([2, 4, 0, 1])
    rows = paths.rows()
    assert list(rows) == ["obs", "actions", "rewards", "sparse_rewards", "next_obs", "terminated"]
    at = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (1, 3), (3, 0)]
    for row, (i, t) in enumerate(at):
        np.testing.assert_array_equal(rows["obs"][row], paths.obs[i, t])
        np.testing.assert_array_equal(rows["next_obs"][row], paths.obs[i, t + 1])
        np.testing.assert_array_equal(rows["actions"][row], paths.actions[i, t])
        assert rows["rewards"][row, 0] == paths.rewards[i, t]
        assert rows["sparse_rewards"][row, 0] == paths.sparse_rewards[i, t]
        assert rows["terminated"][row, 0] == paths.terminated[i, t]
    assert all(
        array.shape[0] == len(at) == paths.num_steps and array.ndim == 2 for array in rows.values()
    )


def test_rows_of_full_paths_are_the_same_as_of_masked_ones():
    full = make_paths([4, 4])
    longer = Paths.concatenate([full, make_paths([1], seed=1)])
    for name, array in full.rows().items():
        np.testing.assert_array_equal(array, longer.rows()[name][:8])


def test_a_return_is_the_sum_of_the_valid_rewards():
    paths = make_paths([2, 4])
    paths.rewards[0, 2:] = 1e6  # past the length; must not count
    expected = [
        float(paths.rewards[0, 0]) + float(paths.rewards[0, 1]),
        sum(float(r) for r in paths.rewards[1]),
    ]
    assert paths.returns().tolist() == expected
    assert paths.returns(sparse=True)[0] == float(paths.sparse_rewards[0, 0]) + float(
        paths.sparse_rewards[0, 1]
    )


def test_a_return_does_not_depend_on_the_paths_beside_it_or_the_horizon():
    many = make_paths([200] * 8, horizon=200)
    padded = Paths.empty(8, 300, 2, 1, 1, 3)
    padded.rewards[:, :200], padded.lengths[:] = many.rewards, many.lengths
    for i in range(8):
        assert many.select([i]).returns()[0] == many.returns()[i] == padded.returns()[i]


def test_select_and_concatenate_undo_each_other():
    paths = make_paths([2, 4, 3])
    joined = Paths.concatenate([paths.select([2]), paths.select(slice(0, 2))]).select([1, 2, 0])
    for name in ("obs", "actions", "rewards", "terminated", "lengths", "task_ids", "zs"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(paths, name))
    assert paths.select([]).num_paths == 0
    assert paths.select(paths.lengths > 2).task_ids.tolist() == [1, 2]


def test_nothing_cannot_be_concatenated():
    with pytest.raises(ValueError, match="at least one part"):
        Paths.concatenate([])


def test_arrays_that_do_not_fit_each_other_are_refused_by_name():
    paths = make_paths([2, 4])
    arrays = {name: getattr(paths, name) for name in Paths.__dataclass_fields__}
    with pytest.raises(ValueError, match=re.escape("obs of 2 paths over 4 steps")):
        Paths(**{**arrays, "obs": paths.obs[:, :-1]})
    with pytest.raises(ValueError, match="lengths of 2 paths"):
        Paths(**{**arrays, "lengths": paths.lengths[:1]})
    with pytest.raises(ValueError, match="rewards"):
        Paths(**{**arrays, "rewards": paths.rewards[..., None]})


def test_saved_paths_read_back_equal():
    paths, file = make_paths([2, 4]), io.BytesIO()
    save_paths(file, paths)
    file.seek(0)
    loaded = load_paths(file)
    for name in Paths.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(paths, name))
        assert getattr(loaded, name).dtype == getattr(paths, name).dtype


def test_a_file_of_other_arrays_is_refused_with_what_it_lacks(tmp_path):
    np.savez(tmp_path / "x.npz", obs=np.zeros(3))
    with pytest.raises(ValueError, match="lacks actions, rewards"):
        load_paths(tmp_path / "x.npz")
