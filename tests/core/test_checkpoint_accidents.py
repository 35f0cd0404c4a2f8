"""A full disk, exhausted memory or a kill at any step of a save leaves a folder that loads."""

import contextlib
import errno
import io
import os
import resource
import shutil
import types
from pathlib import Path

import pytest
import torch
from torch import nn

from rlkit.core import files, saving
from rlkit.core.checkpoint import Checkpoint
from rlkit.core.errors import ResourceError, UserError
from rlkit.core.saved_files import MANIFEST, PREVIOUS
from rlkit.core.saving import save_weights
from tests.core.checkpoints import advance, assert_holds, make_buffers, rows_of, save_iterations


class Killed(BaseException):
    """Stands for SIGKILL: afterwards nothing that the process does reaches the disk."""


def count_and_fail(monkeypatch, names, at, make_error, stay_dead):
    """Let the at-th call (from 0) of the named functions fail; with `stay_dead` later ones too."""
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


def network_of(weights):
    network = nn.Module()
    network.register_buffer("w", weights)
    return network


WRITES = [(files.NewFile, "write")]
STEPS = [
    (files.NewFile, "__init__"),
    *WRITES,
    (os, "replace"),
    (os, "fsync"),
    (Path, "unlink"),
    (Path, "mkdir"),
]


def number_of_calls(tmp_path, names):
    """Number of these calls in the second save of a run."""
    with pytest.MonkeyPatch.context() as patch:
        checkpoint, buffers = Checkpoint(tmp_path / "counted"), make_buffers()
        save_iterations(None, -1, checkpoint, buffers)
        state = advance(buffers, 0)
        calls = count_and_fail(patch, names, -1, Killed, stay_dead=False)
        checkpoint.save(0, state, buffers)
    return len(calls)


@pytest.mark.parametrize(
    "names, code",
    [
        (WRITES, errno.ENOSPC),
        (WRITES, errno.EDQUOT),
        ([(os, "fsync")], errno.ENOSPC),
        ([(os, "replace")], errno.ENOSPC),
        (WRITES, errno.EROFS),
        (WRITES, errno.EIO),
        ([(os, "fsync")], errno.EIO),
        ([(os, "replace")], errno.ESTALE),
        (WRITES, errno.ENOTCONN),
        ([(Path, "mkdir")], errno.EROFS),
    ],
    ids=[
        "write-full",
        "write-quota",
        "fsync-full",
        "replace-full",
        "write-read-only",
        "write-broken",
        "fsync-broken",
        "replace-stale",
        "write-unmounted",
        "mkdir-read-only",
    ],
)
def test_a_full_disk_at_any_call_leaves_the_checkpoint_before_and_no_new_file(
    tmp_path, monkeypatch, names, code
):
    number = number_of_calls(tmp_path, names)
    assert number >= (1 if names == [(Path, "mkdir")] else 2)
    for at in range(number):
        run_dir = tmp_path / str(at)
        checkpoint, buffers = Checkpoint(run_dir), make_buffers()
        saved = save_iterations(None, 1, checkpoint, buffers)
        before = {path.name: path.read_bytes() for path in (run_dir / "checkpoint").iterdir()}
        state = advance(buffers, 2)
        saved[2] = state, rows_of(buffers)
        with monkeypatch.context() as patch:
            count_and_fail(
                patch, names, at, lambda: OSError(code, os.strerror(code)), stay_dead=False
            )
            with pytest.raises(
                ResourceError, match=f"iteration 2.*iteration 1.*{os.strerror(code)}"
            ):
                checkpoint.save(2, state, buffers)
        loaded_buffers = make_buffers()
        loaded = Checkpoint(run_dir).load(loaded_buffers, warn=pytest.fail)
        assert_holds(loaded, loaded_buffers, saved)
        # The manifest was not replaced: all of its own files are there, and no new ones.
        if loaded[0] == 1:
            after = {path.name: path.read_bytes() for path in (run_dir / "checkpoint").iterdir()}
            assert after[MANIFEST] == before[MANIFEST]
            assert set(after) <= set(before)
        # Once there is space again, the same object saves the same rows.
        checkpoint.save(2, state, buffers)
        loaded_buffers = make_buffers()
        assert_holds(
            Checkpoint(run_dir).load(loaded_buffers, warn=pytest.fail), loaded_buffers, saved
        )


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
        named = {
            r["file"] for m in Checkpoint(run_dir)._usable_manifests() for r in saving.records_of(m)
        }
        assert {path.name for path in (run_dir / "checkpoint").iterdir()} == named | {
            MANIFEST,
            PREVIOUS,
        }
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
            assert_holds(
                Checkpoint(run_dir).load(loaded_buffers),
                loaded_buffers,
                {-1: (state, rows_of(buffers))},
            )
        else:
            with pytest.raises(UserError, match="no checkpoint"):
                Checkpoint(run_dir).load(loaded_buffers)
        if len(calls) <= at:
            return
    pytest.fail("the save never came to its end")


def test_a_full_disk_leaves_the_weights_before(tmp_path, monkeypatch):
    save_weights(tmp_path, {"policy": network_of(torch.ones(3))})
    with monkeypatch.context() as patch:
        count_and_fail(
            patch,
            WRITES,
            0,
            lambda: OSError(errno.ENOSPC, "No space left on device"),
            stay_dead=False,
        )
        with pytest.raises(ResourceError, match=r"policy\.pth"):
            save_weights(tmp_path, {"policy": network_of(torch.zeros(3))})
    assert torch.equal(torch.load(tmp_path / "policy.pth", weights_only=True)["w"], torch.ones(3))
    assert [path.name for path in tmp_path.iterdir()] == ["policy.pth"]


@pytest.mark.parametrize("what", ["state", "weights"])
def test_a_failed_write_leaves_no_view_of_the_content_alive(tmp_path, monkeypatch, what):
    """A view that outlives its BytesIO crashes Python 3.12.1 and raises BufferError on 3.13.0."""
    contents = []

    class Content(io.BytesIO):
        def __init__(self):
            super().__init__()
            contents.append(self)

    monkeypatch.setattr(saving, "io", types.SimpleNamespace(BytesIO=Content))
    count_and_fail(
        monkeypatch,
        WRITES,
        0,
        lambda: OSError(errno.ENOSPC, "No space left on device"),
        stay_dead=False,
    )
    with pytest.raises(
        ResourceError
    ) as raised:  # whose traceback keeps the arguments of the write alive
        if what == "state":
            Checkpoint(tmp_path).save(0, {}, {})
        else:
            save_weights(tmp_path, {"policy": network_of(torch.ones(3))})
    (content,) = contents
    content.close()  # BufferError while a view of it is alive
    assert raised.value.__cause__ is not None
