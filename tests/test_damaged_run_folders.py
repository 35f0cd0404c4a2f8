"""Damaged or replaced files of a run: a message and exit code 2, or the run resumes.

There is never a traceback or an endless wait.
"""

import io
import json
import os
import shutil
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

import sim_policy
from rlkit.launchers import plot
from tests.core.checkpoints import damage
from tests.tiny_runs import TINY, launch, run

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\xff"
DAMAGES = ("folder", "broken link", "pipe", "another kind", "truncated", "altered", "good link")

# Which commands read a file (or write over it), by the pattern of its name.
READERS = {
    "variant.json": ("resume", "sim_policy", "plot"),
    "tasks.npz": ("resume", "sim_policy"),
    "progress.csv": ("resume", "plot"),
    "online_returns.csv": ("resume",),
    "debug.log": ("resume",),
    "policy.pth": ("resume", "sim_policy", "weights"),
    "qf1.pth": ("resume", "weights"),
    "checkpoint": ("resume",),
    "checkpoint/manifest.json": ("resume",),
    "checkpoint/manifest.previous.json": ("resume",),
    "checkpoint/state": ("resume",),
    "checkpoint/replay": ("resume",),
    "checkpoint/encoder": ("resume",),
}
CASES = [
    (name, how, command)
    for name, commands in READERS.items()
    for how in DAMAGES
    for command in commands
    if name != "checkpoint" or how in ("broken link", "pipe", "another kind", "good link")
]


def exit_code_of(name: str, how: str, command: str) -> set[int]:
    """The allowed exit code: 2 if the command needs the damaged file, otherwise 0."""
    if how == "good link":
        return {0}
    content = how in ("another kind", "truncated", "altered")
    if name == "debug.log" and content:
        return {0}  # is appended to
    if name.endswith(".pth") and command == "resume" and content:
        return {0}  # is written anew
    if name.startswith("checkpoint/") and how != "folder":
        return {0}  # the previous checkpoint is used, with a message
    if name.endswith(".csv") and command == "resume" and content:
        return {0}  # is set aside and rewritten from the checkpoint
    if name.endswith(".csv") and how == "truncated":
        return {0, 2}  # a last line that was not written to its end, or nothing to draw
    if name.endswith((".csv", ".json")) and how == "altered":
        return {0, 2}  # another letter, which may mean something else
    return {2}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run of two iterations; tests damage copies of it."""
    return make_run(tmp_path_factory.mktemp("finished"))


def make_run(folder: Path, *settings: str) -> Path:
    before = Path.cwd()
    os.chdir(folder)
    try:
        (folder / "tiny.json").write_text(json.dumps(TINY))
        changes = [word for text in settings for word in ("--set", text)]
        return folder / run("--set", "algo_params.num_iterations=2", *changes)
    finally:
        os.chdir(before)


@pytest.fixture
def alarm() -> Iterator[None]:
    """Turn an endless wait into a failure."""

    def fail(signum: int, frame: object) -> None:
        raise TimeoutError("waited for 60 seconds")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def file_of(run_dir: Path, name: str) -> Path:
    """A file by its name or, in the checkpoint, the newest that begins with it."""
    path = run_dir / name
    return path if os.path.lexists(path) else max(path.parent.glob(f"{path.name}-*"))


def of_another_kind(path: Path) -> bytes:
    content = io.BytesIO()
    if path.suffix in (".pt", ".pth"):
        np.save(content, np.zeros((2, 2)))
    elif path.suffix == ".npy":
        np.savez(content, rows=np.zeros((2, 2)))
    elif path.suffix == ".npz":
        torch.save({"tasks": torch.zeros(2)}, content)
    elif path.name.startswith("manifest"):
        content.write(b'{"sha256": [1], "manifest": [2]}')
    else:
        content.write(PNG)
    return content.getvalue()


def alter_weights(path: Path) -> None:
    """Flip a bit in the numbers of a weight file."""
    with zipfile.ZipFile(path) as archive:
        numbers = archive.read(max(archive.infolist(), key=lambda member: member.file_size))
    content = path.read_bytes()
    position = content.index(numbers) + len(numbers) // 2
    path.write_bytes(content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :])


def spoil(path: Path, how: str) -> None:
    if how == "altered" and path.suffix == ".pth":
        alter_weights(path)
        return
    if how in ("truncated", "altered"):
        damage(path, how)
        return
    aside = path.with_name("aside")
    path.rename(aside)
    if how == "folder":
        path.mkdir()
    elif how == "broken link":
        path.symlink_to("nowhere")
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "good link":
        path.symlink_to(shutil.move(aside, path.parents[2] / "aside"))
    elif how == "another kind":
        path.write_bytes(of_another_kind(path))
    if aside.is_dir():
        shutil.rmtree(aside)
    else:
        aside.unlink(missing_ok=True)


def run_command(command: str, run_dir: Path) -> Result:
    if command == "resume":
        return launch("--resume", run_dir, "--set", "algo_params.num_iterations=3")
    if command == "weights":
        changes = ("--set", f"path_to_weights={run_dir}", "--set", "algo_params.num_iterations=1")
        return launch("tiny.json", *changes)
    main = sim_policy.main if command == "sim_policy" else plot.main
    return CliRunner().invoke(main, [str(run_dir)])


@pytest.mark.parametrize(("name", "how", "command"), CASES)
def test_every_damage_of_every_file_ends_in_a_message_or_in_a_run(
    here, finished, alarm, name, how, command
):
    run_dir = here / "runs" / "copy"
    shutil.copytree(finished, run_dir)
    path = file_of(run_dir, name)
    spoil(path, how)
    result = run_command(command, run_dir)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in exit_code_of(name, how, command), result.output
    if result.exit_code == 2:
        assert path.name in result.output
        assert "Traceback" not in result.output
    elif name.startswith("checkpoint/") and "previous" not in name and how != "good link":
        assert path.name in result.output
        assert "using the previous checkpoint" in result.output


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("net_size=9", "checkpoint does not match variant.json"),
        ("algo_params.encoder=gru", "checkpoint does not match variant.json"),
        ("latent_size=3", "checkpoint does not match variant.json"),
        ("n_train_tasks=2", "checkpoint do not fit the run (expected the counters"),
    ],
)
def test_a_checkpoint_of_another_configuration_is_refused(here, finished, setting, message):
    run_dir, other = here / "copy", make_run(here, setting)
    shutil.copytree(finished, run_dir)
    shutil.rmtree(run_dir / "checkpoint")
    shutil.copytree(other / "checkpoint", run_dir / "checkpoint")
    result = run_command("resume", run_dir)
    assert result.exit_code == 2, result.output
    assert message in result.output
