"""Damaged, foreign and incomplete checkpoints.

Either the previous one is used, or one message says why none can be.
"""

import io
import json
import os

import numpy as np
import pytest
import torch

from rlkit.core import found_files, saving
from rlkit.core.checkpoint import Checkpoint
from rlkit.core.errors import UserError
from rlkit.core.saved_files import MANIFEST, PREVIOUS
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
    # The run continues and overwrites the damaged files.
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
    """Creates a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def forge(run_dir, kind, content_of):
    """Exchange a file of the newest checkpoint and make the manifest agree with it.

    The previous one is removed.
    """
    folder, path = run_dir / "checkpoint", newest_file(run_dir, kind)
    manifest = json.loads((folder / MANIFEST).read_bytes())["manifest"]
    content_of(path)
    for record in saving.records_of(manifest):
        if record["file"] == path.name:
            record.update(size=path.stat().st_size, sha256=found_files.hash_file(path))
    (folder / MANIFEST).write_bytes(saving.manifest_text(manifest))
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
    (folder / MANIFEST).write_bytes(saving.manifest_text(manifest))
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


def lie(run_dir, change):
    """Change the newest manifest and its hash; the previous checkpoint is removed."""
    folder = run_dir / "checkpoint"
    manifest = json.loads((folder / MANIFEST).read_bytes())["manifest"]
    (folder / MANIFEST).write_bytes(saving.manifest_text(change(manifest) or manifest))
    (folder / PREVIOUS).unlink(missing_ok=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: [1],
        lambda manifest: manifest.pop("iteration") and None,
        lambda manifest: manifest.update(iteration="3"),
        lambda manifest: manifest.update(iteration=-2),
        lambda manifest: manifest.update(iteration=2**70),
        lambda manifest: manifest.pop("state") and None,
        lambda manifest: manifest.update(state=[]),
        lambda manifest: manifest["state"].update(file="../tasks.npz"),
        lambda manifest: manifest["state"].update(file=3),
        lambda manifest: manifest["state"].update(size="1"),
        lambda manifest: manifest["state"].pop("sha256") and None,
        lambda manifest: manifest.update(segments=[]),
        lambda manifest: manifest.update(segments={}),
        lambda manifest: manifest["segments"].update(replay=3),
        lambda manifest: manifest["segments"].pop("replay") and None,
        lambda manifest: manifest["segments"].update(more=[]),
        lambda manifest: manifest["segments"]["replay"][0].pop("entries") and None,
        lambda manifest: manifest["segments"]["replay"][0].update(entries=[[0, 0]]),
        lambda manifest: manifest["segments"]["replay"][0].update(entries=[[0, 0, 2**70]]),
        lambda manifest: manifest["segments"]["replay"][0].update(entries=[[0, 0, -1]]),
        lambda manifest: manifest["segments"]["replay"][0].update(entries=[[99, 0, 11]]),
        lambda manifest: manifest["segments"]["replay"][0].update(entries=[[0, 1.5, 11]]),
        lambda manifest: manifest["segments"]["replay"][0].update(entries=[[0, 2**61, 22]]),
    ],
)
def test_a_manifest_that_is_whole_but_lies_is_refused(tmp_path, change):
    save_iterations(tmp_path, 1)
    lie(tmp_path, change)
    with pytest.raises(UserError, match="no checkpoint in .* can be used: "):
        Checkpoint(tmp_path).load(make_buffers())


NPZ = io.BytesIO()
np.savez(NPZ, rows=np.zeros((22, 8), np.float32))


def header_of(shape):
    """A file of rows whose header promises a shape, with the content of a small array."""

    def write(path):
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<f4", "fortran_order": False, "shape": shape}
            )
            file.write(b"0" * 4 * 8 * 22)

    return write


@pytest.mark.parametrize(
    "content_of",
    [
        lambda path: path.write_bytes(NPZ.getvalue()),
        header_of((2**35, 2**35)),
        header_of((22, 2**66)),
        header_of((22, 9)),
        header_of((22,)),
        header_of(()),
        lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10_000),
        lambda path: path.write_bytes(b"\x93NUMPY\x03\x00"),
        lambda path: path.write_bytes(b""),
        lambda path: np.save(path, np.full((22, 8), "a")),
        lambda path: np.save(path, np.zeros((22, 7), np.float32)),
    ],
)
def test_a_segment_that_is_not_what_its_manifest_says_is_refused(tmp_path, content_of):
    save_iterations(tmp_path, 0)
    forge(tmp_path, "replay", content_of)
    with pytest.raises(UserError, match="rows of buffer replay"):
        Checkpoint(tmp_path).load(make_buffers())


@pytest.mark.parametrize(
    "counters",
    [
        None,
        {},
        {"totals": torch.tensor([11, 11, 0])},
        {"totals": torch.tensor([-1, 0, 0]), "origins": torch.tensor([0, 0, 0])},
        {"totals": torch.tensor([1, 0, 0]), "origins": torch.tensor([2, 0, 0])},
        {"totals": torch.tensor([1.5, 0, 0]), "origins": torch.tensor([0, 0, 0])},
        {"totals": torch.tensor([0, 0]), "origins": torch.tensor([0, 0])},
        {"totals": torch.tensor([40, 40, 40]), "origins": torch.tensor([0, 0, 0])},
        {"totals": "eleven", "origins": [0]},
    ],
)
def test_counters_that_lie_are_refused(tmp_path, counters):
    save_iterations(tmp_path, 0)

    def write(path):
        content = torch.load(path, weights_only=True)
        content["buffers"]["replay"] = counters
        torch.save(content, path)

    forge(tmp_path, "state", write)
    with pytest.raises(UserError, match="rows of buffer replay"):
        Checkpoint(tmp_path).load(make_buffers())


@pytest.mark.parametrize("content", [3, [], {"state": {}}, {"state": {}, "buffers": 3}, {}])
def test_a_state_of_another_form_is_refused(tmp_path, content):
    save_iterations(tmp_path, 0)
    forge(tmp_path, "state", lambda path: torch.save(content, path))
    with pytest.raises(UserError, match="is not a state of a run"):
        Checkpoint(tmp_path).load(make_buffers())
