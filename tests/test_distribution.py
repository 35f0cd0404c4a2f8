"""The source distribution and the wheel are complete and work in a fresh environment."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from rlkit.launchers.shipped import shipped_configs
from tests.tiny_runs import ROOT

OLDEST_SETUPTOOLS = 77  # which knows licence expressions
NOT_SOURCE = (
    *(".git", "output", "build", "dist", ".venv", "venv", "*.egg-info", "__pycache__"),
    *(".pytest_cache", ".ruff_cache", ".mypy_cache", ".hypothesis", "*.pyc", "MUJOCO_LOG.TXT"),
)
USERS_PROGRAM = """\
import numpy as np
import rlkit
from rlkit.envs import make_env

agent = rlkit.load("run")
env = make_env("point-robot", n_tasks=3)
env.reset_task([0])
reveal_type(agent.act(np.zeros(2)))
reveal_type(env.tasks)
agent.adopt(np.zeros((2, 2)), np.zeros((1, 2)), np.zeros(1))
"""


def can_build() -> bool:
    found = importlib.util.find_spec("setuptools") is not None
    return found and int(version("setuptools").split(".")[0]) >= OLDEST_SETUPTOOLS


pytestmark = pytest.mark.skipif(not can_build(), reason="setuptools 77 or later is not installed")


def call(command: list[str | Path], folder: Path, code: int = 0) -> str:
    """Run a command and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def build(kind: str, source: Path, target: Path) -> Path:
    """Build an sdist or a wheel with the build backend."""
    code = f"from setuptools.build_meta import *; print('\\n' + build_{kind}({str(target)!r}))"
    return target / call([sys.executable, "-c", code], source).split()[-1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """The source distribution, built from a copy of this checkout and unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    copy = folder / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_SOURCE))
    with tarfile.open(build("sdist", copy, folder)) as archive:
        archive.extractall(folder, filter="data")
    (found,) = folder.glob("pearl_rlkit-*/")
    return found


@pytest.fixture(scope="module")
def python(unpacked, tmp_path_factory) -> Path:
    """Python of a fresh environment, with the wheel and the packages that these tests run with."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = build("wheel", unpacked, folder)
    venv.create(folder / "venv", symlinks=True)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    dependencies = Path(click.__file__).parents[1]
    (site / "zz_dependencies.pth").write_text(f"{dependencies}\n")
    return folder / "venv" / "bin" / "python"


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_source_distribution_is_complete(unpacked):
    assert not [name for name in files_of(unpacked) if name.endswith(".pyc")]
    missing = files_of(unpacked.parent / "copy") - files_of(unpacked)
    assert {name for name in missing if not name.startswith("pearl_rlkit.egg-info")} == set()


def test_the_first_tests_of_the_unpacked_distribution_pass(unpacked):
    first = min((unpacked / "tests").glob("test_*.py"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", first]
    assert " passed" in call(command, unpacked)


def test_the_wheel_trains_simulates_and_plots_outside_of_the_checkout(python, tmp_path):
    rlkit = [python, "-m", "rlkit.launchers.cli"]
    place = call([python, "-c", "import rlkit; print(rlkit.__file__)"], tmp_path)
    assert Path(place).is_relative_to(python.parents[1])
    assert call([*rlkit, "list", "configurations"], tmp_path).split() == list(shipped_configs())
    quick = ["--set", "algo_params.num_train_steps_per_itr=2", "--set", "net_size=8", "--debug"]
    call([*rlkit, "train", "quick/point-robot", "--cpu", *quick], tmp_path)
    run_dir = tmp_path / "output" / "point-robot" / "debug"
    assert "posterior" in call([*rlkit, "sim", run_dir], tmp_path)
    call([*rlkit, "plot", run_dir, "-o", "curves.png"], tmp_path)
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_the_wheel_has_the_console_command_and_the_marks_of_types(python):
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    (entry_points,) = site.glob("pearl_rlkit-*.dist-info/entry_points.txt")
    assert "rlkit = rlkit.launchers.cli:main" in entry_points.read_text()
    assert all((site / package / "py.typed").exists() for package in ("rlkit", "rand_param_envs"))


@pytest.mark.slow
def test_mypy_finds_the_types_of_the_wheel_in_a_users_program(python, tmp_path):
    (tmp_path / "mine.py").write_text(USERS_PROGRAM)
    mypy = [sys.executable, "-m", "mypy", "--python-executable", python]
    told = call([*mypy, "--follow-imports=silent", "mine.py"], tmp_path, code=1)
    assert told.count('Revealed type is "numpy.ndarray') == 2
    assert '"TrainedAgent" has no attribute "adopt"; maybe "adapt"?' in told
