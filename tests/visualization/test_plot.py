"""From run folders to curves and tables: reading, grouping, smoothing, drawing, the command."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from rlkit.core.errors import UserError
from rlkit.launchers.plot import comparable_settings, main
from rlkit.visualization.plot import plot_runs
from rlkit.visualization.results import result_rows, write_results
from rlkit.visualization.runs import find_runs, group_runs, read_progress, smooth

Y = "AverageReturn_all_test_tasks"
X = "Number of env steps total"


def make_run(folder, returns, seed=0, env_name="point-robot", **settings):
    """A run folder whose test returns are given; settings are algo_params."""
    folder.mkdir(parents=True)
    variant = {
        "env_name": env_name,
        "seed": seed,
        "algo_params": {"kl_lambda": 0.1, "num_iterations": len(returns), **settings},
    }
    (folder / "variant.json").write_text(json.dumps({**variant, "util_params": {"gpu_id": seed}}))
    lines = [f"{Y},{X},Epoch", *(f"{value},{100 * (i + 1)},{i}" for i, value in enumerate(returns))]
    (folder / "progress.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_seeds_of_one_configuration_are_one_group(tmp_path):
    for seed in (0, 1, 2):
        make_run(tmp_path / str(seed), [1, 2], seed, num_iterations=seed + 1)
    groups = group_runs(find_runs([tmp_path], comparable_settings))
    assert list(groups) == ["point-robot"]
    assert [run.seed for run in groups["point-robot"]] == [0, 1, 2]


def test_groups_are_named_by_the_settings_in_which_they_differ(tmp_path):
    make_run(tmp_path / "a", [1])
    make_run(tmp_path / "b", [1], kl_lambda=1.0)
    make_run(tmp_path / "c", [1], env_name="cheetah-vel")
    assert list(group_runs(find_runs([tmp_path / "a", tmp_path / "b"], comparable_settings))) == [
        "kl_lambda 0.1",
        "kl_lambda 1.0",
    ]
    assert list(group_runs(find_runs([tmp_path], comparable_settings))) == [
        "point-robot, kl_lambda 0.1",
        "point-robot, kl_lambda 1.0",
        "cheetah-vel",
    ]


def test_pictures_and_states_are_different_experiments_and_older_runs_saw_states(tmp_path):
    for name, keys in (
        ("older", {}),
        ("state", {"obs_mode": "state", "image_size": 64, "image_frames": 3}),
        ("image", {"obs_mode": "image", "image_size": 32, "image_frames": 3}),
    ):
        file = make_run(tmp_path / name, [1]) / "variant.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))
    groups = group_runs(find_runs([tmp_path], comparable_settings))
    assert {label: [run.path.name for run in runs] for label, runs in groups.items()} == {
        "obs_mode image of 32 px, 3 frames": ["image"],
        "obs_mode state": ["older", "state"],
    }


def test_a_run_named_twice_counts_once(tmp_path):
    make_run(tmp_path / "a", [1])
    assert len(find_runs([tmp_path, tmp_path / "a"])) == 1


def test_a_torn_last_line_is_left_out(tmp_path):
    folder = make_run(tmp_path / "a", [1, 2])
    with (folder / "progress.csv").open("a") as file:
        file.write("3.0,3")
    assert read_progress(folder / "progress.csv")[Y].tolist() == [1, 2]


def test_smoothing_averages_the_last_values_and_skips_nan():
    values = np.array([[1.0, 3.0, np.nan, 5.0, 7.0]])
    np.testing.assert_allclose(smooth(values, 2), [[1, 2, 3, 5, 6]])
    np.testing.assert_allclose(smooth(values, 1), values)
    assert np.isnan(smooth(np.array([np.nan, 1.0]), 2)[0])


def test_runs_of_unequal_length_are_not_averaged_without_saying_so(tmp_path):
    lengths = {0: 6, 1: 6, 2: 3}  # the third was planned shorter
    for seed, length in lengths.items():
        make_run(tmp_path / "runs" / str(seed), [10 * (seed + 1)] * length, seed)
    write_results(
        group_runs(find_runs([tmp_path / "runs"], comparable_settings)), tmp_path / "a.md", Y
    )
    last = (tmp_path / "a.md").read_text().splitlines()[-1]
    assert last == "| point-robot | 2 of 3, the longest | 6 | | 15.00 | **15.00** ± 7.07 |"
    shutil.rmtree(tmp_path / "runs" / "1")
    write_results(
        group_runs(find_runs([tmp_path / "runs"], comparable_settings)), tmp_path / "b.md", Y
    )
    last = (tmp_path / "b.md").read_text().splitlines()[-1]
    assert last == "| point-robot | not averaged, lengths differ | | | | |"


def test_the_results_table_judges_the_last_five_iterations(tmp_path):
    make_run(tmp_path / "a", [100, 1, 2, 3, 4, 5], 0)
    make_run(tmp_path / "b", [100, 3, 4, 5, 6, 7], 1)
    groups = group_runs(find_runs([tmp_path], comparable_settings))
    rows = result_rows(groups, Y)
    assert [row[f"{Y}, last 5"] for row in rows] == [3.0, 5.0]
    assert [row[f"{Y}, mean"] for row in rows] == [pytest.approx(115 / 6), pytest.approx(125 / 6)]
    assert [row["env steps"] for row in rows] == [600, 600]
    write_results(groups, tmp_path / "table.md", Y)
    assert (
        "| point-robot | all 2 | | | 20.00 | **4.00** ± 1.41 |"
        in (tmp_path / "table.md").read_text()
    )
    write_results(groups, tmp_path / "table.csv", Y)
    assert (tmp_path / "table.csv").read_text().count("\n") == 3
    with pytest.raises(UserError, match=r"\.md or a \.csv"):
        write_results(groups, tmp_path / "table.txt", Y)


def test_the_command_writes_a_picture_and_says_what_is_on_it(tmp_path):
    make_run(tmp_path / "runs" / "a", [0, 2, 4], 4)
    make_run(tmp_path / "runs" / "b", [2, 6], 5)
    options = [
        "-o",
        str(tmp_path / "c.png"),
        "--y",
        Y,
        "--y",
        "Epoch",
        "--smooth",
        "2",
        "--label",
        "ours",
    ]
    result = CliRunner().invoke(main, [str(tmp_path / "runs"), *options])
    assert result.exit_code == 0, result.output
    assert "ours: 2 to 3 iterations, seeds 4, 5" in result.output
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no such folder"),
        (["."], "no progress.csv"),
        (
            ["runs", "--y", "AverageReturn_all_tests_tasks"],
            "nearest: 'AverageReturn_all_test_tasks'",
        ),
        (["runs", "--label", "a", "--label", "b"], "2 labels for 1 curves"),
        (["runs", "-o", "c.unknown"], "cannot be written"),
        (["empty"], "no run has finished an iteration"),
    ],
)
def test_bad_input_gets_one_message_and_exit_code_2(tmp_path, monkeypatch, arguments, message):
    if arguments != ["."]:
        make_run(tmp_path / "runs" / "a", [1])
    (tmp_path / "empty").mkdir()
    if arguments == ["empty"]:
        (tmp_path / "empty" / "progress.csv").touch()
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "curves.png").exists()


def test_a_run_of_an_earlier_version_is_a_seed_of_one_that_names_more_settings(tmp_path):
    make_run(tmp_path / "earlier", [1], seed=0, embedding_mini_batch_size=64)
    make_run(
        tmp_path / "today",
        [1],
        seed=1,
        encoder="mlp",
        min_sigma=0.0,
        eval_every=1,
        embedding_mini_batch_size=0,
    )
    make_run(tmp_path / "other", [1], seed=1, min_sigma=0.1)
    groups = group_runs(find_runs([tmp_path], comparable_settings))
    assert {label: [run.path.name for run in runs] for label, runs in groups.items()} == {
        "min_sigma 0.0": ["earlier", "today"],
        "min_sigma 0.1": ["other"],
    }


def test_the_rows_that_an_lstm_learns_from_make_a_difference(tmp_path):
    for rows in (0, 64):
        make_run(tmp_path / str(rows), [1], recurrent=True, embedding_mini_batch_size=rows)
    assert sorted(group_runs(find_runs([tmp_path], comparable_settings))) == [
        "embedding_mini_batch_size 0",
        "embedding_mini_batch_size 64",
    ]


def test_the_names_of_the_curves_stand_below_the_panels(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **options: drawn.append(figure))
    for k in range(5):
        make_run(tmp_path / str(k), [1, 2], kl_lambda=k)
    plot_runs(
        group_runs(find_runs([tmp_path], comparable_settings)),
        tmp_path / "curves.png",
        y_names=[Y, X],
    )
    figure = drawn[0]
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        f"kl_lambda {k} (n=1)" for k in range(5)
    ]
    assert legend.get_window_extent().y1 <= min(axes.get_tightbbox().y0 for axes in figure.axes)


def test_levels_are_dashed_lines_of_the_first_panel_named_in_the_legend(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **options: drawn.append(figure))
    make_run(tmp_path / "run", [1, 2])
    groups = group_runs(find_runs([tmp_path]))
    plot_runs(groups, tmp_path / "curves.png", y_names=[Y, X], levels={"the bar": 1.5})
    first, second = drawn[0].axes
    assert list(first.lines[-1].get_ydata()) == [1.5, 1.5]
    assert first.lines[-1].get_linestyle() == "--"
    assert len(second.lines) == 1
    names = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert names == ["point-robot (n=1)", "the bar"]
