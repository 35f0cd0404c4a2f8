"""Metrics of the comparison of relabeling methods: final means, and counts over whole runs."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import t

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


ARMS = [("none", 0, 1.0), ("none", 1, 2.0), ("hfr-q", 0, 2.0), ("hfr-q", 1, 4.0)]


def write_run(folder, method, seed, level, planned=7):
    folder.mkdir()
    rows = [[iteration * level] * (len(MEASURES) + 1) for iteration in range(7)]
    lines = [",".join(map(str, row)) for row in [[*MEASURES, "Own-task successes"], *rows]]
    (folder / "progress.csv").write_text("\n".join(lines) + "\n")
    settings = {"relabel_method": method, "num_iterations": planned}
    (folder / "variant.json").write_text(json.dumps({"seed": seed, "algo_params": settings}))


def arms_of(folder, *options):
    result = CliRunner().invoke(main, [str(folder), *options])
    assert result.exit_code == 0, result.output
    return (folder / "arms.md").read_text()


def test_each_seed_of_an_arm_counts_alike_with_its_last_five_iterations(tmp_path):
    for method, seed, level in ARMS:
        write_run(tmp_path / f"{method}{seed}", method, seed, level)
    written = arms_of(tmp_path)
    # (2 + 3 + 4 + 5 + 6) / 5 times the level; resampling two seeds gives 95 % intervals that reach
    # from one to the other
    assert "| relabel_method hfr-q | 2 | 12.00 [8.00, 16.00] (8.00, 16.00) |" in written
    assert "| relabel_method none | 2 | 6.00 [4.00, 8.00] (4.00, 8.00) |" in written
    assert "| relabel_method hfr-q | 1 | 84 | – |" in written
    assert "| relabel_method hfr-q | 2 | 16.50 [11.00, 22.00]" in arms_of(tmp_path, "--last", "2")


def test_the_interval_of_a_difference_is_welchs(tmp_path):
    for method, seed, level in ARMS:
        write_run(tmp_path / f"{method}{seed}", method, seed, level)
    # seeds 8 and 16 against 4 and 8: variances of the means 16 and 4, so the degrees of freedom are
    # 20² / (16² + 4²)
    half = t.ppf(0.975, 400 / 272) * np.sqrt(20)
    names = "relabel_method hfr-q | relabel_method none"
    assert f"| {names} | +6.00 [{6 - half:+.2f}, {6 + half:+.2f}] |" in arms_of(tmp_path)


def test_an_unfinished_run_is_named_and_not_averaged(tmp_path):
    for method, seed, level in ARMS:
        write_run(tmp_path / f"{method}{seed}", method, seed, level)
    write_run(tmp_path / "hfr-q2", "hfr-q", 2, 100.0, planned=8)
    write_run(tmp_path / "hipi0", "hipi", 0, 100.0, planned=8)
    written = arms_of(tmp_path)
    assert "| relabel_method hfr-q | 2 of 3, complete | 12.00 [8.00, 16.00]" in written
    assert "| relabel_method hipi | 0 of 1, complete | – | – |" in written
    assert "| relabel_method hfr-q | relabel_method hipi | – | – |" in written


def test_a_folder_without_runs_ends_with_one_message(tmp_path):
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 2
    assert "no progress.csv" in result.output
