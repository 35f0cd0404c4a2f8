"""The parts of the start of a run, measured on a tiny run."""

import json

from benchmarks.start_time import measure_start


def test_every_part_until_the_first_gradient_step_is_measured_once(tmp_path):
    path = tmp_path / "tiny.json"
    algo = {
        "num_initial_steps": 20,
        "max_path_length": 20,
        "num_steps_prior": 20,
        "num_extra_rl_steps_posterior": 20,
    }
    algo |= {
        "num_steps_per_eval": 40,
        "meta_batch": 2,
        "batch_size": 4,
        "embedding_batch_size": 4,
        "embedding_mini_batch_size": 4,
        "num_tasks_sample": 1,
    }
    sizes = {"n_train_tasks": 3, "n_eval_tasks": 1, "net_size": 8, "env_params": {"n_tasks": 4}}
    path.write_text(json.dumps({"env_name": "point-robot", **sizes, "algo_params": algo}))
    seconds = measure_start(
        str(path), ["seed=0", "util_params.matmul=default", "util_params.slice_rows=0"]
    )
    expected = [
        "import",
        "configuration",
        "choices",
        "build",
        "first checkpoint",
        "initial pool",
        "visits",
        "gradient step",
    ]
    assert list(seconds) == expected
    assert all(wall >= 0 and cpu >= 0 for wall, cpu in seconds.values())
