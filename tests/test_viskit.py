"""A run folder as read by vitchyr/viskit.

The rules of its loader are followed step by step on folders of real runs.
"""

import csv
import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas
import pytest
from rich.console import Console

from rlkit.launchers.load_config import parse_config
from rlkit.launchers.run import start_run
from tests.tiny_runs import TINY


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """Two seeds of one experiment, one run of another, the latter with the deterministic latent."""
    folder = tmp_path_factory.mktemp("output")
    util = {**TINY["util_params"], "base_log_dir": str(folder), "num_envs": 4}
    for seed, bottleneck in ((1, True), (2, True), (1, False)):
        changes = {"num_iterations": 2, "use_information_bottleneck": bottleneck}
        algo = {**TINY["algo_params"], **changes}
        run = {**TINY, "seed": seed, "algo_params": algo, "util_params": util}
        config = parse_config(run, "test")
        start_run(config, "point-robot", Console(quiet=True), nullcontext)
    return folder


def load_runs(root: Path) -> list[dict]:
    """Read a folder as viskit does: parameters and columns of every run with a progress.csv."""
    runs = []
    for folder in sorted(path.parent for path in root.rglob("progress.csv")):
        params = flatten(json.loads((folder / "variant.json").read_text()))
        params.setdefault("exp_name", folder.name)
        with (folder / "progress.csv").open() as file:
            columns: dict[str, list[float]] = {}
            for line in csv.DictReader(file):
                for name, cell in line.items():
                    columns.setdefault(name, []).append(as_float(cell))
        runs.append({"folder": folder, "params": params, "columns": columns})
    return runs


def flatten(params: dict, prefix: str = "") -> dict:
    """Nested dictionaries with dotted keys."""
    flat: dict = {}
    for key, value in params.items():
        flat |= (
            flatten(value, f"{prefix}{key}.")
            if isinstance(value, dict)
            else {f"{prefix}{key}": value}
        )
    return flat


def as_float(cell: str) -> float:
    """A cell that is no number becomes 0."""
    try:
        return float(cell)
    except ValueError:
        return 0.0


def offered_splits(runs: list[dict]) -> list[str]:
    """Parameters by which runs can be split: those with two values or more, seed and log_dir left
    out.
    """
    keys = dict.fromkeys(key for run in runs for key in run["params"])
    return [
        key
        for key in keys
        if len({repr(run["params"].get(key)) for run in runs}) >= 2
        and not key.startswith(("seed", "log_dir"))
    ]


def test_every_run_is_found_and_has_its_parameters(output):
    runs = load_runs(output)
    assert len(runs) == 3
    assert {run["params"]["exp_name"] for run in runs} == {"point-robot"}
    assert {run["params"]["algo_params.meta_batch"] for run in runs} == {2}


def test_seeds_fall_into_one_group_without_a_click(output):
    runs = load_runs(output)
    seeds = [run for run in runs if run["params"]["algo_params.use_information_bottleneck"]]
    assert [run["params"]["seed"] for run in seeds] == [1, 2]
    assert offered_splits(seeds) == []


def test_different_experiments_are_offered_by_the_parameter_that_differs(output):
    assert offered_splits(load_runs(output)) == ["algo_params.use_information_bottleneck"]


def test_parameters_survive_repr_and_eval(output):
    for run in load_runs(output):
        for value in run["params"].values():
            assert eval(repr(value), {"__builtins__": {}}) == value


def test_no_cell_is_text_or_blank(output):
    for run in load_runs(output):
        with (run["folder"] / "progress.csv").open() as file:
            header, *rows = list(csv.reader(file))
        assert len(rows) == 2
        for row in rows:
            assert len(row) == len(header)
            assert [float(cell) for cell in row]  # raises for what viskit would turn into 0


def test_runs_of_one_folder_have_the_columns_that_are_plotted(output):
    for run in load_runs(output):
        columns = run["columns"]
        assert columns["Epoch"] == [0, 1]
        assert np.diff(columns["Number of env steps total"]).min() > 0
        assert np.isfinite(columns["AverageReturn_all_test_tasks"]).all()


def test_pandas_reads_the_same_numbers(output):
    for run in load_runs(output):
        table = pandas.read_csv(run["folder"] / "progress.csv")
        assert list(table.columns) == list(run["columns"])
        columns = np.array(list(run["columns"].values())).T
        # pandas 2 rounds the last digits unless float_precision is set
        np.testing.assert_allclose(table.to_numpy(), columns, rtol=1e-12, atol=0)
