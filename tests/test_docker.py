"""The Dockerfile: pinned versions, the commit, and a folder for runs that any user can write to."""

import importlib.util
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
FILE = (ROOT / "docker" / "Dockerfile").read_text()


def rehearsal():
    """The module docker/rehearse.py."""
    spec = importlib.util.spec_from_file_location("rehearse", ROOT / "docker" / "rehearse.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins():
    """Package -> version of docker/constraints.txt."""
    text = (ROOT / "docker" / "constraints.txt").read_text()
    return dict(re.findall(r"^([\w-]+)==(.+)$", text, re.M))


def test_every_dependency_is_pinned_to_a_version_that_the_project_allows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(line) for line in project["dependencies"]]
    pinned = pins()
    assert [r.name for r in wanted if pinned.get(r.name) not in r.specifier] == []


def test_base_and_packages_are_pinned_and_the_commit_is_recorded():
    names = rehearsal().instructions(FILE)
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-bookworm", dict(names)["FROM"])
    installs = [argument for name, argument in names if name == "RUN" and "pip install" in argument]
    assert installs and all("-c docker/constraints.txt" in argument for argument in installs)
    assert any("org.opencontainers.image.revision" in a for name, a in names if name == "LABEL")
    assert ("ENV", 'RLKIT_COMMIT="$COMMIT"') in names
    assert any("chmod 1777 output" in argument for argument in installs)


def test_the_rehearsal_reads_continued_lines_and_skips_comments():
    text = "# a\nFROM x\nRUN a \\\n    && b\n# c\nENV A=1 B=2\n"
    found = [(name, " ".join(rest.split())) for name, rest in rehearsal().instructions(text)]
    assert found == [("FROM", "x"), ("RUN", "a && b"), ("ENV", "A=1 B=2")]


def test_variables_and_arguments_are_handed_on(tmp_path):
    image = rehearsal().Image(tmp_path, {"COMMIT": "abc"}, {})
    image.step("ARG", 'COMMIT=""')
    image.step("ARG", 'TORCH_INDEX=""')
    image.step("ENV", 'RLKIT_COMMIT="$COMMIT" HOME=/tmp')
    image.step("WORKDIR", "/pearl")
    assert (image.env["RLKIT_COMMIT"], image.env["TORCH_INDEX"], image.env["HOME"]) == (
        "abc",
        "",
        "/tmp",
    )
    assert (tmp_path / "pearl").is_dir()
