"""Run folders of an older commit are evaluated, drawn and resumed with the results of that commit.

tests/fixtures/make_runs.py made the folders. Numbers are compared to a relative 1e-4, because
processors round differently; names, counts and order exactly.
"""

import csv
import lzma
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import sim_policy
from rlkit.launchers import plot
from tests.tiny_runs import TIMES, launch, weights

FIXTURES = Path(__file__).parent / "fixtures" / "runs"
NAMES = sorted(path.name for path in FIXTURES.iterdir())
RTOL, ATOL = 1e-4, 1e-6
OF_THE_CLOCK = TIMES | {"Relabeling Time (s)"}
DROPPED = "Relabeling share of training time"  # a column that later versions do not fill


def unpacked(name: str, folder: Path) -> Path:
    """A copy of a run folder written by the older code."""
    run_dir = folder / name
    shutil.copytree(FIXTURES / name, run_dir, ignore=shutil.ignore_patterns("expected"))
    for path in list(run_dir.rglob("*.xz")):
        path.with_suffix("").write_bytes(lzma.decompress(path.read_bytes()))
        path.unlink()
    return run_dir


@pytest.fixture(params=NAMES)
def old_run(request, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return unpacked(request.param, tmp_path)


def expected(run_dir: Path) -> Path:
    return FIXTURES / run_dir.name / "expected"


def table(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def number(cell: str) -> float | None:
    """Number in a cell; None for counts and texts, which are compared exactly."""
    if cell.lstrip("-").isdigit():
        return None
    try:
        return float(cell)
    except ValueError:
        return None


def assert_same_table(path: Path, other: Path) -> None:
    """Header, counts and texts are equal; other numbers are close, except for times."""
    (header, *rows), (other_header, *other_rows) = table(path), table(other)
    assert header == other_header
    assert len(rows) == len(other_rows)
    for index, (row, other_row) in enumerate(zip(rows, other_rows, strict=True)):
        for name, cell, other_cell in zip(header, row, other_row, strict=True):
            wanted = number(other_cell)
            if name == DROPPED:
                assert cell == other_cell or cell == "nan", f"{name}, row {index}"
            elif name in OF_THE_CLOCK:
                assert float(cell) >= 0, f"{name}, row {index}"
            elif wanted is None:
                assert cell == other_cell, f"{name}, row {index}"
            else:
                close = pytest.approx(wanted, rel=RTOL, abs=ATOL, nan_ok=True)
                assert number(cell) == close, f"{name}, row {index}"


def test_the_fixtures_are_the_four_kinds_of_run():
    assert NAMES == ["gru", "hfr", "image", "pearl"]


def test_an_old_run_is_evaluated_with_the_same_table(old_run):
    result = CliRunner().invoke(sim_policy.main, [str(old_run)])
    assert result.exit_code == 0, result.output
    assert_same_table(old_run / "sim_policy.csv", expected(old_run) / "sim_policy.csv")


def test_an_old_run_is_drawn_and_tabulated(old_run):
    arguments = [str(old_run), "-o", "curves.png", "--table", "results.md"]
    result = CliRunner().invoke(plot.main, arguments)
    assert result.exit_code == 0, result.output
    assert Path("curves.png").read_bytes().startswith(b"\x89PNG")
    header, *_, last = table(old_run / "progress.csv")
    steps = last[header.index("Number of env steps total")]
    assert f"| 3 | 2 | {steps} |" in Path("results.md").read_text(), "seed, iterations, steps"


def test_an_old_run_is_resumed_to_the_same_tables_and_weights(old_run):
    before = table(old_run / "progress.csv")
    result = launch("--resume", old_run, "--set", "algo_params.num_iterations=3")
    assert result.exit_code == 0, result.output
    assert table(old_run / "progress.csv")[:3] == before
    for name in ("progress.csv", "online_returns.csv"):
        assert_same_table(old_run / name, expected(old_run) / name)
    with np.load(expected(old_run) / "weights.npz") as wanted:
        found = weights(old_run)
        assert found.keys() == set(wanted)
        for name in found:
            np.testing.assert_allclose(
                found[name], wanted[name], rtol=RTOL, atol=ATOL, err_msg=name
            )
