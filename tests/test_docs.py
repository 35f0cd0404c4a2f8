"""The documents agree with the code: settings and defaults, columns, links, commands."""

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
    ROOT / "CONTRIBUTING.md",
]
LINK = re.compile(r"\]\((?!https?://)([^)]+)\)|<img src=\"([^\"]+)\"")

OYSTER_KEYS = """
env_name n_train_tasks n_eval_tasks latent_size net_size path_to_weights n_tasks randomize_tasks
meta_batch num_iterations num_initial_steps num_tasks_sample num_steps_prior num_steps_posterior
num_extra_rl_steps_posterior num_train_steps_per_itr num_evals num_steps_per_eval batch_size
embedding_batch_size embedding_mini_batch_size max_path_length discount soft_target_tau policy_lr
qf_lr vf_lr context_lr reward_scale sparse_rewards kl_lambda use_information_bottleneck
use_next_obs_in_context update_post_train num_exp_traj_eval recurrent dump_eval_paths base_log_dir
use_gpu gpu_id debug docker
"""  # of its configs/default.py, commit 44e20fd


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
    page = (ROOT / "docs" / "columns.md").read_text()
    documented = re.findall(r"^\| (\d+) \| `(.+?)` \|", page, re.M)
    assert [name for _, name in documented] == header
    assert [int(number) for number, _ in documented] == list(range(1, len(header) + 1))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_the_documents_lead_somewhere(page):
    for match in LINK.finditer(page.read_text()):
        target = match[1] or match[2]
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.M)
            anchors = {
                re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings
            }
            assert anchor in anchors, f"{page.name} links to {target}"


def test_links_of_the_site_stay_inside_of_it():
    """The site has the pages of docs/ only, and a link must work in the repository too."""
    docs = ROOT / "docs"
    outside = {
        (str(page.relative_to(ROOT)), match[1])
        for page in docs.rglob("*.md")
        for match in LINK.finditer(page.read_text())
        if not (page.parent / match[1].partition("#")[0]).resolve().is_relative_to(docs)
    }
    assert outside == set()


def test_every_page_is_in_the_navigation_of_the_site():
    site = (ROOT / "mkdocs.yml").read_text()
    listed = set(re.findall(r"^ +- (?:.+: )?([\w/.-]+\.md)$", site, re.M))
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    excluded = re.findall(r"^ +results/\*\*/(.+\.md)$", site, re.M)
    assert listed == {page for page in pages if page.rsplit("/", 1)[-1] not in excluded}
    assert len(listed) > 30


def test_the_page_for_users_of_oyster_names_every_key_of_oyster():
    page = (ROOT / "docs" / "from_oyster.md").read_text()
    keys = page.split("## Keys of a configuration\n")[1].split("\n## ")[0]
    named = {
        name
        for row in re.findall(r"^\|.*?\| (.+?) \| ", keys, re.M)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert named == set(OYSTER_KEYS.split())


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


def test_the_commands_of_benchmarks_that_are_named_anywhere_can_be_run():
    pages = [*PAGES, *(ROOT / "docs" / "results").rglob("*.md"), *(ROOT / "notebooks").glob("*")]
    results = (ROOT / "benchmarks" / "results").glob("*.json")
    sources = [file for folder in ("benchmarks", "rlkit") for file in (ROOT / folder).rglob("*.py")]
    named = {
        (str(file.relative_to(ROOT)), name)
        for file in [*pages, *results, *sources]
        for name in re.findall(r"(?:python -m|`)\s*(benchmarks(?:\.\w+)+)", file.read_text())
    }
    assert len({name for _, name in named}) > 25
    assert {
        (file, name) for file, name in named if not (ROOT / f"{name.replace('.', '/')}.py").exists()
    } == set()


def test_every_page_of_the_site_is_linked_from_another_page():
    links = {
        ((page.parent / match[1].partition("#")[0]).resolve(), page)
        for page in PAGES
        for match in LINK.finditer(page.read_text())
        if match[1]
    }
    reached = {target for target, page in links if target != page}
    listed = re.findall(r"^ +- (?:.+: )?([\w/.-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)
    assert [page for page in listed if ROOT / "docs" / page not in reached] == []
