"""`~` and environment variables in the paths of a run: in its JSON, in --set and in arguments."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rlkit.launchers.plot import main as plot
from sim_policy import main as sim_policy
from tests.tiny_runs import TINY, launch


@pytest.fixture
def home(here, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(here / "home"))
    monkeypatch.setenv("RUNS", str(here / "runs"))
    monkeypatch.delenv("NOWHERE", raising=False)
    return here / "home"


def test_paths_are_expanded_everywhere_and_recorded_as_they_were_used(here, home):
    short = {**TINY, "algo_params": {**TINY["algo_params"], "num_iterations": 1}}
    util = {**TINY["util_params"], "base_log_dir": "~/outs"}
    (home / "configs").mkdir(parents=True)
    (home / "configs" / "tiny.json").write_text(json.dumps({**short, "util_params": util}))
    assert launch("~/configs/tiny.json").exit_code == 0
    (first,) = (home / "outs" / "point-robot").iterdir()
    assert json.loads((first / "variant.json").read_text())["util_params"]["base_log_dir"] == str(
        home / "outs"
    )
    weights = f"path_to_weights=~/{first.relative_to(home)}"
    changes = ("--set", "util_params.base_log_dir=$RUNS", "--set", weights)
    assert launch("~/configs/tiny.json", *changes).exit_code == 0
    (second,) = (here / "runs" / "point-robot").iterdir()
    record = json.loads((second / "variant.json").read_text())
    assert record["util_params"]["base_log_dir"] == str(here / "runs")
    assert record["path_to_weights"] == str(first)
    tilde = f"~/{first.relative_to(home)}"
    longer = ("--set", "algo_params.num_iterations=2")
    assert launch("~/configs/tiny.json", f"--resume={tilde}", *longer).exit_code == 0
    assert CliRunner().invoke(sim_policy, [tilde]).exit_code == 0
    assert (first / "sim_policy.csv").exists()
    drawn = CliRunner().invoke(plot, [tilde, "-o", "$RUNS/c.png", "--table", "~/table.md"])
    assert drawn.exit_code == 0, drawn.output
    assert (here / "runs" / "c.png").exists()
    assert (home / "table.md").exists()
    assert not (here / "~").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["tiny.json", "--set", "util_params.base_log_dir=$NOWHERE/x"],
        ["tiny.json", "--set", "path_to_weights=${NOWHERE}"],
        ["$NOWHERE/tiny.json"],
        ["--resume", "runs/$NOWHERE"],
    ],
)
def test_a_variable_that_is_not_set_is_refused_by_name_and_nothing_is_written(
    here, home, arguments
):
    result = launch(*arguments)
    assert result.exit_code == 2
    assert "the environment variable NOWHERE is not set" in result.output
    assert [path.name for path in here.iterdir()] == ["tiny.json"]


def test_the_record_of_an_older_run_is_read_as_it_is(here, home):
    variant = here / "old" / "variant.json"
    variant.parent.mkdir()
    util = {**TINY["util_params"], "base_log_dir": "$NOWHERE/~"}
    variant.write_text(json.dumps({**TINY, "util_params": util}))
    assert "$NOWHERE/~" in launch(variant, "--print-config").stdout
    assert "$NOWHERE/~" in launch("--resume", variant.parent, "--print-config").stdout
