"""The recipes of docs/extending.md, run word for word in an empty folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import sim_policy
from tests.films import frames_of
from tests.tiny_runs import ROOT, launch

RECIPE = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.M | re.S)
FILE = re.compile(r"^`([\w.-]+)`:\n\n```(?:python|json)\n(.*?)^```$", re.M | re.S)
COMMANDS = re.compile(r"^```bash\n(.*?)^```$", re.M | re.S)
RECIPES = dict(RECIPE.findall((ROOT / "docs" / "extending.md").read_text()))


def write_files(recipe: str) -> None:
    for name, text in FILE.findall(RECIPES[recipe]):
        Path(name).write_text(text)


def run(line: str) -> None:
    program, *words = shlex.split(line)
    assert program == "rlkit"
    environment = {
        **os.environ,
        "PYTHONPATH": f"{os.getcwd()}{os.pathsep}{ROOT}",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "rlkit.launchers.cli", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name.startswith("A")])
def test_a_recipe_runs_as_it_stands(tmp_path, monkeypatch, recipe):
    monkeypatch.chdir(tmp_path)
    write_files(recipe)
    commands = "".join(COMMANDS.findall(RECIPES[recipe])).splitlines()
    assert commands
    for line in commands:
        run(line)
    assert list(Path("output").glob("*/*/progress.csv"))


@pytest.mark.render
def test_the_algorithm_moves_to_another_task_by_its_configuration_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    write_files("An algorithm")
    run = ["random-shooting.json", "--set", "env_name=cheetah-run", "--debug", "--cpu"]
    result = launch(*run, "--set", "algo_params.num_plans=20")
    assert result.exit_code == 0, result.output
    (run_dir,) = Path("output").glob("cheetah-run/*")
    result = CliRunner().invoke(sim_policy.main, [str(run_dir), "--video"])
    if "no OpenGL" in result.output:
        pytest.skip(result.output.splitlines()[-1])
    assert result.exit_code == 0, result.output
    frames, rate = frames_of(run_dir / "video.mp4")
    assert len(frames) == 1 + 20 + rate, "the steps, and the last one for a second"
    assert (frames[0] != frames[20]).any()


def test_the_algorithm_is_short():
    code = dict(FILE.findall(RECIPES["An algorithm"]))["random_shooting.py"]
    without_docstrings = re.sub(r'"""(.|\n)*?"""', "", code)
    lines = [line for line in without_docstrings.splitlines() if line.split("#")[0].strip()]
    assert len(lines) <= 140, len(lines)
