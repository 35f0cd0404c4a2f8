"""Many seeds in one curve: centers, intervals, unfinished seeds in curves and tables."""

import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from rlkit.launchers.plot import comparable_settings, main
from rlkit.visualization.aggregate import summarize
from rlkit.visualization.plot import Style, draw_curves, plot_runs
from rlkit.visualization.results import write_results
from rlkit.visualization.runs import find_runs, group_runs
from tests.visualization.test_plot import X, Y, make_run


def drawn(folder, style=None, window=1):
    axes = Figure().subplots()
    draw_curves(axes, group_runs(find_runs([folder], comparable_settings)), X, Y, window, style)
    return axes


def test_the_curve_is_the_mean_over_the_seeds_that_are_there_dashed_where_some_are_not(tmp_path):
    make_run(tmp_path / "a", [0, 2, 4], 0)
    make_run(tmp_path / "b", [2, 6], 1, num_iterations=3)
    for window in (1, 2):
        axes = drawn(tmp_path, window=window)
        solid, dashed, *seeds, cross = axes.lines
        last = 3 if window == 2 else 4
        second = 2.5 if window == 2 else 4
        np.testing.assert_allclose(solid.get_xydata(), [[100, 1], [200, second]])
        np.testing.assert_allclose(dashed.get_xydata(), [[200, second], [300, last]])
        assert (solid.get_linestyle(), dashed.get_linestyle()) == ("-", "--")
        assert [len(seed.get_xdata()) for seed in seeds] == [3, 2]
        assert cross.get_marker() == "x" and cross.get_xdata().tolist() == [200]
        assert solid.get_label() == "point-robot (n=2, 1 unfinished)"
    band = drawn(tmp_path).collections[0].get_paths()[0].get_extents()
    assert band.ymax == pytest.approx(4 + np.std([2, 6], ddof=1))


def test_a_group_of_one_iteration_is_a_point(tmp_path):
    for seed in (0, 1):
        make_run(tmp_path / str(seed), [seed], seed)
    assert drawn(tmp_path).lines[0].get_marker() == "o"


def test_iterations_that_were_not_evaluated_do_not_break_the_curve(tmp_path):
    for seed in (0, 1):
        make_run(tmp_path / str(seed), [seed, "nan", seed + 2], seed)
    np.testing.assert_allclose(drawn(tmp_path).lines[0].get_xydata(), [[100, 0.5], [300, 2.5]])


@pytest.mark.parametrize(
    ("center", "expected"),
    # of 0, 1, 2, 3, 4, 5, 6, 70: two are cut at each end for the interquartile mean
    [("mean", 91 / 8), ("median", 3.5), ("iqm", (2 + 3 + 4 + 5) / 4)],
)
def test_the_center_of_seeds_is_the_one_that_was_asked_for(tmp_path, center, expected):
    for seed, value in enumerate([0, 1, 2, 3, 4, 5, 6, 70]):
        make_run(tmp_path / str(seed), [value, value], seed)
    line = drawn(tmp_path, Style(center=center, intervals=True)).lines[0]
    np.testing.assert_allclose(line.get_ydata(), expected)


def test_an_interval_is_that_of_all_resamples():
    """Of three seeds 0, 1, 5: the 27 resamples and their medians, counted by hand.

    The median is 0 in 7, 1 in 13 and 5 in 7 of 27, so that the middle 95 % reach from 0 to 5; of
    means the extremes 0 and 5 have 1/27 = 3.7 % each, more than the 2.5 % that are cut.
    """
    values = np.array([[0.0], [1.0], [5.0]])
    for center in ("median", "mean"):
        found = summarize(values, center, intervals=True)
        assert (found.low[0], found.high[0]) == (0, 5)
    many = np.arange(20.0)[:, None]
    found = summarize(many, "mean", intervals=True)
    error = many.std() / np.sqrt(20)  # of a mean of resamples
    np.testing.assert_allclose(
        [found.low[0], found.high[0]], 9.5 + error * np.array([-1.96, 1.96]), rtol=0.05
    )
    cut = summarize(many, "iqm", intervals=True)
    assert cut.center[0] == 9.5 and cut.low[0] < 9.5 < cut.high[0]
    assert summarize(many[:1], "iqm", intervals=True) == ([0], [0], [0])


def test_the_figure_says_what_its_curves_and_bands_are(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **options: figures.append(figure))
    for seed in (0, 1):
        make_run(tmp_path / str(seed), [1, 2], seed)
    style = Style("iqm", True, log_x=True, y_limits=(-3, 7), size=(3, 2))
    groups = group_runs(find_runs([tmp_path], comparable_settings))
    plot_runs(groups, tmp_path / "a.png", style=style)
    plot_runs(groups, tmp_path / "b.png")
    titles = [figure.legends[0].get_title().get_text() for figure in figures]
    assert titles[0] == "interquartile mean over seeds, 95% bootstrap interval"
    assert titles[1] == "mean over seeds ± one standard deviation"
    axes = figures[0].axes[0]
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_ylim()) == ("log", "linear", (-3, 7))
    assert tuple(figures[0].get_size_inches()) == (3, 2)


def test_unfinished_runs_are_marked_in_the_table_and_not_averaged(tmp_path):
    for seed in (0, 1, 2):
        make_run(tmp_path / "runs" / str(seed), [seed] * 6, seed, num_iterations=6)
    make_run(tmp_path / "runs" / "3", [100] * 4, 3, num_iterations=6)
    groups = group_runs(find_runs([tmp_path / "runs"], comparable_settings))
    write_results(groups, tmp_path / "a.md", Y)
    text = (tmp_path / "a.md").read_text()
    assert "| point-robot | 3 | 4 of 6 | 400 |" in text
    assert text.splitlines()[-1] == (
        "| point-robot | 3 of 4, the complete | 6 | | 1.00 | **1.00** ± 1.00 |"
    )
    write_results(groups, tmp_path / "b.md", Y, "iqm")
    last = (tmp_path / "b.md").read_text().splitlines()[-1]
    assert "iqm **1.00** [0.00, 2.00]" in last
    for seed in (0, 1):
        shutil.rmtree(tmp_path / "runs" / str(seed))
    write_results(group_runs(find_runs([tmp_path / "runs"])), tmp_path / "c.md", Y)
    last = (tmp_path / "c.md").read_text().splitlines()[-1]
    assert last == "| point-robot | not averaged, the others are unfinished | | | | |"


def test_the_command_leaves_unfinished_runs_out_if_asked_to(tmp_path):
    make_run(tmp_path / "runs" / "a", [1, 2], 4)
    make_run(tmp_path / "runs" / "b", [1], 5, num_iterations=2)
    out = ["-o", str(tmp_path / "c.png"), "--x", "iterations", "--center", "median"]
    every = CliRunner().invoke(main, [str(tmp_path / "runs"), *out])
    assert "point-robot: 1 to 2 iterations, seeds 4, 5, unfinished: 5" in every.output
    whole = CliRunner().invoke(main, [str(tmp_path / "runs"), *out, "--complete"])
    assert "point-robot: 2 iterations, seeds 4\n" in whole.output
    none = CliRunner().invoke(main, [str(tmp_path / "runs" / "b"), *out, "--complete"])
    assert none.exit_code == 2 and "no run has finished" in none.output
