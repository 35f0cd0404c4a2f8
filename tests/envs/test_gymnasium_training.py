"""Classes and registered environments of gymnasium train, resume and evaluate unchanged."""

import json

import pytest

import launch_experiment
import sim_policy
from tests.envs.test_old_gym_training import config_of, invoke

ONE = {"n_train_tasks": 1, "n_eval_tasks": 1}


@pytest.mark.parametrize(
    ("env_name", "folder", "recorded", "counts"),
    [
        (
            "tests.envs.gymnasium_toys:Line",
            "tests.envs.gymnasium-toys.Line",
            {"n_tasks": 3, "limit": None, "task_seed": 1337},
            {"n_train_tasks": 2, "n_eval_tasks": 1},
        ),
        (
            "tests.envs.gymnasium_toys:FiveLines",
            "tests.envs.gymnasium-toys.FiveLines",
            {"task_seed": 1337},
            {"n_train_tasks": 5, "n_eval_tasks": 5},
        ),
        ("Pendulum-v1", "Pendulum-v1", {"g": 10.0, "task_seed": 1337}, ONE),
    ],
)
def test_it_is_trained_resumed_bit_for_bit_and_evaluated(
    monkeypatch, tmp_path, env_name, folder, recorded, counts
):
    monkeypatch.chdir(tmp_path)
    data = config_of(env_name=env_name, **counts)
    del data["env_params"]
    (tmp_path / "own.json").write_text(json.dumps(data))
    run_dir = tmp_path / "output" / folder / "debug"
    two = "algo_params.num_iterations=2"
    invoke(launch_experiment, "own.json", "--debug", "--set", two)
    uninterrupted = (run_dir / "policy.pth").read_bytes()
    invoke(launch_experiment, "own.json", "--debug", "--set", "algo_params.num_iterations=1")
    invoke(launch_experiment, "--resume", run_dir, "--set", two)
    assert (run_dir / "policy.pth").read_bytes() == uninterrupted
    assert json.loads((run_dir / "variant.json").read_text())["env_params"] == recorded
    assert "return by trajectory" in " ".join(invoke(sim_policy, run_dir).split())
