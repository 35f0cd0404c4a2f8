"""Columns of times can be dropped by name, so that the remaining columns can be compared."""

import csv
import re
from pathlib import Path

import pytest

from rlkit.torch.sac.columns import COLUMNS
from tests.tiny_runs import ROOT, TIMES, launch

CONFIGS = ["configs/hfr/quick/four-corners.json", "configs/quick/point-robot.json"]


def is_time(column: str) -> bool:
    return re.search(r"\bTime\b", column) is not None


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: Path(path).stem)
def test_two_equal_runs_differ_only_in_columns_whose_name_has_the_word_time(
    config, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    tables = []
    for name in ("one", "two"):
        place = f"util_params.base_log_dir={name}"
        result = launch(ROOT / config, "--debug", "--cpu", "--seed", 1, "--set", place)
        assert result.exit_code == 0, result.output
        (path,) = Path(name).glob("*/*/progress.csv")
        with path.open(newline="") as file:
            tables.append(list(csv.DictReader(file)))
    first, second = tables
    assert any(is_time(column) for column in first[0])
    for row, other in zip(first, second, strict=True):
        differing = {column for column in row if row[column] != other[column]}
        assert differing
        assert all(map(is_time, differing)), differing


def test_counts_of_steps_are_not_taken_for_times():
    assert not is_time("Timesteps") and not is_time("Number of train steps total")
    assert {column for column in COLUMNS if is_time(column)} <= TIMES
