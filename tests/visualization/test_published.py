"""Published points in learning curves, and curves over the trajectories of an adaptation."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from rlkit.core.errors import UserError
from rlkit.launchers.plot import comparable_settings, main
from rlkit.visualization.published import published_curves, read_published
from rlkit.visualization.runs import find_runs, group_runs
from tests.visualization.test_plot import X, Y, make_run

ROOT = Path(__file__).resolve().parents[2]
HEAD = "env_name,column,method,env_steps,value,source\n"


@pytest.fixture
def drawn(monkeypatch):
    """The figures that would be written."""
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **options: figures.append(figure))
    return figures


def test_points_of_the_environment_and_column_are_drawn_in_order(tmp_path, drawn):
    make_run(tmp_path / "run", [1, 2])
    (tmp_path / "p.csv").write_text(
        f"{HEAD}point-robot,{Y},A,300,7,x\npoint-robot,{Y},A,100,5,x\n"
        f"point-robot,{Y},B,200,6,x\ncheetah-vel,{Y},A,50,9,x\npoint-robot,other,A,60,8,x\n"
    )
    arguments = [str(tmp_path / "run"), "--published", str(tmp_path / "p.csv")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    _, first, second = drawn[0].axes[0].lines
    assert first.get_xydata().tolist() == [[100, 5], [300, 7]]
    assert second.get_xydata().tolist() == [[200, 6]]
    names = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert names == ["point-robot (n=1)", "A, published", "B, published"]


def test_points_of_a_later_panel_are_in_the_legend(tmp_path, drawn):
    make_run(tmp_path / "run", [1, 2])
    (tmp_path / "p.csv").write_text(f"{HEAD}point-robot,{Y},A,300,7,x\n")
    arguments = [str(tmp_path / "run"), "--published", str(tmp_path / "p.csv")]
    result = CliRunner().invoke(main, [*arguments, "--y", X, "--y", Y])
    assert result.exit_code == 0, result.output
    names = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert names == ["point-robot (n=1)", "A, published"]


def test_curves_of_two_environments_are_named_by_them(tmp_path):
    make_run(tmp_path / "a", [1])
    make_run(tmp_path / "b", [1], env_name="cheetah-vel")
    groups = group_runs(find_runs([tmp_path], comparable_settings))
    points = read_published(ROOT / "docs" / "results" / "published.csv")
    assert list(published_curves(points, groups, Y)) == ["cheetah-vel, PEARL (x35f, 1 seed)"]


def test_every_shipped_point_names_an_environment_and_a_source():
    from rlkit.envs import ENVS

    points = read_published(ROOT / "docs" / "results" / "published.csv")
    assert {point.env_name for point in points} <= set(ENVS)
    assert all(point.source and point.method and point.env_steps > 0 for point in points)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("env_name,method\na,b\n", "line 2: column is missing; expected env_name,column,"),
        (f"{HEAD}point-robot,{Y},A,far,7,x\n", "line 2: env_steps = far: expected a number"),
        (f"{HEAD}point-robot,{Y},A,1,nan,x\n", "line 2: value = nan: expected a number"),
        (f"{HEAD}cheetah-vel,{Y},A,1,2,x\n", f"no points for these runs; it has cheetah-vel ({Y})"),
        (HEAD, "no points for these runs; it has no points at all"),
    ],
)
def test_a_bad_table_gets_one_message(tmp_path, content, message):
    make_run(tmp_path / "run", [1])
    (tmp_path / "p.csv").write_text(content)
    figure = str(tmp_path / "c.png")
    result = CliRunner().invoke(
        main, [str(tmp_path / "run"), "--published", str(tmp_path / "p.csv"), "-o", figure]
    )
    assert (result.exit_code, message in result.output) == (2, True), result.output
    assert not (tmp_path / "c.png").exists()


def test_published_points_need_environment_steps(tmp_path):
    make_run(tmp_path / "run", [1])
    path = str(ROOT / "docs" / "results" / "published.csv")
    result = CliRunner().invoke(main, [str(tmp_path), "--published", path, "--x", "time"])
    assert result.exit_code == 2
    assert "--published needs --x steps" in result.output
    with pytest.raises(UserError, match=r"no\.csv cannot be read"):
        read_published(tmp_path / "no.csv")


def test_adaptation_curves_are_means_over_seeds_by_trajectory(tmp_path, drawn):
    for seed, returns in ((0, [1, 3]), (1, [3, 9])):
        folder = make_run(tmp_path / str(seed), [0, 0, 0], seed)
        rows = [f"{n},{z},{value},0" for n, z, value in zip((1, 2), "pq", returns, strict=True)]
        (folder / "sim_policy.csv").write_text("\n".join(["trajectory,z,mean,std", *rows]) + "\n")
    result = CliRunner().invoke(main, [str(tmp_path), "--adaptation"])
    assert result.exit_code == 0, result.output
    assert "point-robot: 2 trajectories, seeds 0, 1" in result.output
    axes = drawn[0].axes[0]
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[1, 2], [2, 6]])
    assert all(tick == round(tick) for tick in axes.get_xticks())


def test_adaptation_needs_the_tables_of_sim_policy(tmp_path):
    folder = make_run(tmp_path / "run", [1])
    for content, message in (
        (None, "sim_policy.csv cannot be read"),
        ("trajectory,mean\n1,high\n", "not a table of sim_policy.py"),
        ("trajectory,z\n1,prior\n", "no column trajectory or mean"),
    ):
        if content is not None:
            (folder / "sim_policy.csv").write_text(content)
        result = CliRunner().invoke(main, [str(folder), "--adaptation"])
        assert (result.exit_code, message in result.output) == (2, True), result.output
    result = CliRunner().invoke(main, [str(folder), "--adaptation", "--y", X])
    assert result.exit_code == 2
    assert "--adaptation cannot be combined with" in result.output
