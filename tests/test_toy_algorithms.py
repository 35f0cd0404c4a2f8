"""An algorithm from outside the package works with every command, started as a user would."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.tiny_runs import ROOT, rows, same_weights
from tests.tiny_runs import launch as launch_here

TOYS = ("Interleaved", "OnPolicy")
FOREIGN = {"latent_size", "n_train_tasks", "matmul", "slice_rows", "meta_batch", "cuda_graph"}


def command(script: str, *arguments: object) -> list[str]:
    return [sys.executable, str(ROOT / script), *map(str, arguments)]


def start(script: str, *arguments: object) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command(script, *arguments), env=environment, stdout=pipe, stderr=pipe, text=True
    )


def call(script: str, *arguments: object, code: int = 0) -> tuple[str, str]:
    """Run a script in a separate process."""
    running = start(script, *arguments)
    stdout, stderr = running.communicate(timeout=120)
    assert running.returncode == code, stderr
    assert "Traceback" not in stderr
    return stdout, stderr


def launch(*arguments: object, code: int = 0) -> tuple[str, str]:
    """Run `launch_experiment.py` in this process, which spares the import of PyTorch."""
    result = launch_here(*arguments)
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def write_config(toy: str, **algo_params: object) -> str:
    config = {
        "algorithm": f"tests.toy_algorithms:{toy}",
        "env_name": "point-robot",
        "env_params": {"n_tasks": 1},
        "algo_params": algo_params,
        "util_params": {"use_gpu": False},
        "seed": 4,
    }
    path = Path(f"{toy}.json")
    path.write_text(json.dumps(config))
    return str(path)


def run_folder() -> Path:
    (folder,) = Path("output").glob("*/*/variant.json")
    return folder.parent


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("toy", TOYS)
def test_a_run_leaves_a_folder_that_every_command_takes(here, toy):
    stdout, _ = call("launch_experiment.py", write_config(toy))
    assert "return: average " in stdout and "env steps 120" in stdout
    run_dir = run_folder()
    header = (run_dir / "progress.csv").read_text().splitlines()[0].split(",")
    assert header[:2] == ["Toy Loss", "AverageReturn"]
    with (run_dir / "toy.csv").open() as file:
        assert [row["iteration"] for row in csv.DictReader(file)] == ["0", "1", "2"]
    variant = json.loads((run_dir / "variant.json").read_text())
    keys = {*variant, *variant["algo_params"], *variant["util_params"]}
    assert not keys & FOREIGN
    stdout, _ = call("sim_policy.py", run_dir)
    assert "exploration" in stdout and (run_dir / "sim_policy.csv").exists()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    plot = [sys.executable, "-m", "rlkit.visualization.plot", str(run_dir), "-o", "curves.png"]
    subprocess.run(plot, env=environment, check=True, capture_output=True)
    assert Path("curves.png").stat().st_size > 10_000


@pytest.mark.parametrize("toy", TOYS)
def test_a_smoke_run_has_a_folder_of_its_own(here, toy):
    launch(write_config(toy), "--debug")
    assert run_folder().name == f"debug-tests.toy_algorithms.{toy}"
    assert len(rows(run_folder())) == 2


@pytest.mark.parametrize("toy", TOYS)
def test_print_config_shows_its_settings_and_no_others(here, toy):
    stdout, stderr = launch(write_config(toy), "--print-config")
    config = json.loads(stdout)
    assert config["algo_params"]["num_trajectories"] == 4
    assert not {*config, *config["algo_params"], *config["util_params"]} & FOREIGN
    assert "no estimates" in stderr


@pytest.mark.parametrize(
    "setting, owner", [("util_params.matmul=default", "pearl"), ("latent_size=3", "pearl")]
)
def test_settings_of_another_algorithm_are_refused_by_name(here, setting, owner):
    arguments = write_config("OnPolicy"), "--set", setting
    _, stderr = launch(*arguments, code=2)
    assert setting.split("=")[0] in stderr and f'"{owner}"' in stderr


@pytest.mark.parametrize("toy", TOYS)
def test_a_longer_run_equals_a_resumed_one(here, toy):
    config = write_config(toy)
    launch(config, "--set", "util_params.base_log_dir=whole")
    launch(config, "--set", "algo_params.num_iterations=1")
    more = "--set", "algo_params.num_iterations=3"
    launch("--resume", run_folder(), *more)
    (whole,) = Path("whole").glob("*/*")
    assert rows(run_folder()) == rows(whole) and len(rows(whole)) == 3
    assert same_weights(run_folder(), whole)
    assert (run_folder() / "toy.csv").read_text() == (whole / "toy.csv").read_text()


def test_a_run_killed_inside_a_verb_resumes_inside_it_bit_for_bit(here):
    config = write_config("Interleaved", num_iterations=4, num_trajectories=200)
    launch(config, "--set", "util_params.base_log_dir=whole")
    often = "util_params.checkpoint_minutes=0.0001"
    running = start("launch_experiment.py", config, "--set", often)
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        table = list(Path("output").glob("*/*/progress.csv"))
        if table and len(table[0].read_text().splitlines()) >= 2:
            break
        time.sleep(0.01)
    time.sleep(0.2)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    manifest = json.loads((run_folder() / "checkpoint" / "manifest.json").read_text())["manifest"]
    state_file = run_folder() / "checkpoint" / manifest["state"]["file"]
    state = torch.load(state_file, weights_only=True)["state"]
    assert state["unfinished"] is not None and 0 < state["algorithm"]["done"] < 200
    launch("--resume", run_folder())
    (whole,) = Path("whole").glob("*/*")
    assert rows(run_folder()) == rows(whole)
    assert same_weights(run_folder(), whole)


@pytest.mark.parametrize("toy", TOYS)
def test_a_loss_that_is_not_finite_stops_the_run(here, toy):
    _, stderr = launch(write_config(toy, bad_iteration=1), code=3)
    assert "iteration 1: Toy Loss is nan" in stderr
    assert len(rows(run_folder())) == 1


def test_an_algorithm_that_does_not_exist_is_refused(here):
    for name, reason in (
        ("perl", "did you mean 'pearl'?"),
        ("tests.nowhere:Thing", "tests.nowhere cannot be imported"),
        ("tests.toy_algorithms:Toy", "is not a subclass of rlkit.launchers.launcher.Launcher"),
        ("tests.toy_algorithms:OnPolcy", "did you mean 'OnPolicy'?"),
    ):
        arguments = write_config("OnPolicy"), "--set", f"algorithm={name}"
        _, stderr = launch(*arguments, code=2)
        assert f'algorithm = "{name}"' in stderr and reason in stderr
