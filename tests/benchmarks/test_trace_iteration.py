"""The command that lists the source files which an iteration goes through."""

import json
import re
import sys

import pytest
from click.testing import CliRunner

from benchmarks.trace_iteration import ROOT, main, traced_files
from tests.tiny_runs import TINY


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "tiny.json"
    path.write_text(json.dumps(TINY))
    return path


@pytest.fixture(scope="module")
def names(config):
    return [str(file) for file in traced_files(config)]


def test_the_list_begins_with_the_algorithm_and_ends_with_the_table_of_the_logger(names):
    assert "def collect_data(" in (ROOT / names[0]).read_text()
    last = [names.index(f"rlkit/core/{name}.py") for name in ("outer_loop", "logger")]
    assert last == sorted(last)
    assert min(last) > names.index("rlkit/samplers/util.py")


def test_the_list_has_each_file_that_a_transition_passes_once(names):
    passed = ["envs/point_robot", "samplers/in_place", "data_management/replay_buffer"]
    assert {f"rlkit/{name}.py" for name in passed} <= set(names)
    assert len(names) == len(set(names))
    assert all((ROOT / name).is_file() for name in names)


def test_what_runs_only_before_the_first_collection_is_not_listed(names):
    assert "launch_experiment.py" not in names
    assert "rlkit/launchers/load_config.py" not in names


def test_the_command_prints_lines_and_totals_and_takes_settings(config, monkeypatch):
    monkeypatch.chdir(config.parent)
    arguments = ["--config", "tiny.json", "--set", "algo_params.encoder=gru",
                 "--set", "algo_params.embedding_batch_size=10",
                 "--set", "algo_params.embedding_mini_batch_size=10"]  # fmt: skip
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    header, _, *rows, total = result.output.splitlines()
    assert header == "| | file | lines |"
    cells = [row.strip("| ").split(" | ") for row in rows]
    assert "`rlkit/torch/sequence_encoders.py`" in {cell[1] for cell in cells}
    lines = sum(int(cell[2].replace(",", "")) for cell in cells)
    assert total == f"| | {len(rows)} files | {lines:,} |"
    assert sys.getprofile() is None
    assert not (config.parent / "output").exists()


def test_a_run_that_writes_no_row_is_an_error(config):
    result = CliRunner().invoke(main, ["--config", str(config), "--set", "algo_params.batch=1"])
    assert result.exit_code == 1
    assert "no row of progress.csv was written" in result.output


def test_the_document_on_extending_explains_every_file_but_those_of_the_task(names):
    text = (ROOT / "docs" / "extending.md").read_text().split("## How an iteration runs")[1]
    explained = set(re.findall(r"^\| `(\S+)` \|", text, re.M))
    assert all((ROOT / name).is_file() for name in explained)
    assert {name for name in names if "point_robot" not in name} <= explained
