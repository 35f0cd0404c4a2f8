"""A run's checkpoints: what is saved is what is loaded, and rows are written once."""

from collections import OrderedDict

import numpy as np
import pytest
import torch

from rlkit.core.checkpoint import Checkpoint
from rlkit.core.saving import save_weights
from tests.core.checkpoints import WIDTH, assert_holds, make_buffers, newest_file, save_iterations


def test_a_loaded_checkpoint_holds_what_was_saved(tmp_path):
    saved, buffers = save_iterations(tmp_path, 6), make_buffers()
    loaded = Checkpoint(tmp_path).load(buffers, warn=pytest.fail)
    assert loaded[0] == 6
    assert_holds(loaded, buffers, saved)


def test_a_checkpoint_before_any_row_loads(tmp_path):
    Checkpoint(tmp_path).save(-1, {"steps": 0}, make_buffers())
    buffers = make_buffers()
    buffers["replay"].add_rows(0, torch.ones(3, WIDTH))  # must not stay
    assert Checkpoint(tmp_path).load(buffers) == (-1, {"steps": 0})
    assert buffers["replay"].num_rows == 0


def test_a_run_interrupted_and_loaded_at_every_iteration_ends_as_the_uninterrupted_one(tmp_path):
    through = save_iterations(tmp_path / "through", 8)
    for iteration in range(-1, 9):
        checkpoint, buffers = Checkpoint(tmp_path / "resumed"), make_buffers()
        if iteration > -1:
            assert checkpoint.load(buffers, warn=pytest.fail)[0] == iteration - 1
        save_iterations(None, iteration, checkpoint, buffers, first=iteration)
    buffers = make_buffers()
    assert_holds(Checkpoint(tmp_path / "resumed").load(buffers), buffers, through)


def test_rows_are_written_once_and_segments_without_a_valid_row_are_dropped(tmp_path):
    checkpoint, buffers = Checkpoint(tmp_path), make_buffers()
    save_iterations(None, -1, checkpoint, buffers)
    first = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "checkpoint").glob("*.npy")}
    assert set(first) == {"replay-000001.npy", "encoder-000001.npy"}
    save_iterations(None, 0, checkpoint, buffers, first=0)
    for name, time in first.items():
        assert (tmp_path / "checkpoint" / name).stat().st_mtime_ns == time
    assert np.load(tmp_path / "checkpoint" / "replay-000002.npy").shape == (22, WIDTH)
    save_iterations(None, 9, checkpoint, buffers, first=1)
    names = {path.name for path in (tmp_path / "checkpoint").iterdir()}
    assert "encoder-000001.npy" not in names  # every task was cleared since
    assert "replay-000001.npy" not in names  # the rings overwrote it
    assert len(names) < 2 + 2 + 2 * 8


def test_without_new_rows_no_segment_is_written(tmp_path):
    checkpoint, buffers = Checkpoint(tmp_path), make_buffers()
    save_iterations(None, 0, checkpoint, buffers)
    before = set((tmp_path / "checkpoint").glob("*.npy"))
    checkpoint.save(1, {"steps": 1}, buffers)
    assert set((tmp_path / "checkpoint").glob("*.npy")) == before


def test_states_of_all_plain_kinds_come_back(tmp_path):
    state = {
        "odd": [None, True, 2**100, float("inf"), "text", b"bytes", (1, [2.5])],
        "pcg": np.random.default_rng(3).bit_generator.state,
        "ordered": OrderedDict(a=torch.arange(3)),
        0: np.float64(0.1),
        "count": np.int64(7),
    }
    Checkpoint(tmp_path).save(0, state, {})
    loaded = Checkpoint(tmp_path).load({})[1]
    assert loaded["odd"] == state["odd"]
    assert loaded["pcg"] == state["pcg"]
    assert torch.equal(loaded["ordered"]["a"], torch.arange(3))
    assert loaded[0] == 0.1
    assert type(loaded[0]) is float
    assert type(loaded["count"]) is int


def test_a_state_that_needs_a_pickle_is_refused_with_its_place(tmp_path):
    with pytest.raises(TypeError, match=r"state\['a'\]\[1\] is a ndarray"):
        Checkpoint(tmp_path).save(0, {"a": [1, np.zeros(3)]}, {})
    assert list((tmp_path / "checkpoint").iterdir()) == []


def test_views_are_saved_without_the_storage_they_view(tmp_path):
    large = torch.randn(1000, 1000)
    state = {
        "row": large[3],
        "column": large[:, 3],
        "turned": large[:3, :5].T,
        "wide": torch.ones(1).expand(7),
    }
    Checkpoint(tmp_path).save(0, state, {})
    network = torch.nn.Module()
    for name, value in state.items():
        network.register_buffer(name, value)
    save_weights(tmp_path, {"policy": network})
    assert newest_file(tmp_path, "state").stat().st_size < 20_000
    assert (tmp_path / "policy.pth").stat().st_size < 20_000
    loaded = Checkpoint(tmp_path).load({})[1]
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


# --- weights ----------------------------------------------------------------------


def test_saved_weights_load_strictly_under_their_own_names(tmp_path):
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    save_weights(tmp_path, {"policy": network})
    other = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    other.load_state_dict(torch.load(tmp_path / "policy.pth", weights_only=True), strict=True)
    assert all(map(torch.equal, network.parameters(), other.parameters()))
