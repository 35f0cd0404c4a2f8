"""The figures of the sparse point robot, from a run folder, by command and by notebook."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks.studies.sparse_point_robot import infer_beliefs, load, main, run_trajectories
from tests.benchmarks.test_trained_run import small_run

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "sparse-point-robot-vis.ipynb"
TINY = [
    "n_train_tasks=4",
    "n_eval_tasks=3",
    "env_params.n_tasks=7",
    "algo_params.max_path_length=5",
]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return small_run(
        tmp_path_factory.mktemp("runs"),
        "sparse-point-robot",
        *TINY,
        "algo_params.dump_eval_paths=true",
    )[0]


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_command_writes_three_figures_and_a_table(run_dir, tmp_path):
    result = call(run_dir, "--output", tmp_path, "--num_trajs", 7)
    assert result.exit_code == 0, result.output
    for name in ("prior.png", "adaptation.png", "belief.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 300
    with (tmp_path / "belief.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trajectories"]) for row in rows] == [0, 1, 2, 5, 7]


def test_saved_trajectories_are_drawn_as_the_run_left_them(run_dir, tmp_path):
    result = call(run_dir, "--output", tmp_path, "--epoch", 1)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adaptation.png", "prior.png"]


def test_an_iteration_that_was_not_saved_is_named(run_dir, tmp_path):
    result = call(run_dir, "--output", tmp_path, "--epoch", 9)
    assert result.exit_code == 2
    assert "prior-epoch9.npz is missing" in result.stderr


def test_a_run_of_another_environment_is_refused(tmp_path):
    other, _ = small_run(tmp_path, "point-robot", *TINY)
    result = call(other)
    assert result.exit_code == 2
    assert "is a run of point-robot" in result.stderr


def test_the_belief_begins_as_the_prior_and_narrows(run_dir):
    shown = run_trajectories(load(run_dir), num_trajs=3)
    beliefs = infer_beliefs(shown, num_samples=4)
    assert beliefs.counts == [0, 1, 2, 3]
    np.testing.assert_array_equal(beliefs.z_std[0], 1.0)
    assert (np.diff(beliefs.z_std, axis=0) < 0).all()
    assert beliefs.ends.shape == (4, 3, 4, 2)


def test_the_notebook_runs_from_its_first_cell_to_its_last(run_dir, monkeypatch):
    monkeypatch.chdir(NOTEBOOK.parent)
    cells = [
        cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"
    ]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells), (
        "outputs are to be stripped"
    )
    namespace = {}
    for cell in cells:
        exec("".join(cell["source"]), namespace)
        if "parameters" in cell["metadata"].get("tags", []):
            namespace |= {"RUN_DIR": str(run_dir), "NUM_TRAJS": 3}
    assert sorted(path.name for path in namespace["pictures"].iterdir()) == [
        "adaptation.png",
        "belief.png",
        "prior.png",
    ]
