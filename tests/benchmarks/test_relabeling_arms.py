"""Metrics of the comparison of relabeling methods: final means, and counts over whole runs."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.studies.relabeling_arms import MEASURES, diagnosis, main
from rlkit.visualization.runs import Run

COLUMNS = {
    "Own-task successes": [10, 20],
    "Own-task successes moved": [4, 5],
    "New-task successes": [1, 2],
    "Relabeling kept": [1.0, 0.5],  # nothing was judged in the first iteration
    "Relabeling back to own task": [0.0, 0.1],
    "Relabeling effective tasks": [np.nan, 1.5],
    "Adaptation Q Vals Std": [0.0, 30.0],
    "Adaptation partition Std": [0.0, 40.0],
}


def run_of(**columns):
    return Run(None, {}, 0, {name: np.array(values, float) for name, values in columns.items()})


def test_counts_are_summed_and_what_was_never_judged_does_not_count():
    assert diagnosis(run_of(**COLUMNS)) == pytest.approx([30, 9, 3, 0.2, 1.5, 30, 40])


def test_a_run_without_relabeling_has_its_own_successes_only():
    found = diagnosis(run_of(**{"Own-task successes": [3, 4]}))
    assert found[0] == 7
    assert np.isnan(found[1:]).all()


def test_each_seed_of_an_arm_counts_alike_with_its_last_five_iterations(tmp_path):
    for method, seed, level in (("none", 0, 1.0), ("hfr-q", 0, 2.0), ("hfr-q", 1, 4.0)):
        folder = tmp_path / f"{method}{seed}"
        folder.mkdir()
        rows = [[iteration * level] * (len(MEASURES) + 1) for iteration in range(7)]
        lines = [",".join(map(str, row)) for row in [[*MEASURES, "Own-task successes"], *rows]]
        (folder / "progress.csv").write_text("\n".join(lines) + "\n")
        (folder / "variant.json").write_text(
            json.dumps({"seed": seed, "algo_params": {"relabel_method": method}})
        )
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 0, result.output
    written = (tmp_path / "arms.md").read_text()
    assert (
        "| relabel_method hfr-q | 2 | 12.00 (8.00, 16.00) |" in written
    )  # (2 + 3 + 4 + 5 + 6) / 5 times the level
    assert "| relabel_method none | 1 | 4.00 |" in written
    assert "| relabel_method hfr-q | 1 | 84 | – |" in written


def test_a_folder_without_runs_ends_with_one_message(tmp_path):
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 2
    assert "no progress.csv" in result.output
