"""Damaged, foreign and incomplete checkpoints: the one before serves, or one message tells why not."""

import json
import os

import numpy as np
import pytest
import torch

from rlkit.core import checkpoint as checkpoint_module
from rlkit.core import files
from rlkit.core.checkpoint import MANIFEST, PREVIOUS, Checkpoint
from rlkit.core.errors import UserError
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from tests.core.checkpoints import assert_holds, damage, make_buffers, newest_file, save_iterations


@pytest.mark.parametrize("how", ["missing", "truncated", "empty", "altered"])
@pytest.mark.parametrize("kind", ["manifest", "state", "replay", "encoder"])
def test_a_damaged_newest_checkpoint_gives_way_to_the_previous_and_this_is_said(
    tmp_path, kind, how
):
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
    wider = {
        name: MultiTaskReplayBuffer(3, 5, 1, capacity=40, page_rows=4)
        for name in ("replay", "encoder")
    }
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
    forge(
        tmp_path,
        "state",
        lambda path: torch.save({"state": Trap(tmp_path / "sprung"), "buffers": {}}, path),
    )
    with pytest.raises(UserError, match="is not a state of a run"):
        Checkpoint(tmp_path).load(make_buffers())
    assert not (tmp_path / "sprung").exists()


def test_a_segment_with_a_foreign_pickle_is_refused_and_its_code_not_run(tmp_path):
    save_iterations(tmp_path, 0)
    forge(
        tmp_path,
        "replay",
        lambda path: np.save(path, np.array([Trap(tmp_path / "sprung")]), allow_pickle=True),
    )
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
