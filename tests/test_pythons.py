"""The script that runs the tests on other Pythons: how it finds them, and its table."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.tiny_runs import ROOT

SCRIPT = ROOT / ".ci" / "pythons.py"
SHIM = "#!/bin/sh\necho 'python3.12: command not found' >&2\nexit 127\n"
BARE = "#!/bin/sh\nif [ $1 = -c ]; then echo 3.12.9; else echo no ensurepip >&2; exit 1; fi\n"


@pytest.fixture(scope="module")
def pythons() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pythons", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def script(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder)}
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (SHIM, "Python 3.12           not tested: no such interpreter runs here"),
        (BARE, "Python 3.12.9         not tested: no ensurepip"),
    ],
)
def test_a_python_that_cannot_be_had_is_named_and_fails_unless_it_is_optional(
    tmp_path, content, line
):
    (tmp_path / "python3.12").write_text(content)
    (tmp_path / "python3.12").chmod(0o755)
    wanted = script(tmp_path, "3.12")
    assert (wanted.returncode, wanted.stdout) == (1, f"{line}\n")
    optional = script(tmp_path, "--optional", "3.12", "--", "tests/core")
    assert (optional.returncode, optional.stdout) == (0, f"{line}\n")


def test_an_interpreter_is_found_by_path_and_by_version(pythons, tmp_path, monkeypatch):
    version = ".".join(map(str, sys.version_info[:3]))
    assert pythons.find(sys.executable) == (sys.executable, version)
    short = version.rpartition(".")[0]
    (tmp_path / f"python{short}").symlink_to(os.path.realpath(sys.executable))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pythons.find(short) == (f"python{short}", version)
    assert pythons.find("2.0") is None


@pytest.mark.parametrize(
    ("content", "words", "passed"),
    [
        ("def test_a(): pass", "1 passed", True),
        ("def test_a(): assert 0\ndef test_b(): pass", "1 failed, 1 passed", False),
        ("import nothing_of_that_name", "1 error", False),
    ],
)
def test_the_counts_are_pytests(pythons, tmp_path, content, words, passed):
    (tmp_path / "test_it.py").write_text(content)
    venv, log = Path(sys.prefix), tmp_path / "log"
    outcome = pythons.test(venv, log, ["--rootdir", str(tmp_path), str(tmp_path)])
    assert outcome.words.startswith(f"{words} in ")
    assert (outcome.tested, outcome.passed) == (True, passed)
