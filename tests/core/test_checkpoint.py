"""A run's checkpoints: what is saved is what is loaded, rows are written once, and the folder loads after any accident."""

import contextlib
import errno
import json
import os
import resource
import shutil
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from rlkit.core import checkpoint as checkpoint_module
from rlkit.core import files
from rlkit.core.checkpoint import MANIFEST, PREVIOUS, Checkpoint, save_weights
from rlkit.core.errors import ResourceError, UserError
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer

WIDTH = 2 * 2 + 1 + 3


def make_buffers():
    """Two small buffers; the ring of "replay" is soon full, "encoder" is cleared by `advance`."""
    return {
        "replay": MultiTaskReplayBuffer(3, 2, 1, capacity=40, page_rows=4),
        "encoder": MultiTaskReplayBuffer(3, 2, 1, capacity=1000, page_rows=4),
    }


def advance(buffers, iteration):
    """One iteration's collection: rows for two tasks, one of them cleared before in "encoder"; returns the run's state."""
    generator = torch.Generator().manual_seed(iteration + 10)
    for task in (iteration % 3, (iteration + 1) % 3):
        buffers["encoder"].clear(task)
        for buffer in buffers.values():
            buffer.add_rows(task, torch.randn(11, WIDTH, generator=generator))
    return {"weights": {"fc0": torch.randn(4, 3, generator=generator)}, "generator": generator.get_state(), "steps": iteration}


def save_iterations(run_dir, last, checkpoint=None, buffers=None, first=-1):
    """Save checkpoints `first` to `last` of a run; returns what each holds: (state, rows of every task)."""
    checkpoint, buffers = checkpoint or Checkpoint(run_dir), buffers or make_buffers()
    saved = {}
    for iteration in range(first, last + 1):
        state = advance(buffers, iteration)
        checkpoint.save(iteration, state, buffers)
        saved[iteration] = state, rows_of(buffers)
    return saved


def rows_of(buffers):
    return [buffer.rows_of(task) for buffer in buffers.values() for task in range(buffer.num_tasks)]


def assert_holds(loaded, buffers, saved):
    iteration, state = loaded
    expected_state, expected_rows = saved[iteration]
    assert state["steps"] == expected_state["steps"] == iteration
    assert torch.equal(state["weights"]["fc0"], expected_state["weights"]["fc0"])
    assert torch.equal(state["generator"], expected_state["generator"])
    assert all(map(torch.equal, rows_of(buffers), expected_rows))


def newest_file(run_dir, kind):
    """A file that only the newest checkpoint of a run has."""
    folder = run_dir / "checkpoint"
    return folder / MANIFEST if kind == "manifest" else max(folder.glob(f"{kind}-*"))


def damage(path, how):
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    else:
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


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
    state = {"row": large[3], "column": large[:, 3], "turned": large[:3, :5].T, "wide": torch.ones(1).expand(7)}
    Checkpoint(tmp_path).save(0, state, {})
    save_weights(tmp_path, {"policy": state})
    assert newest_file(tmp_path, "state").stat().st_size < 20_000
    assert (tmp_path / "policy.pth").stat().st_size < 20_000
    loaded = Checkpoint(tmp_path).load({})[1]
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


@pytest.mark.parametrize("how", ["missing", "truncated", "empty", "altered"])
@pytest.mark.parametrize("kind", ["manifest", "state", "replay", "encoder"])
def test_a_damaged_newest_checkpoint_gives_way_to_the_previous_and_this_is_said(tmp_path, kind, how):
    saved = save_iterations(tmp_path, 3)
    path = newest_file(tmp_path, kind)
    damage(path, how)
    said, buffers = [], make_buffers()
    checkpoint = Checkpoint(tmp_path)
    loaded = checkpoint.load(buffers, warn=said.append)
    assert loaded[0] == 2
    assert_holds(loaded, buffers, saved)
    assert len(said) == 1
    assert path.name in said[0]
    assert "using the previous checkpoint, of iteration 2" in said[0]
    # The run goes on over the damaged files.
    again = save_iterations(None, 4, checkpoint, buffers, first=3)
    buffers = make_buffers()
    assert_holds(Checkpoint(tmp_path).load(buffers, warn=pytest.fail), buffers, again)
    assert all(torch.equal(a, b) for a, b in zip(again[3][1], saved[3][1], strict=True))


