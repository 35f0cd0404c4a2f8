"""Both notebooks run from the first cell to the last, with small runs of their own."""

import json
from pathlib import Path

import matplotlib
import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"
SMALL = [
    *("net_size=8", "n_train_tasks=3", "n_eval_tasks=2", "env_params.n_tasks=5"),
    *("algo_params.num_initial_steps=40", "algo_params.num_steps_prior=40"),
    *("algo_params.num_steps_posterior=0", "algo_params.num_extra_rl_steps_posterior=20"),
    *("algo_params.num_train_steps_per_itr=3", "algo_params.meta_batch=2"),
    *("algo_params.batch_size=8", "util_params.use_gpu=false"),
    *("util_params.torch_threads=1", "util_params.physics_threads=1"),
]


def cells_of(name: str) -> list[dict]:
    """The code cells of a notebook."""
    cells = json.loads((FOLDER / name).read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def run(name: str, **parameters: object) -> dict:
    """Run all code cells in order; parameters replace those of the cell with that tag."""
    namespace: dict = {}
    for number, cell in enumerate(cells_of(name)):
        exec(compile("".join(cell["source"]), f"{name}, cell {number}", "exec"), namespace)
        if "parameters" in cell["metadata"].get("tags", []):
            assert parameters.keys() <= namespace.keys()
            namespace |= parameters
    return namespace


@pytest.fixture
def in_the_folder(monkeypatch):
    """The working folder that Jupyter gives to a notebook, and figures that are not shown."""
    monkeypatch.chdir(FOLDER)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    matplotlib.use("Agg")
    yield
    matplotlib.pyplot.close("all")


@pytest.mark.parametrize("name", sorted(file.name for file in FOLDER.glob("*.ipynb")))
def test_outputs_are_stripped(name):
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells_of(name))


def test_the_first_steps_train_and_adapt(in_the_folder, tmp_path):
    changes = [*SMALL, f"util_params.base_log_dir={tmp_path}"]
    names = run("first-steps.ipynb", ITERATIONS=2, CHANGES=changes)
    assert names["run_dir"] == tmp_path / "point-robot" / "first-steps"
    assert len(names["rows"]) == 2
    assert [len(places) for places in names["trajectories"]] == [21, 21, 21]
    prior, *later = names["beliefs"]
    assert prior[1] == pytest.approx(1.0)
    assert all((variance < prior[1]).all() for _, variance in later)


def test_the_sparse_point_robot_trains_a_run_of_its_own(in_the_folder, tmp_path):
    changes = [*SMALL, f"util_params.base_log_dir={tmp_path}"]
    names = run("sparse-point-robot-vis.ipynb", ITERATIONS=1, CHANGES=changes, NUM_TRAJS=3)
    assert names["run_dir"] == tmp_path / "sparse-point-robot" / "notebook"
    pictures = {path.name for path in names["pictures"].iterdir()}
    assert pictures == {"prior.png", "adaptation.png", "belief.png"}
