#!/usr/bin/env python3
"""Runs the tests in a fresh environment of each Python, or with the lowest versions allowed.

    .ci/pythons.py                        the whole suite on each Python here, 3.11 to 3.13
    .ci/pythons.py 3.12 /opt/python/bin/python3.13
    .ci/pythons.py --lowest 3.11          the lowest versions of what pyproject.toml names
    .ci/pythons.py 3.12 -- tests/core -k checkpoint

uv installs, from one cache for all environments. It takes wheels from the folder that UV_FIND_LINKS
or PIP_FIND_LINKS names; without a CPU wheel of PyTorch there, one with CUDA comes, 5 GB on the
disk. The table at the end has pytest's counts. Exit code 1: a test failed, or an environment was
not tested (with --optional only the former).
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("3.11", "3.12", "3.13")
FREE_GB = 15  # room for two environments with CUDA
COUNTS = re.compile(r"(?:=+ )?(?P<counts>\d+ [a-z]+.*) in (?P<seconds>[\d.]+)s")
VERSION = "import sys, venv; print('.'.join(map(str, sys.version_info[:3])))"


class NotInstalledError(Exception):
    """An environment could not be created; the message gives the reason."""


class Outcome(NamedTuple):
    """Result for an environment.

    Attributes:
        words: the counts of pytest, or the reason why there are none.
        tested, passed: whether it was tested, and whether all tests passed.
    """

    words: str
    tested: bool
    passed: bool


# Interpreters


def answer(*command: str | Path) -> str | None:
    """Output of a command; None if it fails, like a shim that only prints an error."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def find(wanted: str) -> tuple[str, str] | None:
    """Find the interpreter for a version such as "3.12" or a path, and its full version.

    None if there is none that runs.
    """
    is_version = re.fullmatch(r"\d+\.\d+", wanted)
    for python in candidates(wanted) if is_version else (wanted,):
        version = answer(python, "-c", VERSION)
        if version and (not is_version or version.startswith(f"{wanted}.")):
            return python, version
    return None


def candidates(version: str) -> Iterator[str]:
    """Candidate paths of interpreters of a version: on PATH, or from pyenv, newest first."""
    yield f"python{version}"
    names = (answer("pyenv", "versions", "--bare") or "").split()
    patches = [int(name[len(version) + 1 :]) for name in names if is_patch(name, version)]
    for patch in sorted(patches, reverse=True):
        if prefix := answer("pyenv", "prefix", f"{version}.{patch}"):
            yield f"{prefix}/bin/python"


def is_patch(name: str, version: str) -> bool:
    """Whether a name is a version with a patch number."""
    return name.startswith(f"{version}.") and name[len(version) + 1 :].isdigit()


# Environments


def call(limit: float, *command: str | Path) -> None:
    """Run a step of an installation.

    Raises:
        NotInstalledError: it failed, or took longer than `limit` seconds.
    """
    try:
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=True)
    except subprocess.TimeoutExpired as error:
        raise NotInstalledError(f"installing takes more than {limit:.0f} s") from error
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        print(said, file=sys.stderr)
        raise NotInstalledError(" ".join(said.split())[:200]) from error


def install(python: str, work: Path, venv: Path, *, lowest: bool, limit: float) -> None:
    """Create an environment with this checkout and its test dependencies.

    Args:
        python: interpreter.
        work: contains uv's own environment, created if missing.
        venv: the new environment.
        lowest: choose the lowest version of each direct dependency.
        limit: seconds for each step.
    Raises:
        NotInstalledError: it cannot be installed here.
    """
    call(limit, python, "-m", "venv", "--clear", venv)
    free = shutil.disk_usage(work).free / 1e9
    if free < FREE_GB:
        raise NotInstalledError(f"{free:.0f} GB are free, it may take {FREE_GB}")
    uv = work / "uv" / "bin" / "uv"
    if not uv.exists():
        call(limit, sys.executable, "-m", "venv", work / "uv")
        call(limit, work / "uv" / "bin" / "python", "-m", "pip", "install", "uv")
    pip = uv, "pip", "install", "--python", venv / "bin" / "python"
    resolution = ("--resolution", "lowest-direct") if lowest else ()
    call(limit, *pip, *resolution, "--editable", ".[test]")
    call(limit, *pip, "--no-deps", "metaworld")  # scene files of the Sawyer tasks


def test(venv: Path, log: Path, arguments: list[str]) -> Outcome:
    """Run pytest in an environment; if a test fails, print the end of its output."""
    command = venv / "bin" / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider"
    with log.open("w") as file:
        done = subprocess.run(
            (*command, *arguments), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    text = log.read_text(errors="replace")
    if done.returncode:
        print(text[-20_000:], file=sys.stderr)
    found = [match for match in map(COUNTS.match, text.splitlines()) if match]
    if not found:
        return Outcome(f"pytest ended with code {done.returncode}", True, False)
    counts, seconds = found[-1].group("counts", "seconds")
    return Outcome(f"{counts} in {float(seconds) / 60:.1f} min", True, done.returncode == 0)


def run(options: argparse.Namespace, work: Path) -> dict[str, Outcome]:
    """Install the environments one by one, then test them; returns outcomes by name."""
    os.environ.update(MPLBACKEND="Agg", PYTHONDONTWRITEBYTECODE="1", PYTHONPATH=str(ROOT))
    os.environ.setdefault("UV_CACHE_DIR", str(work / "cache"))
    if links := os.environ.get("PIP_FIND_LINKS"):
        os.environ.setdefault("UV_FIND_LINKS", links.replace(" ", ","))
    outcomes, installed = {}, []
    for wanted in options.pythons or VERSIONS:
        found = find(wanted)
        if found is None:
            outcomes[wanted] = Outcome("no such interpreter runs here", False, False)
            continue
        name = f"{found[1]}{' lowest' if options.lowest else ''}"
        venv = work / name.replace(" ", "-")
        try:
            install(found[0], work, venv, lowest=options.lowest, limit=options.limit)
        except NotInstalledError as error:
            outcomes[name] = Outcome(str(error), False, False)
        else:
            installed.append((name, venv))
    with ThreadPoolExecutor(options.jobs) as pool:
        tests = {
            name: pool.submit(test, venv, work / f"{venv.name}.log", options.pytest)
            for name, venv in installed
        }
    return outcomes | {name: future.result() for name, future in tests.items()}


def command_line(given: list[str]) -> argparse.Namespace:
    """Parse the arguments; those after "--" are passed to pytest."""
    end = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("pythons", nargs="*", help="versions or paths (default: 3.11 3.12 3.13)")
    add("--lowest", action="store_true", help="the lowest versions of direct dependencies")
    add("--optional", action="store_true", help="do not fail if an environment cannot be created")
    add("--jobs", type=int, default=1, help="environments tested in parallel (default: 1)")
    add("--limit", type=float, default=1800, help="seconds per installation step")
    add("--keep", type=Path, help="folder for environments, cache and logs; default: removed")
    options = parser.parse_args(given[:end])
    options.pytest = given[end + 1 :]
    return options


def main() -> int:
    """Test each environment, print the table, return the exit code."""
    options = command_line(sys.argv[1:])
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        outcomes = run(options, options.keep.resolve())
    else:
        with tempfile.TemporaryDirectory() as work:
            outcomes = run(options, Path(work))
    for name, outcome in sorted(outcomes.items()):
        print(f"Python {name:14} {'' if outcome.tested else 'not tested: '}{outcome.words}")
    failed = [o for o in outcomes.values() if not o.passed and (o.tested or not options.optional)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
