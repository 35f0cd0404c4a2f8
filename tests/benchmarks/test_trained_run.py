"""A run rebuilt from its folder: weights, tasks, rows."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from benchmarks.studies.trained_run import load_trained
from rlkit.core.errors import UserError
from rlkit.launchers.load_config import load_config
from rlkit.launchers.pearl import PEARL
from rlkit.launchers.run import start_run

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "quick"
SMALL = [
    "seed=1",
    "util_params.use_gpu=false",
    "net_size=8",
    "algo_params.batch_size=4",
    "util_params.torch_threads=1",
    "util_params.physics_threads=1",
    "util_params.matmul=default",
    "util_params.slice_rows=0",
]


def small_run(folder, name, *settings):
    """A run of two iterations with the smallest counts; its folder and configuration."""
    config = load_config(
        (CONFIGS / name).with_suffix(".json"),
        [*SMALL, f"util_params.base_log_dir={folder}", *settings],
    ).cut_for_debug()
    return start_run(config, "test", Console(quiet=True), nullcontext), config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return small_run(
        tmp_path_factory.mktemp("runs"),
        "point-robot",
        "n_train_tasks=4",
        "n_eval_tasks=3",
        "env_params.n_tasks=7",
    )


def test_weights_and_rows_are_those_of_the_folder(run):
    run_dir, _ = run
    trained = load_trained(run_dir, with_state=True)
    for name in ("policy", "context_encoder"):
        stored = torch.load(run_dir / f"{name}.pth", weights_only=True)
        for key, value in trained.experiment.networks[name].state_dict().items():
            torch.testing.assert_close(value, stored[key], rtol=0, atol=0)
    assert (
        min(
            trained.experiment.algorithm.encoder_buffer.size(task_id)
            for task_id in trained.splits["train"]
        )
        > 0
    )


def test_fresh_tasks_stand_after_the_runs_own(run):
    run_dir, config = run
    trained = load_trained(run_dir, num_fresh_tasks=5)
    np.testing.assert_array_equal(trained.experiment.env.tasks[:7], PEARL().build_env(config).tasks)
    assert {name: list(ids) for name, ids in trained.splits.items()} == {
        "train": [0, 1, 2, 3],
        "test": [4, 5, 6],
        "fresh": [7, 8, 9, 10, 11],
    }
    assert len(np.unique(trained.experiment.env.tasks, axis=0)) == 12


def test_a_stored_task_set_that_does_not_fit_is_refused(run, tmp_path):
    run_dir, _ = run
    for file in run_dir.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    np.savez(tmp_path / "tasks.npz", tasks=np.zeros((3, 9)))
    with pytest.raises(UserError, match="tasks"):
        load_trained(tmp_path)
