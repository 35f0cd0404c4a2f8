"""A simulation that diverges ends its episode, and the environment and debug.log say so."""

import importlib.util
import io
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rlkit.envs import make_env
from rlkit.envs.point_robot import PointRobot
from rlkit.launchers.load_config import load_config
from rlkit.launchers.run import start_run

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "quick" / "point-robot.json"
ROUTES = ["pool", *(["batch"] if importlib.util.find_spec("mujoco.batch") else [])]
FAST = 1e9  # a velocity that no step survives


def started(name, **settings):
    env = make_env(name, n_tasks=3, num_envs=3, **settings)
    env.reset_task([0, 2, 2])
    env.reset([np.random.default_rng(lane) for lane in range(3)])
    return env


def push(env, lanes):
    model = env.unwrapped.model
    env.unwrapped.set_state(
        [model.qpos0] * len(lanes), np.full((len(lanes), model.nv), FAST), lanes=lanes
    )


def step(env):
    return env.step(np.zeros((3, env.act_dim)))


@pytest.mark.parametrize("backend", ROUTES)
def test_the_environment_tells_the_tasks_of_episodes_that_diverged_once(backend):
    env = started("hopper-rand-params", backend=backend)
    assert env.pop_diverged_tasks() == []
    push(env, [1])
    _, _, terminated, _, info = step(env)
    assert (terminated & info["diverged"]).tolist() == [False, True, False]
    assert env.pop_diverged_tasks() == [2]
    assert env.pop_diverged_tasks() == []
    push(env, [0, 2])  # a lane that diverges in the same step as another
    step(env)
    assert env.pop_diverged_tasks() == [0, 2]


@pytest.mark.parametrize("backend", ROUTES)
def test_a_lane_whose_episode_has_ended_already_is_not_counted(backend, monkeypatch):
    env = started("hopper-rand-params", backend=backend)
    push(env, [1])
    step(env)
    assert env.pop_diverged_tasks() == [2]
    simulation = env.unwrapped.simulation
    simulation.qvel[1] = FAST  # stepping a lane that was ended fails again
    if backend == "pool":
        simulation._data[1].qvel[:] = FAST
    assert step(env)[4]["diverged"].tolist() == [False, True, False]
    assert env.pop_diverged_tasks() == []


def test_the_remark_names_number_and_tasks():
    env = started("hopper-rand-params")
    assert env.divergence_message() == ""
    push(env, [1])
    step(env)
    assert env.divergence_message() == "1 episode ended because the simulation diverged, in task 2"
    push(env, [0, 1, 2])
    step(env)
    assert (
        env.divergence_message()
        == "3 episodes ended because the simulation diverged, in tasks 0, 2"
    )


class FailingRobot(PointRobot):
    """A point robot whose simulation fails in the lanes of task 1."""

    def _advance(self, action, lanes):
        return super()._advance(action, lanes)._replace(diverged=self.task_ids[lanes] == 1)


def test_a_run_says_in_debug_log_and_on_the_console_what_diverged(tmp_path, monkeypatch):
    monkeypatch.setattr("rlkit.envs.point_robot.PointRobot", FailingRobot)
    settings = [
        "seed=1",
        "util_params.use_gpu=false",
        f"util_params.base_log_dir={tmp_path}",
        "algo_params.num_iterations=1",
    ]
    settings += [
        "net_size=8",
        "algo_params.batch_size=4",
        "util_params.torch_threads=1",
        "util_params.physics_threads=1",
    ]
    console = Console(record=True, width=200, file=io.StringIO())
    run_dir = start_run(
        load_config(CONFIG, settings).cut_for_debug(), "divergence", console, nullcontext
    )
    lines = [
        line for line in (run_dir / "debug.log").read_text().splitlines() if "diverged" in line
    ]
    assert len(lines) >= 1
    assert all("ended because the simulation diverged, in task 1" in line for line in lines)
    assert "Iteration #0 | iteration 0: " in lines[0]
    assert console.export_text().count("diverged") == len(lines)
