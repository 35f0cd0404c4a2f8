"""The documents say what the code does.

Settings with their defaults, columns in their order, links that lead somewhere.
"""

import json
import re
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path

import pytest
from rich.console import Console

from rlkit.launchers.load_config import load_config
from rlkit.launchers.pearl_config import PEARLExperiment, PEARLUtil
from rlkit.launchers.run import start_run
from rlkit.torch.hfr.config import HFRSettings
from rlkit.torch.sac.config import PEARLConfig

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "docker" / "README.md",
    ROOT / "CHANGELOG.md",
]


def documented_settings(heading):
    """Key -> default of the table below a heading of docs/formats.md."""
    section = (
        (ROOT / "docs" / "formats.md").read_text().split(f"### {heading}\n")[1].split("\n##")[0]
    )
    return {
        key: json.loads(default)
        for key, default in re.findall(r"^\| `(\w+)` \| `(.*?)` \|", section, re.M)
    }


@pytest.mark.parametrize(
    ("heading", "schema"),
    [
        ("Top level", PEARLExperiment),
        ("algo_params", PEARLConfig),
        ("algo_params of HFR", HFRSettings),
        ("util_params", PEARLUtil),
    ],
)
def test_every_setting_is_documented_with_its_default(heading, schema):
    defaults = {
        field.name: field.default for field in fields(schema) if not field.name.endswith("_params")
    }
    assert documented_settings(heading) == defaults


def header_of(path, folder, *more):
    """Columns of a short run."""
    settings = [
        "seed=1",
        "util_params.use_gpu=false",
        f"util_params.base_log_dir={folder}",
        "algo_params.num_iterations=1",
    ]
    settings += [
        "net_size=8",
        "algo_params.batch_size=4",
        "util_params.torch_threads=1",
        "util_params.physics_threads=1",
    ]
    run_dir = start_run(
        load_config(path, [*settings, *more]).cut_for_debug(),
        "docs",
        Console(quiet=True),
        nullcontext,
    )
    return (run_dir / "progress.csv").read_text().splitlines()[0].split(",")


def test_every_column_of_hfr_is_explained_in_its_order(tmp_path):
    pearl = header_of(ROOT / "configs" / "quick" / "point-robot.json", tmp_path)
    path = ROOT / "configs" / "hfr" / "quick" / "four-corners.json"
    hfr = header_of(path, tmp_path, "algo_params.use_learned_reward=true")
    section = (ROOT / "docs" / "hfr.md").read_text().split("## Columns\n")[1].split("\n## ")[0]
    lines = re.findall(r"^\| (`.+?) \| ", section, re.M)
    documented = [name for line in lines for name in re.findall(r"`(.+?)`", line)]
    assert hfr == [*pearl[:-1], *documented, pearl[-1]]


def test_every_column_of_a_run_is_explained_in_its_order(tmp_path):
    header = header_of(ROOT / "configs" / "quick" / "point-robot.json", tmp_path)
    page = (ROOT / "docs" / "pearl.md").read_text()
    documented = re.findall(r"^\| (\d+) \| `(.+?)` \|", page, re.M)
    assert [name for _, name in documented] == header
    assert [int(number) for number, _ in documented] == list(range(1, len(header) + 1))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_the_documents_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.M)
            anchors = {
                re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings
            }
            assert anchor in anchors, f"{page.name} links to {target}"


@pytest.mark.parametrize("page", ["pearl", "hfr"])
def test_functions_that_the_algorithm_page_names_exist(page):
    equations = (ROOT / "docs" / f"{page}.md").read_text().split("## Columns")[0]
    source = "\n".join(file.read_text() for file in (ROOT / "rlkit").rglob("*.py"))
    names = {name.split(".")[-1] for name in re.findall(r"`([A-Za-z_][\w.]*)`", equations)}
    settings = {
        field.name
        for schema in (PEARLConfig, HFRSettings, PEARLExperiment, PEARLUtil)
        for field in fields(schema)
    }
    functions = {
        name for name in names - settings if not name.endswith(("py", "csv", "json", "pth"))
    }
    assert len(functions) > 20
    assert {
        name
        for name in functions
        if not re.search(rf"\b(def|class) {name}\b|^ +{name}(: | = )", source, re.M)
    } == set()


def test_both_commands_of_the_readme_stand_on_its_first_screen():
    first_screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:25])
    assert (
        "pip install -e . && python launch_experiment.py configs/quick/point-robot.json"
        in first_screen
    )
    assert 'pip install -e ".[test]" && python -m pytest' in first_screen


def test_the_documents_that_the_code_names_are_there():
    named = {
        (str(file.relative_to(ROOT)), name)
        for folder in ("rlkit", "benchmarks", "rand_param_envs")
        for file in (ROOT / folder).rglob("*.py")
        for name in re.findall(r"docs/[\w/-]+\.md|\bspecs\b", file.read_text())
    }
    assert {(file, name) for file, name in named if not (ROOT / name).exists()} == set()
    assert len(named) > 10