def test_when_every_checkpoint_is_damaged_the_message_names_the_files(tmp_path):
    save_iterations(tmp_path, 3)
    states = sorted((tmp_path / "checkpoint").glob("state-*"))
    assert len(states) == 2
    for path in states:
        damage(path, "altered")
    with pytest.raises(UserError) as error:
        Checkpoint(tmp_path).load(make_buffers())
    assert all(str(path) in str(error.value) for path in states)


def test_a_missing_checkpoint_is_said_with_its_place(tmp_path):
    with pytest.raises(UserError, match=f"no checkpoint in {tmp_path}"):
        Checkpoint(tmp_path).load(make_buffers())


def test_a_checkpoint_of_other_buffers_is_refused(tmp_path):
    save_iterations(tmp_path, 0)
    with pytest.raises(UserError, match=r"belongs to the buffers \['encoder', 'replay'\]"):
        Checkpoint(tmp_path).load({"replay": make_buffers()["replay"]})
    wider = {name: MultiTaskReplayBuffer(3, 5, 1, capacity=40, page_rows=4) for name in ("replay", "encoder")}
    with pytest.raises(UserError, match="do not fit the run"):
        Checkpoint(tmp_path).load(wider)


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def forge(run_dir, kind, content_of):
    """Exchange a file of the newest checkpoint and make the manifest agree with it; the previous one is removed."""
    folder, path = run_dir / "checkpoint", newest_file(run_dir, kind)
    manifest = json.loads((folder / MANIFEST).read_bytes())["manifest"]
    content_of(path)
    for record in checkpoint_module._records(manifest):
        if record["file"] == path.name:
            record.update(size=path.stat().st_size, sha256=files.hash_file(path))
    (folder / MANIFEST).write_bytes(checkpoint_module._manifest_text(manifest))
    (folder / PREVIOUS).unlink()


def test_a_state_with_a_foreign_pickle_is_refused_and_its_code_not_run(tmp_path):
    save_iterations(tmp_path, 0)
    forge(tmp_path, "state", lambda path: torch.save({"state": Trap(tmp_path / "sprung"), "buffers": {}}, path))
    with pytest.raises(UserError, match="is not a state of a run"):
        Checkpoint(tmp_path).load(make_buffers())
    assert not (tmp_path / "sprung").exists()


def test_a_segment_with_a_foreign_pickle_is_refused_and_its_code_not_run(tmp_path):
    save_iterations(tmp_path, 0)
    forge(tmp_path, "replay", lambda path: np.save(path, np.array([Trap(tmp_path / "sprung")]), allow_pickle=True))
    with pytest.raises(UserError, match="rows of buffer replay"):
        Checkpoint(tmp_path).load(make_buffers())
    assert not (tmp_path / "sprung").exists()


def test_a_checkpoint_that_lacks_a_segment_is_refused(tmp_path):
    save_iterations(tmp_path, 1)
    folder = tmp_path / "checkpoint"
    manifest = json.loads((folder / MANIFEST).read_bytes())["manifest"]
    del manifest["segments"]["replay"][0]
    (folder / MANIFEST).write_bytes(checkpoint_module._manifest_text(manifest))
    (folder / PREVIOUS).unlink()
    with pytest.raises(UserError, match="lacks rows of buffer replay"):
        Checkpoint(tmp_path).load(make_buffers())


def test_an_object_that_loaded_nothing_saves_everything_and_keeps_what_was_there(tmp_path):
    save_iterations(tmp_path, 1)
    other = save_iterations(tmp_path, 0, first=0)  # another object, other buffers
    buffers = make_buffers()
    assert_holds(Checkpoint(tmp_path).load(buffers), buffers, other)
    damage(newest_file(tmp_path, "state"), "altered")
    assert Checkpoint(tmp_path).load(make_buffers())[0] == 1


