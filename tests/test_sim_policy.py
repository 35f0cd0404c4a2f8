"""sim_policy.py from weights to table and plots, on run folders of this package and of oyster."""

import csv
import json
import math
import re
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from rlkit.core.config import to_dict
from rlkit.launchers.launcher import launcher_for
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.pearl import PEARL
from rlkit.launchers.pearl_networks import build_networks
from sim_policy import main
from tests.films import frames_of
from tests.meta_pg_runs import settings as meta_pg_settings
from tests.tiny_runs import files_below

ROBOT = {
    "env_name": "sparse-point-robot",
    "n_train_tasks": 3,
    "n_eval_tasks": 2,
    "latent_size": 2,
    "net_size": 8,
    "env_params": {"n_tasks": 5},
    "algo_params": {"max_path_length": 5, "num_exp_traj_eval": 2, "num_steps_per_eval": 20},
}
CHEETAH = {
    **ROBOT,
    "env_name": "cheetah-vel",
    "algo_params": {"max_path_length": 4, "num_exp_traj_eval": 1},
}


def make_run(run_dir, data, tasks=True):
    """A run folder with fresh weights, and its networks."""
    config = parse_config(data, "test")
    env = PEARL().build_env(config)
    networks = build_networks(config, env, torch.Generator().manual_seed(0)).named()
    run_dir.mkdir(parents=True)
    (run_dir / "variant.json").write_text(json.dumps({**to_dict(config), "seed": 3}))
    if tasks:
        np.savez(run_dir / "tasks.npz", tasks=env.tasks)
    save(run_dir, networks)
    env.close()
    return networks


def save(run_dir, networks, **options):
    for name, network in networks.items():
        torch.save(network.state_dict(), run_dir / f"{name}.pth", **options)


