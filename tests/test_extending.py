"""The recipes of docs/extending.md, run word for word in an empty folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny_runs import ROOT

RECIPE = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.M | re.S)
FILE = re.compile(r"^`([\w.-]+)`:\n\n```(?:python|json)\n(.*?)^```$", re.M | re.S)
COMMANDS = re.compile(r"^```bash\n(.*?)^```$", re.M | re.S)
RECIPES = dict(RECIPE.findall((ROOT / "docs" / "extending.md").read_text()))


def write_files(recipe: str) -> None:
    for name, text in FILE.findall(RECIPES[recipe]):
        Path(name).write_text(text)


def run(line: str) -> None:
    script, *arguments = shlex.split(line)[1:]
    words = [
        str(path) for word in arguments for path in (Path().glob(word) if "*" in word else [word])
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{os.getcwd()}{os.pathsep}{ROOT}",
        "OMP_NUM_THREADS": "1",
    }
    begin = [script] if script == "-m" else [str(ROOT / script)]
    done = subprocess.run(
        [sys.executable, *begin, *words],
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


def test_the_algorithm_is_short():
    code = dict(FILE.findall(RECIPES["An algorithm"]))["random_shooting.py"]
    without_docstrings = re.sub(r'"""(.|\n)*?"""', "", code)
    lines = [line for line in without_docstrings.splitlines() if line.split("#")[0].strip()]
    assert len(lines) <= 140, len(lines)