# --- accidents while saving ------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for SIGKILL: after it nothing that the process does reaches the disk."""


def count_and_fail(monkeypatch, names, at, make_error, stay_dead):
    """Let the at-th call (from 0) to any of the named functions fail, and with `stay_dead` all calls after it too."""
    calls = []

    def wrap(function):
        def wrapped(*args, **kwargs):
            calls.append(function)
            if len(calls) - 1 == at or (stay_dead and len(calls) - 1 > at):
                raise make_error()
            return function(*args, **kwargs)

        return wrapped

    for owner, name in names:
        monkeypatch.setattr(owner, name, wrap(getattr(owner, name)))
    return calls


WRITES = [(files.NewFile, "write")]
STEPS = [(files.NewFile, "__init__"), *WRITES, (os, "replace"), (os, "fsync"), (Path, "unlink"), (Path, "mkdir")]


def number_of_calls(tmp_path, names):
    """How many of the calls the second save of a run makes."""
    with pytest.MonkeyPatch.context() as patch:
        checkpoint, buffers = Checkpoint(tmp_path / "counted"), make_buffers()
        save_iterations(None, -1, checkpoint, buffers)
        state = advance(buffers, 0)
        calls = count_and_fail(patch, names, -1, Killed, stay_dead=False)
        checkpoint.save(0, state, buffers)
    return len(calls)


@pytest.mark.parametrize(
    "names, code",
    [(WRITES, errno.ENOSPC), (WRITES, errno.EDQUOT), ([(os, "fsync")], errno.ENOSPC), ([(os, "replace")], errno.ENOSPC)],
    ids=["write-full", "write-quota", "fsync-full", "replace-full"],
)
def test_a_full_disk_at_any_call_leaves_the_checkpoint_before_and_no_new_file(tmp_path, monkeypatch, names, code):
    number = number_of_calls(tmp_path, names)
    assert number >= 2
    for at in range(number):
        run_dir = tmp_path / str(at)
        checkpoint, buffers = Checkpoint(run_dir), make_buffers()
        saved = save_iterations(None, 1, checkpoint, buffers)
        before = {path.name: path.read_bytes() for path in (run_dir / "checkpoint").iterdir()}
        state = advance(buffers, 2)
        saved[2] = state, rows_of(buffers)
        with monkeypatch.context() as patch:
            count_and_fail(patch, names, at, lambda: OSError(code, os.strerror(code)), stay_dead=False)
            with pytest.raises(ResourceError, match=f"iteration 2.*iteration 1.*{os.strerror(code)}"):
                checkpoint.save(2, state, buffers)
        loaded_buffers = make_buffers()
        loaded = Checkpoint(run_dir).load(loaded_buffers, warn=pytest.fail)
        assert_holds(loaded, loaded_buffers, saved)
        if loaded[0] == 1:  # the manifest was not replaced: of its own files nothing may be missing, and nothing new be left
            after = {path.name: path.read_bytes() for path in (run_dir / "checkpoint").iterdir()}
            assert after[MANIFEST] == before[MANIFEST]
            assert set(after) <= set(before)
        # When there is room again, the same object saves the same rows.
        checkpoint.save(2, state, buffers)
        loaded_buffers = make_buffers()
        assert_holds(Checkpoint(run_dir).load(loaded_buffers, warn=pytest.fail), loaded_buffers, saved)


def test_a_limit_on_file_sizes_set_by_the_kernel_is_reported_as_exhaustion(tmp_path):
    checkpoint, buffers = Checkpoint(tmp_path), make_buffers()
    saved = save_iterations(None, 0, checkpoint, buffers)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    state = {**advance(buffers, 1), "large": torch.zeros(1_000_000)}
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
        with pytest.raises(ResourceError, match="File too large"):
            checkpoint.save(1, state, buffers)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    buffers = make_buffers()
    assert_holds(Checkpoint(tmp_path).load(buffers, warn=pytest.fail), buffers, saved)


