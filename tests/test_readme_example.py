"""The README's Python example, run unchanged, in a folder with the run that it names."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from rlkit.envs import make_env
from tests.test_sim_policy import make_run, save
from tests.tiny_runs import ROOT, launch

ROBOT = {
    "env_name": "point-robot",
    "n_train_tasks": 80,
    "n_eval_tasks": 20,
    "latent_size": 2,
    "net_size": 8,
    "env_params": {"n_tasks": 100},
    "algo_params": {"max_path_length": 20, "num_steps_per_eval": 60},
}
RUN_DIR = Path("output/point-robot/debug")


def example() -> str:
    """The code block that loads an agent."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    (block,) = [block for block in blocks if "rlkit.load(" in block]
    return block


def returns_of_example(task: int = 99) -> list[float]:
    """Returns printed by the example in the working folder, optionally for another task."""
    printed, code = io.StringIO(), example()
    assert code.count('"task": 99') == 1
    with contextlib.redirect_stdout(printed):
        exec(compile(code.replace('"task": 99', f'"task": {task}'), "README.md", "exec"), {})
    return [float(text) for text in re.findall(r"return (-?[\d.]+)", printed.getvalue())]


@torch.no_grad()
def go_to_z_and_believe(networks, place):
    """Make the policy go straight to the place z, and the posterior of any context N(place, ~0)."""
    policy, encoder = networks["policy"], networks["context_encoder"]
    for parameter in [*policy.parameters(), *encoder.parameters()]:
        parameter.zero_()
    for axis in (0, 1):  # inputs: x, y, z[0], z[1]
        for unit, sign in ((2 * axis, 1.0), (2 * axis + 1, -1.0)):
            policy.fc0.weight[unit, 2 + axis], policy.fc0.weight[unit, axis] = sign, -sign
            policy.fc1.weight[unit, unit] = policy.fc2.weight[unit, unit] = 1.0
            policy.last_fc.weight[axis, unit] = 10.0 * sign
    encoder.last_fc.bias[:2] = torch.as_tensor(place)
    encoder.last_fc.bias[2:] = -30.0


def test_the_example_acts_and_adapts_with_weights_made_by_hand(tmp_path, monkeypatch):
    """The first trajectory uses z of the prior, later ones z of the posterior.

    The encoder receives the goal, so nothing is learned here; the slow test covers learning.
    """
    monkeypatch.chdir(tmp_path)
    networks = make_run(RUN_DIR, ROBOT)
    env = make_env("point-robot", n_tasks=100)
    go_to_z_and_believe(networks, env.tasks[99])
    save(RUN_DIR, networks)
    first, *adapted = returns_of_example()
    assert len(adapted) == 2
    assert min(adapted) > first + 1
    assert adapted[0] == pytest.approx(adapted[1], abs=0.01), "z has no variance any more"


@pytest.mark.slow
def test_a_trained_run_beats_its_first_trajectory_on_held_out_tasks(tmp_path, monkeypatch):
    """Twelve iterations; the example runs on every held-out task, always from the same start."""
    monkeypatch.chdir(tmp_path)
    config = ROOT / "configs" / "quick" / "point-robot.json"
    changes = ["--set", "algo_params.num_iterations=12", "--set", "util_params.torch_threads=1"]
    assert launch(config, "--cpu", "--seed", 1, *changes).exit_code == 0
    (run_dir,) = tmp_path.glob("output/point-robot/*")
    run_dir.rename(RUN_DIR)
    returns = np.array([returns_of_example(task) for task in range(80, 100)])
    first, *adapted = returns.mean(axis=0)
    # This seed has -15.9 first, then -11.2 and -11.7, and 19 of the 20 tasks improve.
    assert min(adapted) > first + 2
    assert (returns[:, 1:].max(axis=1) > returns[:, 0]).mean() > 0.7
