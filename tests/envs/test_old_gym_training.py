"""A user's class written for old gym trains, resumes and evaluates unchanged."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import launch_experiment
import sim_policy
from rlkit.core.errors import UserError
from rlkit.launchers.load_config import parse_config
from tests.envs.old_gym_toys import write_toy


def config_of(**changes):
    return {
        "env_name": "toy_tasks.lines:Toy",
        "n_train_tasks": 4,
        "n_eval_tasks": 2,
        "net_size": 8,
        "latent_size": 2,
        "env_params": {"n_tasks": 6, "randomize_tasks": True, "noise": 0.1},
        "algo_params": {
            "max_path_length": 10,
            "meta_batch": 2,
            "batch_size": 8,
            "embedding_batch_size": 8,
            "embedding_mini_batch_size": 8,
            "num_train_steps_per_itr": 2,
        },
        "util_params": {
            "use_gpu": False,
            "torch_threads": 1,
            "physics_threads": 1,
            "matmul": "default",
            "slice_rows": 0,
        },
        "seed": 1,
        **changes,
    }


def invoke(script, *arguments):
    result = CliRunner().invoke(script.main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_such_a_class_is_trained_resumed_and_evaluated(monkeypatch, tmp_path):
    write_toy(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.json").write_text(json.dumps(config_of()))
    run_dir = tmp_path / "output" / "toy-tasks.lines.Toy" / "debug"

    def weights():
        with (run_dir / "policy.pth").open("rb") as file:
            return file.read()

    invoke(launch_experiment, "toy.json", "--debug", "--set", "algo_params.num_iterations=2")
    uninterrupted = weights()
    invoke(launch_experiment, "toy.json", "--debug", "--set", "algo_params.num_iterations=1")
    assert weights() != uninterrupted
    invoke(launch_experiment, "--resume", run_dir, "--set", "algo_params.num_iterations=2")
    assert weights() == uninterrupted
    variant = json.loads((run_dir / "variant.json").read_text())
    assert variant["env_name"] == "toy_tasks.lines:Toy"
    assert variant["env_params"] == {
        "n_tasks": 6,
        "randomize_tasks": True,
        "noise": 0.1,
        "task_seed": 1337,
    }
    with np.load(run_dir / "tasks.npz", allow_pickle=False) as arrays:
        assert arrays["tasks"].ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert "return by trajectory" in invoke(sim_policy, run_dir)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"env_name": "toy_tasks.circles:Toy"},
            r"toy_tasks.circles cannot be imported .*set PYTHONPATH to the folder",
        ),
        (
            {"env_name": "toy_tasks.lines:Toi"},
            r"module toy_tasks.lines has no class 'Toi' \(did you mean 'Toy'\?\)",
        ),
        ({"env_name": "toy_tasks.lines:Space"}, r"toy_tasks.lines:Space lacks method reset_task"),
        ({"env_params": {"n_tasks": 6, "nois": 0.1}}, r"env_params.nois.*noise"),
        ({"env_params": {"n_tasks": 6, "num_envs": 3}}, r"env_params.num_envs"),
        ({"env_params": {"n_tasks": 6, "noise": "loud"}}, r"step failed \(.*line \d+\)"),
    ],
)
def test_a_wrong_configuration_is_answered_with_one_message(
    monkeypatch, tmp_path, changes, message
):
    write_toy(monkeypatch, tmp_path)
    with pytest.raises(UserError, match=message):
        parse_config(config_of(**changes), "toy.json")