def test_exhausted_memory_is_reported_and_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    checkpoint, buffers = Checkpoint(tmp_path), make_buffers()
    saved = save_iterations(None, 0, checkpoint, buffers)
    with monkeypatch.context() as patch:
        count_and_fail(patch, WRITES, 2, MemoryError, stay_dead=False)
        with pytest.raises(ResourceError, match="memory exhausted"):
            checkpoint.save(1, advance(buffers, 1), buffers)
    buffers = make_buffers()
    assert_holds(Checkpoint(tmp_path).load(buffers, warn=pytest.fail), buffers, saved)


def test_killed_at_any_step_of_a_save_the_folder_loads_and_the_run_goes_on(tmp_path, monkeypatch):
    number = number_of_calls(tmp_path, STEPS)
    assert number > 20
    outcomes = []
    for at in range(number):
        run_dir = tmp_path / str(at)
        checkpoint, buffers = Checkpoint(run_dir), make_buffers()
        saved = save_iterations(None, 1, checkpoint, buffers)
        state = advance(buffers, 2)
        saved[2] = state, rows_of(buffers)
        with monkeypatch.context() as patch:
            count_and_fail(patch, STEPS, at, Killed, stay_dead=True)
            with contextlib.suppress(Killed):
                checkpoint.save(2, state, buffers)
        resumed, buffers = Checkpoint(run_dir), make_buffers()
        loaded = resumed.load(buffers, warn=pytest.fail)
        assert_holds(loaded, buffers, saved)
        outcomes.append(loaded[0])
        later = save_iterations(None, 3, resumed, buffers, first=loaded[0] + 1)
        buffers = make_buffers()
        assert_holds(Checkpoint(run_dir).load(buffers, warn=pytest.fail), buffers, later)
        named = {r["file"] for m in Checkpoint(run_dir)._usable_manifests() for r in checkpoint_module._records(m)}
        assert {path.name for path in (run_dir / "checkpoint").iterdir()} == named | {MANIFEST, PREVIOUS}
        shutil.rmtree(run_dir)
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {1, 2}


def test_killed_during_the_first_save_there_is_no_checkpoint_or_a_whole_one(tmp_path, monkeypatch):
    for at in range(40):
        run_dir = tmp_path / str(at)
        buffers = make_buffers()
        state = advance(buffers, -1)
        with monkeypatch.context() as patch:
            calls = count_and_fail(patch, STEPS, at, Killed, stay_dead=True)
            with contextlib.suppress(Killed):
                Checkpoint(run_dir).save(-1, state, buffers)
        loaded_buffers = make_buffers()
        if (run_dir / "checkpoint" / MANIFEST).exists():
            assert_holds(Checkpoint(run_dir).load(loaded_buffers), loaded_buffers, {-1: (state, rows_of(buffers))})
        else:
            with pytest.raises(UserError, match="no checkpoint"):
                Checkpoint(run_dir).load(loaded_buffers)
        if len(calls) <= at:
            return
    pytest.fail("the save never came to its end")


# --- weights ---------------------------------------------------------------------------------------------------------------


def test_saved_weights_load_strictly_under_their_own_names(tmp_path):
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    save_weights(tmp_path, {"policy": network.state_dict()})
    other = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    other.load_state_dict(torch.load(tmp_path / "policy.pth", weights_only=True), strict=True)
    assert all(map(torch.equal, network.parameters(), other.parameters()))


def test_a_full_disk_leaves_the_weights_before(tmp_path, monkeypatch):
    save_weights(tmp_path, {"policy": {"w": torch.ones(3)}})
    with monkeypatch.context() as patch:
        count_and_fail(patch, WRITES, 0, lambda: OSError(errno.ENOSPC, "No space left on device"), stay_dead=False)
        with pytest.raises(ResourceError, match=r"policy\.pth"):
            save_weights(tmp_path, {"policy": {"w": torch.zeros(3)}})
    assert torch.equal(torch.load(tmp_path / "policy.pth", weights_only=True)["w"], torch.ones(3))
    assert [path.name for path in tmp_path.iterdir()] == ["policy.pth"]
