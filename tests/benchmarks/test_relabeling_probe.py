"""Scores of trajectories of a trained HFR run: telling rows, groups, and the written files."""

import csv
import math

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.studies.relabeling_probe import Judged, main, table, telling_rows
from rlkit.data_management.labels import Labels
from tests.benchmarks.test_trained_run import CONFIGS, small_run

FOUR_CORNERS = CONFIGS.parent / "hfr" / "quick" / "four-corners"


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("runs"), FOUR_CORNERS)[0]


def test_a_row_tells_its_task_where_no_other_task_gives_its_reward():
    rewards = np.array(
        [[-1.0, -3.0, -1.0, 0.0], [-1.0, -1.0, -3.0, -1.0], [-1.0, -3.0, -1.0, -1.0]]
    )
    labels = Labels(rewards, rewards, rewards == 0)
    assert [telling_rows(labels, own) for own in range(3)] == [1, 2, 0]


def judged(success, rows, utility, probability):
    return Judged(0, "prior", 10, success, -5.0, rows, utility, -100.0, -1.0, probability)


def test_the_table_groups_by_success_and_by_telling_rows():
    lines = [
        judged(True, 1, -40.0, 0.25),
        judged(True, 2, -60.0, 0.75),
        judged(True, 0, -7.0, 0.5),
        judged(False, 9, -90.0, 1.0),
    ]
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in table(lines).splitlines()[2:]
    ]
    assert [row[:3] for row in rows] == [
        ["yes", "none", "1"],
        ["yes", "1 or 2", "2"],
        ["no", "3 and more", "1"],
    ]
    assert rows[1][5:] == ["-50", "-100", "50", "-1", "0.50"]
    assert sum(int(row[2]) for row in rows) == len(lines)


def test_every_trajectory_is_judged_with_the_checkpoints_networks(run_dir, tmp_path):
    result = CliRunner().invoke(main, [str(run_dir), str(tmp_path), "--trajectories", "3"])
    assert result.exit_code == 0, result.output
    with (tmp_path / "judged.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["task"]), row["z_from"]) for row in rows] == [
        (task, kind) for task in range(4) for kind in ("prior", "posterior") for _ in range(3)
    ]
    for row in rows:
        own, other, share = (float(row[name]) for name in ("utility", "best_other", "probability"))
        odds = math.exp(min(other - (own - float(row["log_z"])), 700.0))
        assert (
            1 / (1 + 3 * odds) <= share + 1e-9
        )  # the three others have at most the best one's weight each
        assert share <= 1 / (1 + odds) + 1e-9
    assert any(float(row["log_z"]) != 0 for row in rows)


def test_a_run_that_judges_no_trajectories_is_refused(tmp_path):
    other = small_run(tmp_path, FOUR_CORNERS, "algo_params.relabel_method=random")[0]
    result = CliRunner().invoke(main, [str(other), str(tmp_path / "out")])
    assert (result.exit_code, (tmp_path / "out").exists()) == (2, False)
    assert "hfr-q" in result.output
