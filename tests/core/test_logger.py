"""The log files of a run: complete tables, a log in oyster's format, truncation after a crash."""

import csv
import math
import re

import numpy as np
import pytest
import torch

from rlkit.core import logger as logger_module
from rlkit.core.errors import ResourceError
from rlkit.core.logger import Logger
from rlkit.core.restored_tables import truncate_tables


def table(run_dir, name="progress.csv"):
    """Header and rows as text."""
    with (run_dir / name).open(newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows


def online_returns(epoch):
    return [
        {"iteration": epoch, "split": split, "trajectory": n, "mean": mean}
        for split in ("train", "test")
        for n, mean in ((1, -epoch), (2, 1.5))
    ]


def logger_with_rows(run_dir, num_rows):
    logger = Logger(run_dir)
    for epoch in range(num_rows):
        logger.record_row({"KL": epoch / 3, "Epoch": epoch})
        logger.record_table("online_returns", online_returns(epoch))
    return logger


def test_the_first_row_makes_the_header_in_its_order(tmp_path):
    logger = Logger(tmp_path)
    assert not (tmp_path / "progress.csv").exists()
    logger.record_row({"Z mean train": 0.5, "AverageReturn": -3, "Epoch": 0})
    assert (tmp_path / "progress.csv").read_text() == "Z mean train,AverageReturn,Epoch\n0.5,-3,0\n"


def test_numbers_of_every_kind_read_back_exactly(tmp_path):
    row = {
        "a": 0.1,
        "b": np.float32(0.1),
        "c": torch.tensor(2.5),
        "d": np.int64(3),
        "e": 1e-300,
        "f": True,
        "g": 1 / 3,
    }
    Logger(tmp_path).record_row(row)
    cells = dict(zip(*table(tmp_path)[:1], table(tmp_path)[1][0], strict=True))
    assert {name: float(cell) for name, cell in cells.items()} == {
        name: float(value) for name, value in row.items()
    }


def test_a_cell_is_nan_and_never_blank(tmp_path):
    logger = Logger(tmp_path)
    logger.record_row({"KL": math.nan, "Q": -math.inf, "Epoch": 0})
    logger.record_row({"Epoch": 1})
    assert table(tmp_path)[1] == [["nan", "-inf", "0"], ["nan", "nan", "1"]]


def test_a_later_column_is_put_last_and_earlier_rows_get_nan(tmp_path):
    logger = Logger(tmp_path)
    logger.record_row({"KL": 1.0, "Epoch": 0})
    logger.record_row({"New": 5.0, "Epoch": 1, "KL": 2.0})
    logger.record_row({"KL": 3.0, "Epoch": 2})
    header, rows = table(tmp_path)
    assert header == ["KL", "Epoch", "New"]
    assert rows == [["1.0", "0", "nan"], ["2.0", "1", "5.0"], ["3.0", "2", "nan"]]
    assert [path.name for path in tmp_path.iterdir()] == ["progress.csv"]


def test_the_table_reads_as_viskit_and_pandas_read_it(tmp_path):
    pandas = pytest.importorskip("pandas")
    logger = logger_with_rows(tmp_path, 3)
    logger.record_row({"KL": math.nan, "Epoch": 3, 'a "quoted", name': 1.0})
    with (tmp_path / "progress.csv").open() as file:
        for row in csv.DictReader(file):
            assert None not in row
            assert all(
                isinstance(float(cell), float) for cell in row.values()
            )  # what fails here becomes 0 in viskit
    frame = pandas.read_csv(tmp_path / "progress.csv")
    assert frame["Epoch"].tolist() == [0, 1, 2, 3]
    assert all(dtype.kind in "fi" for dtype in frame.dtypes)


@pytest.mark.parametrize("value", ["3.0", None, b"1", [1.0]])
def test_what_is_no_number_is_refused_by_its_column_and_nothing_is_written(tmp_path, value):
    with pytest.raises(ValueError, match="QF Loss must be a number"):
        Logger(tmp_path).record_row({"QF Loss": value, "Epoch": 0})
    assert not (tmp_path / "progress.csv").exists()


def test_a_table_has_numbers_and_texts(tmp_path):
    row = {"iteration": 4, "split": "test", "mean": np.float32(-20.5), "n": np.int64(19)}
    Logger(tmp_path).record_table("online_returns", [row])
    header, rows = table(tmp_path, "online_returns.csv")
    assert header == ["iteration", "split", "mean", "n"]
    assert rows == [["4", "test", "-20.5", "19"]]


def test_tables_are_files_of_their_own_and_known_by_name(tmp_path):
    logger = Logger(tmp_path)
    logger.record_table("trials", [{"iteration": 0, "return": 1.0}])
    logger.record_table("online_returns", online_returns(0))
    assert logger.table_names == ["online_returns", "trials"]
    assert table(tmp_path, "trials.csv") == (["iteration", "return"], [["0", "1.0"]])


def test_a_cell_of_a_table_that_is_neither_number_nor_text_is_refused(tmp_path):
    with pytest.raises(ValueError, match="mean must be a number"):
        Logger(tmp_path).record_table("trials", [{"iteration": 0, "mean": None}])
    assert not (tmp_path / "trials.csv").exists()


def test_truncation_drops_later_rows_of_both_tables_and_the_run_goes_on(tmp_path):
    logger_with_rows(tmp_path, 5)
    whole = [(tmp_path / name).read_text() for name in ("progress.csv", "online_returns.csv")]
    logger = Logger(tmp_path)
    truncate_tables(logger, 2, ["online_returns"])
    assert [row[-1] for row in table(tmp_path)[1]] == ["0", "1", "2"]
    assert {row[0] for row in table(tmp_path, "online_returns.csv")[1]} == {"0", "1", "2"}
    for epoch in (3, 4):
        logger.record_row({"KL": epoch / 3, "Epoch": epoch})
        logger.record_table("online_returns", online_returns(epoch))
    assert [
        (tmp_path / name).read_text() for name in ("progress.csv", "online_returns.csv")
    ] == whole


def test_truncation_to_before_the_first_row_leaves_no_table(tmp_path):
    logger = logger_with_rows(tmp_path, 2)
    truncate_tables(logger, -1)
    assert list(tmp_path.iterdir()) == []
    logger.record_row({"Other": 1.0, "Epoch": 0})
    assert table(tmp_path)[0] == ["Other", "Epoch"]


def test_truncation_of_a_run_without_tables_does_nothing(tmp_path):
    truncate_tables(Logger(tmp_path), 3)
    assert list(tmp_path.iterdir()) == []


def test_wherever_the_last_line_was_torn_truncation_mends_the_table(tmp_path):
    logger_with_rows(tmp_path, 2)
    whole = (tmp_path / "progress.csv").read_bytes()
    first_row_ends = len(whole) - len(whole.splitlines(keepends=True)[-1])
    for length in range(len(whole)):
        (tmp_path / "progress.csv").write_bytes(whole[:length])
        logger = Logger(tmp_path)
        truncate_tables(logger, 1)
        left = (
            (tmp_path / "progress.csv").read_bytes()
            if (tmp_path / "progress.csv").exists()
            else b""
        )
        assert left == (whole[:first_row_ends] if length >= first_row_ends else b"")
        for epoch in range(len(left.splitlines()[1:]), 2):
            logger.record_row({"KL": epoch / 3, "Epoch": epoch})
        assert (tmp_path / "progress.csv").read_bytes() == whole


def test_a_line_of_the_log_has_oysters_form(tmp_path):
    said = []
    logger = Logger(tmp_path / "2026_01_02_03_04_05", echo=said.append)
    logger.say("device: cpu")
    logger.iteration = 7
    logger.log("two\nlines")
    lines = (logger.run_dir / "debug.log").read_text().splitlines()
    time = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \S+"
    assert re.fullmatch(time + r" \| \[2026_01_02_03_04_05\] \| device: cpu", lines[0])
    assert re.fullmatch(time + r" \| \[2026_01_02_03_04_05\] Iteration #7 \| two", lines[1])
    assert re.fullmatch(time + r" \| \[2026_01_02_03_04_05\] Iteration #7 \| lines", lines[2])
    assert said == ["device: cpu"]  # what is only logged is not printed


def test_sinks_get_each_row_with_its_iteration(tmp_path):
    got = []
    logger = Logger(tmp_path, sinks=[lambda row, iteration: got.append((dict(row), iteration))])
    logger.record_row({"KL": 1.0, "Epoch": 3})
    assert got == [({"KL": 1.0, "Epoch": 3}, 3)]


def test_a_full_disk_is_named_with_the_file(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    logger = Logger(tmp_path)
    monkeypatch.setattr(logger_module.os, "fsync", full)
    with pytest.raises(ResourceError, match=r"progress\.csv: No space left on device"):
        logger.record_row({"KL": 1.0, "Epoch": 0})
