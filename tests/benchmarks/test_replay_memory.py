"""The projected memory of a run agrees with its buffers, and a part of a run is measured."""

import json

import pytest

from benchmarks.replay_memory import measure_part, projected_storage
from rlkit.core.algorithm import NoLoop
from rlkit.launchers.load_config import load_config
from rlkit.launchers.pearl import PEARL

ALGO = {
    "num_initial_steps": 600,
    "max_path_length": 20,
    "num_steps_prior": 40,
    "num_extra_rl_steps_posterior": 60,
}
ALGO |= {
    "num_steps_per_eval": 40,
    "meta_batch": 2,
    "batch_size": 4,
    "embedding_batch_size": 4,
    "embedding_mini_batch_size": 4,
    "num_tasks_sample": 2,
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "tiny.json"
    sizes = {"n_train_tasks": 4, "n_eval_tasks": 1, "net_size": 8, "env_params": {"n_tasks": 5}}
    path.write_text(json.dumps({"env_name": "point-robot", **sizes, "algo_params": ALGO}))
    return str(path)


def test_the_projection_counts_the_rows_and_pages_that_a_run_has(path):
    config = load_config(path)
    algorithm = PEARL().build(config, "cpu", 0).algorithm
    for iteration in range(4):
        algorithm.collect_data(iteration, NoLoop())
    rows = algorithm.replay_buffer.rows
    row_bytes = rows.width * 4
    pages = sum(buffer.rows.pages.num_owned for buffer in algorithm.buffers.values())
    storage = projected_storage(config, row_bytes, 4)
    assert (storage.replay_rows, storage.encoder_rows) == tuple(
        buffer.num_rows for buffer in algorithm.buffers.values()
    )
    assert storage.data == sum(buffer.num_rows for buffer in algorithm.buffers.values()) * row_bytes
    assert storage.pages == pages * rows.pages.page_rows * row_bytes <= storage.most


def test_rows_beyond_those_asked_for_are_projected_too(path):
    config = load_config(path)
    assert (
        projected_storage(config, 100, 3, 1.5).replay_rows
        == 1.5 * projected_storage(config, 100, 3).replay_rows
    )


def test_of_the_storage_of_a_part_what_was_written_is_resident(path):
    part = measure_part(
        path, ["seed=0", "util_params.matmul=default", "util_params.slice_rows=0"], num_steps=2
    )
    storage = projected_storage(load_config(path), part["row_bytes"], 1, part["excess"])
    assert part["excess"] == 1.0
    assert 0 < part["stores"] <= storage.pages + 4096 * 8
    assert part["before"] <= part["peak"]