@torch.no_grad()
def steer_by_z(networks):
    """Make the policy go right by z[0], and every posterior N(1, almost 0) in each dimension."""
    policy, encoder = networks["policy"], networks["context_encoder"]
    for parameter in [*policy.parameters(), *encoder.parameters()]:
        parameter.zero_()
    policy.fc0.weight[0, 2], policy.fc0.weight[1, 2] = 1.0, -1.0  # inputs: x, y, z[0], z[1]
    for layer in (policy.fc1, policy.fc2):
        layer.weight[0, 0] = layer.weight[1, 1] = 1.0
    policy.last_fc.weight[0, 0], policy.last_fc.weight[0, 1] = 1.0, -1.0
    policy.last_fc_log_std.bias.fill_(-1.0)
    encoder.last_fc.bias[:2], encoder.last_fc.bias[2:] = 1.0, -30.0


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def table(run_dir):
    with (run_dir / "sim_policy.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_table_has_a_row_per_trajectory_with_two_after_the_exploration(tmp_path):
    make_run(tmp_path / "run", ROBOT)
    result = run(tmp_path / "run")
    assert result.exit_code == 0, result.output
    rows = table(tmp_path / "run")
    assert [row["z"] for row in rows] == ["prior", "prior", "posterior", "posterior"]
    assert float(rows[0]["mean"]) == pytest.approx(
        (float(rows[0]["task 3"]) + float(rows[0]["task 4"])) / 2
    )
    assert "posterior" in result.output


def test_z_is_drawn_anew_before_adaptation_and_follows_the_posterior_after_it(tmp_path):
    networks = make_run(tmp_path / "run", ROBOT)
    steer_by_z(networks)
    save(tmp_path / "run", networks)
    assert run(tmp_path / "run", "--num_trajs", 5).exit_code == 0
    returns = np.array(
        [float(row["task 3"]) for row in table(tmp_path / "run")]
    )  # always the same start, so z alone decides
    assert abs(returns[0] - returns[1]) > 0.05
    assert np.ptp(returns[2:]) < 1e-3


def test_the_stochastic_policy_adds_action_noise(tmp_path):
    networks = make_run(tmp_path / "run", ROBOT)
    steer_by_z(networks)
    save(tmp_path / "run", networks)
    assert run(tmp_path / "run", "--stochastic", "--num_trajs", 5).exit_code == 0
    returns = [float(row["task 3"]) for row in table(tmp_path / "run")]
    assert np.ptp(returns[2:]) > 0.01


def test_the_same_seed_gives_the_same_table_and_another_seed_another(tmp_path):
    networks = make_run(tmp_path / "run", ROBOT)
    steer_by_z(networks)
    save(tmp_path / "run", networks)
    tables = []
    for seed in (["--seed", 3], [], ["--seed", 4]):
        assert run(tmp_path / "run", *seed).exit_code == 0
        tables.append(table(tmp_path / "run"))
    assert tables[0] == tables[1], "the default is the seed of the run"
    assert tables[0] != tables[2]


def test_sparse_rewards_are_reported_where_the_run_used_them(tmp_path):
    data = {**ROBOT, "algo_params": {**ROBOT["algo_params"], "sparse_rewards": True}}
    make_run(tmp_path / "run", data)
    assert run(tmp_path / "run").exit_code == 0
    row = table(tmp_path / "run")[0]
    assert float(row["mean"]) == 0.0
    assert float(row["dense mean"]) < -1.0


def test_the_stored_task_set_is_used(tmp_path):
    make_run(tmp_path / "run", ROBOT)
    np.savez(tmp_path / "run" / "tasks.npz", tasks=np.full((5, 2), 7.0))
    assert run(tmp_path / "run").exit_code == 0
    assert float(table(tmp_path / "run")[0]["mean"]) == pytest.approx(
        -5 * math.hypot(7, 7), abs=1.0
    )


def test_point_robots_are_drawn(tmp_path):
    make_run(tmp_path / "run", ROBOT)
    assert run(tmp_path / "run").exit_code == 0
    assert (tmp_path / "run" / "trajectories.png").read_bytes().startswith(b"\x89PNG")


def test_oyster_folders_without_tasks_and_in_the_old_format_are_read(tmp_path):
    config = tmp_path / "robot.json"
    config.write_text(json.dumps(ROBOT))
    networks = make_run(tmp_path / "run", ROBOT, tasks=False)
    save(tmp_path / "run", networks, _use_new_zipfile_serialization=False)
    (tmp_path / "run" / "variant.json").unlink()
    assert run(config, tmp_path / "run", "--deterministic").exit_code == 0
    with_stored_variant = table(tmp_path / "run")
    (tmp_path / "run" / "variant.json").write_text(json.dumps(ROBOT))
    assert run(tmp_path / "run").exit_code == 0
    assert table(tmp_path / "run") == with_stored_variant


def test_a_cheetah_is_evaluated_without_a_film(tmp_path):
    make_run(tmp_path / "run", CHEETAH)
    result = run(tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert len(table(tmp_path / "run")) == 3
    assert not (tmp_path / "run" / "trajectories.png").exists()


@pytest.mark.parametrize("quality", ["fast", "high"])
def test_a_film_shows_exploration_and_adaptation_on_a_few_tasks(tmp_path, monkeypatch, quality):
    hopper = {**CHEETAH, "env_name": "hopper-rand-params", "n_train_tasks": 1, "n_eval_tasks": 4}
    make_run(tmp_path / "run", hopper)
    asked = {}

    def remember(env, path, task_ids, filmed, trajectories, captions, **options):
        asked.update(
            options,
            lines=[captions(index, n) for index in filmed for n in range(len(trajectories))],
        )

    monkeypatch.setattr("rlkit.visualization.video.FilmedEnv.film", remember)
    result = run(tmp_path / "run", "--video", "--quality", quality)
    assert result.exit_code == 0, result.output
    assert asked["quality"] == quality
    tasks, labels = zip(*asked["lines"], strict=True)
    assert [task.split(":")[0] for task in tasks] == [
        f"hopper-rand-params, task {i}" for i in (1, 3, 4) for _ in range(3)
    ]
    assert all("kg" in task for task in tasks)
    assert list(labels) == 3 * [
        "trajectory 1 of 3: exploration, z ~ prior",
        "trajectory 2 of 3: adapted, z ~ posterior of 1 trajectory",
        "trajectory 3 of 3: adapted, z ~ posterior of 2 trajectories",
    ]


@pytest.mark.render
def test_the_film_has_a_picture_of_each_step(tmp_path):
    make_run(tmp_path / "run", {**CHEETAH, "n_train_tasks": 4, "n_eval_tasks": 1})
    result = run(tmp_path / "run", "--video", "--num_trajs", 2)
    if "no OpenGL" in result.output:
        pytest.skip(result.output.splitlines()[-1])
    assert result.exit_code == 0, result.output
    with imageio.get_reader(tmp_path / "run" / "video.mp4") as reader:
        pause = 20
        assert reader.count_frames() == 2 * (1 + 4 + pause)
        assert reader.get_meta_data()["size"] == (480, 480 + 96)


def test_without_opengl_the_table_is_there_all_the_same(tmp_path, monkeypatch):
    make_run(tmp_path / "run", CHEETAH)
    monkeypatch.setenv("MUJOCO_GL", "disable")
    result = run(tmp_path / "run", "--video")
    assert result.exit_code == 2
    assert result.stderr.startswith("no video: no OpenGL library works here")
    assert result.stderr.count("\n") == 1
    assert "posterior" in result.stdout, "it is printed too"
    assert len(table(tmp_path / "run")) == 3


def test_a_point_robot_is_drawn_and_filmed(tmp_path, monkeypatch):
    networks = make_run(tmp_path / "run", ROBOT)
    steer_by_z(networks)
    save(tmp_path / "run", networks)
    monkeypatch.setattr("rlkit.launchers.work_display.SECONDS_BETWEEN_LINES", 0.0)
    result = run(tmp_path / "run", "--video", "--num_trajs", 3)
    assert result.exit_code == 0, result.output
    steps, frames = 2 * (2 * 5 + 1), 2 * 3 * (5 + 1)  # of two tasks
    for task in (3, 4):
        assert re.search(rf"^filming task {task}: .* \({task - 2} of 2\)$", result.stderr, re.M)
    assert f"evaluation step {steps} of {steps}, " in result.stderr
    assert f"frame {frames} of {frames}, " in result.stderr
    assert (tmp_path / "run" / "trajectories.png").exists()
    frames, _ = frames_of(tmp_path / "run" / "video.mp4")
    first, last = (np.argwhere(frames[n, 96:, :, 0] > 200).mean(0) for n in (0, -1))
    assert abs(first - 240).max() < 8, "the robot starts in the centre"
    assert last[1] > 270, "and goes right, as its z says"


def test_a_task_that_cannot_be_drawn_has_no_film_and_nothing_is_written(tmp_path):
    own = {"env_name": "tests.envs.own_task:LineWalk", "env_params": {"n_tasks": 5}}
    make_run(tmp_path / "run", {**ROBOT, **own})
    before = files_below(tmp_path)
    result = run(tmp_path / "run", "--video")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "--video: line-walk cannot be drawn; expected a MuJoCo model, or a method draw(lanes, size)"
    ]
    assert result.stdout == "" and files_below(tmp_path) == before


def test_the_posteriors_of_all_tasks_are_drawn_and_written(tmp_path):
    networks = make_run(tmp_path / "run", ROBOT)
    steer_by_z(networks)
    save(tmp_path / "run", networks)
    result = run(tmp_path / "run", "--latents")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "run" / "latents.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "run" / "latents.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["trajectories"], row["task"]) for row in rows] == [
        (count, task) for count in "024" for task in "34"
    ]
    assert [float(row["mean 0"]) for row in rows[:2]] == [0.0, 0.0]  # the prior
    assert [float(row["mean 0"]) for row in rows[2:]] == [pytest.approx(1.0, abs=0.01)] * 4


def test_a_policy_without_z_has_no_latents_to_draw(tmp_path):
    run_dir = tmp_path / "run"
    config = parse_config(meta_pg_settings("rl2"), "test")
    run_dir.mkdir()
    (run_dir / "variant.json").write_text(json.dumps({**to_dict(config), "seed": 3}))
    networks = launcher_for(config).build(config, "cpu", 0).networks
    save(run_dir, networks)
    result = run(run_dir, "--latents")
    assert result.exit_code == 2
    assert '--latents: "rl2" has no latent z' in result.output
    assert not (run_dir / "sim_policy.csv").exists()


def test_the_published_weights_of_cheetah_vel_adapt_to_a_velocity(tmp_path):
    folder = Path(__file__).parents[1] / "docs/results/cheetah-vel/seed0"
    tasks = "--task", "velocity=0.56", "--task", "velocity=2.05"
    result = run(folder, *tasks, "--output", tmp_path)
    assert result.exit_code == 0, result.output
    with (tmp_path / "chosen_sim_policy.csv").open() as file:
        returns = [float(row["mean"]) for row in csv.DictReader(file)]
    assert sum(returns[:2]) / 2 < -105  # exploring; -133 where the pages were made
    assert min(returns[2:]) > -85  # adapted; -58
