"""Tables that were edited, cut, removed or exchanged while a run was stopped or running."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rlkit.core.checkpoint import Checkpoint
from rlkit.core.logger import Logger
from rlkit.core.restored_tables import truncate_tables
from tests.tiny_runs import TINY, launch, rows, run

EDITS: dict[str, Callable[[bytes], bytes]] = {
    "semicolons": lambda text: text.replace(b",", b";"),
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "Windows line ends": lambda text: text.replace(b"\n", b"\r\n"),
    "cut in a row": lambda text: text[: len(text) - 20],
    "cut in the header": lambda text: text[:30],
    "a row less": lambda text: b"".join(text.splitlines(keepends=True)[:-1]),
    "another number": lambda text: text[::-1].replace(b"1", b"2", 1)[::-1],
    "another column first": lambda text: b"note," + text.replace(b"\n", b"\nx,"),
    "no text": lambda text: bytes(range(256)) * 9,
    "empty": lambda text: b"",
}
SAME_CONTENT = ("byte order mark", "Windows line ends")
TABLES = ("progress.csv", "online_returns.csv")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder, before = tmp_path_factory.mktemp("finished"), Path.cwd()
    os.chdir(folder)
    try:
        Path("tiny.json").write_text(json.dumps(TINY))
        return folder / run("--set", "algo_params.num_iterations=2")
    finally:
        os.chdir(before)


@pytest.fixture
def run_dir(finished, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(finished, tmp_path / "run"))


def put_aside(run_dir: Path) -> dict[str, bytes]:
    paths = [*run_dir.glob("progress.csv.*"), *run_dir.glob("online_returns.csv.*")]
    return {path.name.partition(".csv")[0]: path.read_bytes() for path in paths}


@pytest.mark.parametrize("edit", EDITS)
def test_tables_edited_while_a_run_is_stopped_are_put_aside_and_written_again(
    finished, run_dir, edit
):
    for name in TABLES:
        (run_dir / name).write_bytes(EDITS[edit]((run_dir / name).read_bytes()))
    edited = {name.partition(".")[0]: (run_dir / name).read_bytes() for name in TABLES}
    result = launch("--resume", run_dir)
    assert result.exit_code == 0, result.output
    for name in TABLES:
        assert (run_dir / name).read_bytes() == (finished / name).read_bytes()
    if edit in SAME_CONTENT:
        assert put_aside(run_dir) == {}
    else:
        assert put_aside(run_dir) == edited
        assert result.stdout.count("it was renamed to") == 2
        assert "it was renamed to progress.csv." in (run_dir / "debug.log").read_text()


def test_tables_that_were_removed_are_written_again(finished, run_dir):
    for name in TABLES:
        (run_dir / name).unlink()
    result = launch("--resume", run_dir)
    assert result.stdout.count("was missing and is written again from the checkpoint") == 2
    for name in TABLES:
        assert (run_dir / name).read_bytes() == (finished / name).read_bytes()


def test_the_table_of_another_run_is_put_aside(finished, run_dir, here):
    other = run("--seed", 8, "--set", "algo_params.num_iterations=2")
    shutil.copy(other / "progress.csv", run_dir)
    assert launch("--resume", run_dir).exit_code == 0
    assert (run_dir / "progress.csv").read_bytes() == (finished / "progress.csv").read_bytes()
    assert put_aside(run_dir) == {"progress": (other / "progress.csv").read_bytes()}


def test_rows_after_the_checkpoint_are_no_edit(run_dir):
    whole = Path(shutil.copytree(run_dir, "whole"))
    with (run_dir / "progress.csv").open("a") as file:
        last = (run_dir / "progress.csv").read_text().splitlines()[-1].split(",")
        last[rows_epoch(run_dir)] = "2"
        file.write(",".join(last) + "\n" + ",".join(last)[:40])
    longer = ("--set", "algo_params.num_iterations=3")
    assert launch("--resume", run_dir, *longer).exit_code == 0
    assert launch("--resume", whole, *longer).exit_code == 0
    assert put_aside(run_dir) == {}
    assert rows(run_dir) == rows(whole)


def rows_epoch(run_dir: Path) -> int:
    return (run_dir / "progress.csv").read_text().splitlines()[0].split(",").index("Epoch")


@pytest.mark.parametrize("edit", EDITS)
def test_without_rows_in_the_checkpoint_a_table_that_parses_is_kept(finished, tmp_path, edit):
    path = tmp_path / "progress.csv"
    path.write_bytes(edited := EDITS[edit]((finished / "progress.csv").read_bytes()))
    warned: list[str] = []
    truncate_tables(Logger(tmp_path, echo=warned.append), 1)
    if edit in ("semicolons", "another column first", "no text"):
        kept = edit == "another column first"
        assert put_aside(tmp_path) == ({} if kept else {"progress": edited})
        assert len(warned) == (0 if kept else 1)
        assert path.exists() == kept
    else:
        assert not warned
        lines = path.read_text().splitlines() if path.exists() else []
        assert len(lines) == {"cut in a row": 2, "a row less": 2}.get(edit, 3 * bool(lines))
        assert bool(lines) == (edit not in ("cut in the header", "empty"))


@pytest.mark.parametrize("edit", EDITS)
def test_a_table_edited_while_its_run_goes_on_is_put_aside_before_the_next_row(tmp_path, edit):
    warned: list[str] = []
    loggers = Logger(tmp_path / "whole"), Logger(tmp_path / "run", echo=warned.append)
    for epoch in range(4):
        for logger in loggers:
            logger.record_row({"Some column of this run": epoch / 3, "Epoch": epoch})
        if epoch == 2:
            path = tmp_path / "run" / "progress.csv"
            path.write_bytes(edited := EDITS[edit](path.read_bytes()))
    assert path.read_bytes() == (tmp_path / "whole" / "progress.csv").read_bytes()
    expected = {} if edit in SAME_CONTENT else {"progress": edited}
    assert put_aside(tmp_path / "run") == expected
    assert len(warned) == len(expected)


def test_a_table_removed_or_made_a_folder_while_its_run_goes_on_is_written_again(tmp_path):
    warned: list[str] = []
    logger = Logger(tmp_path, echo=warned.append)
    path = tmp_path / "progress.csv"
    logger.record_row({"KL": 0.5, "Epoch": 0})
    path.unlink()
    logger.record_row({"KL": 0.25, "Epoch": 1})
    path.unlink()
    path.mkdir()
    logger.record_row({"KL": 0.125, "Epoch": 2})
    assert path.read_text() == "KL,Epoch\n0.5,0\n0.25,1\n0.125,2\n"
    assert ["missing" in text for text in warned] == [True, False]


def test_a_checkpoint_has_the_rows_of_all_tables(run_dir):
    from rlkit.launchers.load_config import load_config
    from rlkit.launchers.pearl import PEARL

    experiment = PEARL().build(load_config(run_dir / "variant.json"), "cpu", 3)
    _, state = Checkpoint(run_dir).load(experiment.algorithm.buffers)
    experiment.close()
    contents = {Path(name).stem: (run_dir / name).read_text() for name in TABLES}
    assert state["contents"] == contents
