"""The page of the comparison is computed from the runs' own numbers."""

import json
import math
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from benchmarks.publishing import figure3
from rlkit.visualization.runs import find_runs, read_run

NAN = math.nan


def write_run(folder: Path, method: str, seed: int, returns, task: str = "point-robot") -> Path:
    folder.mkdir(parents=True)
    names = [
        "AverageReturn_all_test_tasks",
        "AverageReturn_prior_test_tasks",
        "Adaptation gain",
        "Return after 2 trajectories",
        "Number of env steps total",
        "Epoch Time (s)",
    ]
    rows = [
        [value, -20, value + 18, value - 2, 1000 * (i + 1), 60] for i, value in enumerate(returns)
    ]
    text = "\n".join(",".join(map(str, row)) for row in [names, *rows]) + "\n"
    (folder / "progress.csv").write_text(text)
    variant = {
        "algorithm": method,
        "env_name": task,
        "seed": seed,
        "algo_params": {},
        "util_params": {"base_log_dir": str(folder), "torch_threads": seed},
        "machine": {"cpu": "a processor", "cpus": 2},
        "versions": {"torch": "2.13.0", "commit": "abc"},
    }
    (folder / "variant.json").write_text(json.dumps(variant))
    return folder


def test_a_curve_has_the_evaluated_iterations_and_reaches_a_level_by_its_running_mean(tmp_path):
    run = read_run(write_run(tmp_path / "run", "promp", 1, [-20, NAN, -9, NAN, -8, -7, -7]))
    found = figure3.curve(run)
    assert found.steps.tolist() == [1000, 3000, 5000, 6000, 7000]
    np.testing.assert_allclose(found.returns, [-20, -14.5, -37 / 3, -8, -22 / 3])
    assert figure3.steps_to(found, -13) == 5000 and figure3.steps_to(found, -1) == math.inf


def test_a_mean_of_curves_ends_with_the_shortest():
    one = figure3.Curve(np.array([1, 3, 5]), np.array([0.0, 2.0, 4.0]))
    two = figure3.Curve(np.array([2, 4]), np.array([10.0, 10.0]))
    found = figure3.mean_of([one, two])
    assert found.steps.tolist() == [2, 3, 4] and found.returns.tolist() == [5.5, 6, 6.5]


def test_an_interval_is_students():
    assert figure3.interval([-7.0]) == "-7.0"
    assert figure3.interval([-7.0, -9.0]) == "-8.0 ± 12.7"


def test_the_page_compares_with_pearls_runs_and_names_what_is_not_reached(tmp_path, monkeypatch):
    pearl = tmp_path / "pearl"
    write_run(pearl / "seed1", "pearl", 1, [-20, -12, -12, -12])
    monkeypatch.setattr(figure3, "PEARL", {"point-robot": pearl})
    runs = [write_run(tmp_path / f"r{s}", "promp", s, [-20] * 6 + [-9 - s] * 4) for s in (1, 2)]
    folder = tmp_path / "figure3"
    folder.mkdir()
    (folder / "notes.md").write_text("A remark.\n")
    result = CliRunner().invoke(figure3.main, [str(folder), *map(str, runs)])
    assert result.exit_code == 0, result.output
    text = (folder / "README.md").read_text()
    assert "A remark." in text and str(tmp_path) not in text
    assert "a processor, 2 CPUs, 1 or 2 threads" in text
    assert (
        "| ProMP | 1, 2 | 10,000, 10,000 | 10, 10 | -10.5 ± 6.4 | 7.5 ± 6.4 | -12.5 ± 6.4 |" in text
    )
    assert "| PEARL | 3,000, 1.0 | 4,000, 1.0 | not reached |" in text
    assert "| ProMP | 8,000, 2.7 | 9,000, 2.2 | not reached |" in text
    assert (folder / "curves.png").exists()
    copied = (folder / "point-robot" / "promp-seed2" / "variant.json").read_text()
    assert json.loads(copied)["util_params"]["base_log_dir"] == "output"
    with_more = CliRunner().invoke(figure3.main, [str(folder)])
    assert with_more.exit_code == 0 and (folder / "README.md").read_text() == text


def test_every_published_curve_of_pearl_is_there():
    for task, folder in figure3.PEARL.items():
        assert figure3.curve(find_runs([folder])[0]).steps[-1] > 0, task
        assert figure3.LEVELS[task] == tuple(sorted(figure3.LEVELS[task]))
