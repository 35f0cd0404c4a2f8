"""A run with two small buffers, whose checkpoints the tests save, load and damage."""

import torch

from rlkit.core.checkpoint import Checkpoint
from rlkit.core.saved_files import MANIFEST
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer

WIDTH = 2 * 2 + 1 + 3


def make_buffers():
    """Two small buffers; the ring of "replay" is soon full, "encoder" is cleared by `advance`."""
    return {
        "replay": MultiTaskReplayBuffer(3, 2, 1, capacity=40, page_rows=4),
        "encoder": MultiTaskReplayBuffer(3, 2, 1, capacity=1000, page_rows=4),
    }


def advance(buffers, iteration):
    """Add rows for two tasks, one cleared before in "encoder"; returns the run's state."""
    generator = torch.Generator().manual_seed(iteration + 10)
    for task in (iteration % 3, (iteration + 1) % 3):
        buffers["encoder"].clear(task)
        for buffer in buffers.values():
            buffer.add_rows(task, torch.randn(11, WIDTH, generator=generator))
    return {
        "weights": {"fc0": torch.randn(4, 3, generator=generator)},
        "generator": generator.get_state(),
        "steps": iteration,
    }


def save_iterations(run_dir, last, checkpoint=None, buffers=None, first=-1):
    """Save checkpoints `first` to `last` of a run; returns (state, rows of every task) of each."""
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
    """A file that belongs only to the newest checkpoint of a run."""
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
