"""Means of columns over chosen iterations of runs."""

import json

import pytest
from click.testing import CliRunner

from benchmarks.publishing.windows import main


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "seed7"
    folder.mkdir()
    rows = [(0, "nan"), (10, 1), (20, 2), (30, "nan"), (40, 4)]
    lines = ["Return,Success", *(f"{a},{b}" for a, b in rows)]
    (folder / "progress.csv").write_text("\n".join(lines) + "\n")
    (folder / "variant.json").write_text(json.dumps({"seed": 7}))
    return folder


def printed(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_each_window_is_a_slice_of_the_iterations(run_dir):
    windows = ("--window", "0:1", "--window", "1:3", "--window", "-2:", "--window", "9:")
    code, output = printed(run_dir, "--column", "Return", "--column", "Success", *windows)
    assert code == 0, output
    assert output.splitlines() == [
        "| run | column | 0:1 | 1:3 | -2: | 9: |",
        "|---|---|---:|---:|---:|---:|",
        "| seed7 | Return | 0.0 | 15.0 | 35.0 | – |",
        "| seed7 | Success | – | 1.5 | 4.0 | – |",
    ]


def test_iterations_below_a_value_are_counted_and_unknown_ones_are_not(run_dir):
    code, output = printed(run_dir, "--column", "Success", "--window", ":", "--below", "2")
    assert code == 0, output
    assert "| seed7 | Success | 2.3 (1) |" in output


@pytest.mark.parametrize("window", ["5", "1:2:3", "a:"])
def test_a_window_of_another_form_is_refused(run_dir, window):
    code, output = printed(run_dir, "--column", "Return", "--window", window)
    assert code == 2
    assert f"{window!r} is not of the form FIRST:END" in output


def test_an_unknown_column_names_the_nearest(run_dir):
    code, output = printed(run_dir, "--column", "Retrun", "--window", ":")
    assert code == 2
    assert "no column 'Retrun' in progress.csv; nearest: 'Return'" in output
