"""Run folders whose files are of different runs, or were edited while the run was stopped."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import sim_policy
from rlkit.core.checkpoint import Checkpoint
from rlkit.core.errors import StopRequested
from tests.tiny_runs import TINY, launch, rows, run, same_weights


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory) -> tuple[Path, Path]:
    """Two stopped runs of the same shapes."""
    folder, before = tmp_path_factory.mktemp("runs"), Path.cwd()
    os.chdir(folder)
    try:
        Path("tiny.json").write_text(json.dumps(TINY))
        length = ("--set", "algo_params.num_iterations=1")
        return folder / run(*length), folder / run(*length, "--seed", 4)
    finally:
        os.chdir(before)


@pytest.fixture
def run_dir(two_runs, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(two_runs[0], tmp_path / "run"))


def identity(run_dir: Path) -> str:
    return json.loads((run_dir / "variant.json").read_text())["log_dir_id"]


def change(path: Path, section: str | None, key: str, value: object) -> None:
    content = json.loads(path.read_text())
    (content if section is None else content[section])[key] = value
    path.write_text(json.dumps(content))


def resume(run_dir: Path, *arguments: object):
    return launch("--resume", run_dir, "--set", "algo_params.num_iterations=2", *arguments)


@pytest.mark.parametrize("name", ["variant.json", "tasks.npz", "checkpoint"])
def test_a_file_of_another_run_is_refused_with_both_identities(two_runs, run_dir, name):
    place = run_dir / name
    if place.is_dir():
        shutil.rmtree(place)
        shutil.copytree(two_runs[1] / name, place)
    else:
        shutil.copy(two_runs[1] / name, place)
    result = resume(run_dir)
    assert result.exit_code == 2, result.output
    assert all(identity(one) in result.stderr for one in two_runs)
    assert name in result.stderr
    if name != "checkpoint":
        assert CliRunner().invoke(sim_policy.main, [str(run_dir)]).exit_code == 2


@pytest.mark.parametrize(
    ("section", "key", "value", "was"),
    [
        ("algo_params", "policy_lr", 0.1, "0.0003"),
        ("algo_params", "discount", 0.5, "0.99"),
        ("algo_params", "kl_lambda", 7.0, "0.1"),
        (None, "seed", 12, "3"),
    ],
)
def test_an_edited_setting_is_refused_with_both_values(run_dir, section, key, value, was):
    change(run_dir / "variant.json", section, key, value)
    result = resume(run_dir)
    assert result.exit_code == 2, result.output
    name = key if section is None else f"{section}.{key}"
    assert f"{name}: {value} in variant.json, {was} in the checkpoint" in result.stderr


def test_an_edited_task_set_is_refused(run_dir):
    with np.load(run_dir / "tasks.npz") as arrays:
        content = dict(arrays)
    np.savez(run_dir / "tasks.npz", **{**content, "tasks": content["tasks"] + 0.1})
    result = resume(run_dir)
    assert result.exit_code == 2
    assert "tasks.npz has the hash" in result.stderr


def test_length_and_machine_may_be_edited(run_dir):
    change(run_dir / "variant.json", "util_params", "physics_threads", 2)
    assert resume(run_dir).exit_code == 0


def test_a_run_killed_after_its_variant_was_rewritten_still_goes_on(two_runs, run_dir, monkeypatch):
    def killed(*arguments: object) -> None:
        raise StopRequested(2)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", killed)
        assert resume(run_dir, "--set", "util_params.physics_threads=2").exit_code == 130
    assert resume(run_dir).exit_code == 0
    whole = Path(shutil.copytree(two_runs[0], "whole"))
    assert resume(whole).exit_code == 0
    assert rows(run_dir) == rows(whole)
    assert same_weights(run_dir, whole)


def test_a_folder_without_identities_goes_on_with_one_line(run_dir):
    content = json.loads((run_dir / "variant.json").read_text())
    del content["log_dir_id"]
    (run_dir / "variant.json").write_text(json.dumps(content))
    with np.load(run_dir / "tasks.npz") as arrays:
        tasks = arrays["tasks"]
    np.savez(run_dir / "tasks.npz", tasks=tasks)
    assert resume(run_dir).exit_code == 2, "the checkpoint has one"
    shutil.rmtree(run_dir / "checkpoint")
    for table in run_dir.glob("*.csv"):
        table.unlink()
    for _ in range(2):
        result = launch("--resume", run_dir)
        assert result.exit_code == 0, result.output
        assert result.output.count("recorded no identity") == 1
    assert resume(run_dir).exit_code == 0
