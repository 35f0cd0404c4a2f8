"""Resumed runs: --resume ends as an uninterrupted run, whatever stopped it, with messages."""

import json
import shutil

import pytest
from click.testing import CliRunner

import sim_policy
from rlkit.launchers.folders import lock_run_folder
from tests.tiny_runs import launch, rows, run, same_weights


def test_a_resumed_run_ends_as_an_uninterrupted_one(here):
    whole = run()
    parted = run("--set", "algo_params.num_iterations=1")
    assert len(rows(parted)) == 1
    result = launch("--resume", parted, "--set", "algo_params.num_iterations=3")
    assert result.exit_code == 0, result.output
    assert rows(parted) == rows(whole)
    assert (parted / "online_returns.csv").read_text() == (whole / "online_returns.csv").read_text()
    assert same_weights(parted, whole)
    assert json.loads((parted / "variant.json").read_text())["algo_params"]["num_iterations"] == 3


def test_a_complete_run_says_so_and_fewer_iterations_are_refused(here):
    run_dir = run()
    again = launch("--resume", run_dir)
    assert again.exit_code == 0
    assert "is complete (3 iterations)" in again.stdout
    fewer = launch("--resume", run_dir, "--set", "algo_params.num_iterations=2")
    assert fewer.exit_code == 2
    assert "expected at least the 3 iterations" in fewer.stderr
    assert len(rows(run_dir)) == 3


def test_a_run_that_another_process_is_in_is_left_alone(here):
    run_dir = run("--set", "algo_params.num_iterations=1")
    with lock_run_folder(run_dir):
        result = launch("--resume", run_dir, "--set", "algo_params.num_iterations=2")
    assert result.exit_code == 2
    assert "another process is running in this folder" in result.stderr


def test_a_damaged_checkpoint_is_said_and_the_one_before_is_used(here):
    whole, parted = run(), run("--set", "algo_params.num_iterations=2")
    newest = max((parted / "checkpoint").glob("state-*"), key=lambda path: path.name)
    newest.write_bytes(newest.read_bytes()[:-100])
    result = launch("--resume", parted, "--set", "algo_params.num_iterations=3")
    assert result.exit_code == 0, result.output
    assert newest.name in result.stdout
    assert "using the previous checkpoint, of iteration 0" in result.stdout
    assert rows(parted) == rows(whole)
    assert same_weights(parted, whole)


def test_a_run_stopped_before_its_first_checkpoint_begins_anew(here):
    whole, parted = run(), run()
    for path in [
        *(parted / "checkpoint").iterdir(),
        parted / "progress.csv",
        parted / "online_returns.csv",
    ]:
        path.unlink()
    assert launch("--resume", parted).exit_code == 0
    assert rows(parted) == rows(whole)


def test_rows_without_a_checkpoint_are_not_thrown_away(here):
    run_dir = run()
    for path in (run_dir / "checkpoint").iterdir():
        path.unlink()
    result = launch("--resume", run_dir)
    assert result.exit_code == 2
    assert "there is no checkpoint" in result.stderr
    assert len(rows(run_dir)) == 3


def test_initial_weights_are_confirmed_with_the_versions_that_made_them(here):
    first = run("--set", "algo_params.num_iterations=1")
    arguments = ("--set", f"path_to_weights={first}", "--set", "algo_params.num_iterations=1")
    result = launch("tiny.json", *arguments)
    line = "initial weights of qf1, qf2, vf, target_vf, policy, context_encoder loaded from"
    assert result.stdout.count(f"{line} {first}\n") == 1
    assert "was made with" not in result.stdout
    variant = json.loads((first / "variant.json").read_text())
    variant["versions"] |= {"torch": "1.5.0", "mujoco": "2.1.2", "commit": "abc"}
    (first / "variant.json").write_text(json.dumps(variant))
    result = launch("tiny.json", *arguments)
    (made,) = [text for text in result.stdout.splitlines() if "was made with" in text]
    assert made.startswith(f"{first} was made with torch 1.5.0 (here ")
    assert "mujoco 2.1.2 (here " in made
    newest = max((here / "output" / "point-robot").iterdir(), key=lambda path: path.stat().st_ctime)
    log = (newest / "debug.log").read_text()
    assert line in log
    assert "was made with torch 1.5.0" in log
    simulated = CliRunner().invoke(sim_policy.main, [str(first)])
    assert simulated.exit_code == 0
    assert simulated.stderr.count("was made with torch 1.5.0") == 1


@pytest.mark.parametrize("left", ["manifest.json.tmp", "state-000001.pt"])
def test_a_run_killed_while_its_first_checkpoint_was_written_begins_anew(here, left):
    whole, parted = run(), run()
    newest = max((parted / "checkpoint").glob("state-*"), key=lambda path: path.name)
    content = newest.read_bytes()
    for path in [*(parted / "checkpoint").iterdir(), *parted.glob("*.csv"), *parted.glob("*.pth")]:
        path.unlink()
    (parted / "checkpoint" / left).write_bytes(content[:100])
    assert launch("--resume", parted).exit_code == 0
    assert rows(parted) == rows(whole)
    assert same_weights(parted, whole)
    assert not (parted / "checkpoint" / "manifest.json.tmp").exists()


def test_a_run_killed_before_its_variant_was_written_says_what_it_is(here):
    run_dir = run("--set", "algo_params.num_iterations=1")
    for path in run_dir.iterdir():
        if path.is_file() and path.name != "tasks.npz":
            path.unlink()
    shutil.rmtree(run_dir / "checkpoint")
    (run_dir / "variant.json.tmp").write_text("{")
    for result in (
        launch("--resume", run_dir),
        CliRunner().invoke(sim_policy.main, [str(run_dir)]),
    ):
        assert result.exit_code == 2
        assert "stopped before variant.json was written, and has computed nothing" in result.stderr


def test_a_folder_above_runs_names_them(here):
    runs = [run("--set", "algo_params.num_iterations=1") for _ in range(2)]
    for folder in ("output", "output/point-robot"):
        for result in (
            launch("--resume", folder),
            CliRunner().invoke(sim_policy.main, [folder]),
        ):
            assert result.exit_code == 2
            named = ", ".join(str(run_dir) for run_dir in reversed(runs))
            assert f"runs below this folder: {named}" in result.stderr
