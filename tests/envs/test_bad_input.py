"""Bad input gets one message with the value and the expectation.

This holds for every environment and on the command line.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import launch_experiment
from rlkit.envs import ENVS, env_class, make_env

ROOT = Path(__file__).resolve().parents[2]
TWO_TASKS = [("cheetah-dir", {}), ("ant-dir", {"forward_backward": True})]


def started(name, normalize=True):
    env = make_env(
        name, n_tasks=env_class(name).fixed_n_tasks or 3, num_envs=3, normalize=normalize
    )
    env.reset_task([0, 1 % env.n_tasks])
    env.reset([np.random.default_rng(lane) for lane in range(2)])
    return env


def bad_actions(act_dim):
    """Inputs that a step rejects, and the messages."""
    right = np.zeros((2, act_dim))
    yield np.zeros((3, act_dim)), rf"action has shape \(3, {act_dim}\), expected .*\(2, {act_dim}\)"
    yield (
        np.zeros((2, act_dim + 1)),
        rf"action has shape \(2, {act_dim + 1}\), expected .*\(2, {act_dim}\)",
    )
    yield np.zeros(act_dim), rf"action has shape \({act_dim},\), expected .*\(2, {act_dim}\)"
    for bad in (np.nan, np.inf, -np.inf):
        wrong = right.copy()
        wrong[1, -1] = bad
        yield wrong, rf"the actions of lanes \[1\] are not finite: .*{bad}"


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("name", sorted(ENVS))
def test_a_wrong_action_is_refused_and_the_episode_goes_on_as_if_it_had_not_been_given(
    name, normalize
):
    env, calm = started(name, normalize), started(name, normalize)
    for action, message in bad_actions(env.act_dim):
        with pytest.raises(ValueError, match=f"^{name}: {message}"):
            env.step(action)
        for ours, expected in zip(
            env.step(np.zeros((2, env.act_dim)))[:3],
            calm.step(np.zeros((2, env.act_dim)))[:3],
            strict=True,
        ):
            np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("name", sorted(ENVS))
def test_a_task_or_lane_that_does_not_exist_is_refused_and_changes_nothing(name):
    env = started(name)
    n = env.n_tasks
    for task_ids, message in [
        ([n], rf"task_ids are \[{n}\], expected numbers from 0 to {n - 1}"),
        ([-1, 0], r"task_ids are \[-1, 0\], expected numbers from 0"),
        ([0.0], "expected a sequence of integers"),
        ([[0, 1]], "expected a sequence of integers"),
        ([0, 0, 0, 0], "4 lanes requested, expected 1 to num_envs = 3"),
    ]:
        with pytest.raises(ValueError, match=message):
            env.reset_task(task_ids)
    with pytest.raises(
        ValueError,
        match=r"lanes are \[2\], expected different numbers from 0 to 1 \(2 lanes are in use\)",
    ):
        env.reset_task([0], lanes=[2])
    assert env.task_ids.tolist() == [0, 1 % n]
    env.step(np.zeros((2, env.act_dim)))


@pytest.mark.parametrize("name", sorted(ENVS))
def test_a_number_of_tasks_below_one_is_refused(name):
    with pytest.raises(ValueError, match="n_tasks is 0, expected an integer of at least 1"):
        make_env(name, n_tasks=0)


@pytest.mark.parametrize("n_tasks", [1, 3])
@pytest.mark.parametrize(("name", "settings"), TWO_TASKS)
def test_distributions_of_two_tasks_have_no_other_number(name, settings, n_tasks):
    with pytest.raises(ValueError, match=f"n_tasks is {n_tasks}, but {name}.* has exactly 2 tasks"):
        make_env(name, n_tasks=n_tasks, **settings)


@pytest.mark.parametrize("name", sorted(ENVS))
def test_an_unknown_parameter_is_answered_with_those_that_there_are(name):
    with pytest.raises(
        ValueError,
        match=rf"{name} has no parameter 'n_task' \(did you mean 'n_tasks'\?\); known: n_tasks",
    ):
        make_env(name, n_task=2)


def launch(config, *settings):
    """Run launch_experiment.py on a shipped configuration with changed settings."""
    arguments = [str(ROOT / "configs" / f"{config}.json"), "--cpu"]
    return CliRunner().invoke(
        launch_experiment.main,
        arguments + [word for setting in settings for word in ("--set", setting)],
    )


SETTINGS = [
    (
        ["env_params.n_task=2"],
        "env_params.n_task = 2: unknown key, the nearest known key is env_params.n_tasks",
    ),
    (["env_params.n_tasks=2.5"], "env_params.n_tasks = 2.5: expected an integer"),
    (["env_params.num_envs=4"], "env_params.num_envs = 4: unknown key"),
    (["env_params.task_seed=-1"], "task_seed is -1, expected an integer of at least 0"),
    (["n_train_tasks=1000"], "n_train_tasks = 1000, env_params.n_tasks = "),
    (["n_eval_tasks=1000"], "n_eval_tasks = 1000, env_params.n_tasks = "),
]
MUJOCO_SETTINGS = [
    (
        ["env_params.physics=mujoco150"],
        'env_params.physics = "mujoco150": expected one of "mujoco210", "native"',
    ),
    (["env_params.backend=fast"], 'env_params.backend = "fast": expected one of "'),
]
OWN_SETTINGS = [
    (
        "cheetah-dir",
        ["env_params.n_tasks=3"],
        "env_params.n_tasks = 3: expected 2, the number of tasks that cheetah-dir has",
    ),
    (
        "ant-dir",
        ["env_params.n_tasks=3"],
        "n_tasks is 3, but ant-dir with forward_backward has exactly 2 tasks",
    ),
    (
        "ant-dir",
        ["env_params.forward=true"],
        "the nearest known key is env_params.forward_backward",
    ),
    ("ant-dir", ["env_params.backend=batch"], "mujoco.batch"),
    (
        "humanoid-dir",
        ["env_params.contact_force=false"],
        "the nearest known key is env_params.contact_forces",
    ),
    (
        "hopper_rand_params",
        ["env_params.log_scale_limit=-1"],
        "log_scale_limit is -1.0, expected a number of at least 0",
    ),
    (
        "walker_rand_params",
        ["env_params.alive_bonus=null"],
        "env_params.alive_bonus = null: expected a number",
    ),
    ("sparse-point-robot", ["env_params.goal_radius=0"], "goal_radius"),
    (
        "point-robot",
        ["env_params.randomize_tasks=false"],
        "n_tasks is 100, but point-robot without randomize_tasks has 8 fixed goals",
    ),
]
CASES = [
    (config, *case)
    for config in sorted(p.stem for p in (ROOT / "configs").glob("*.json"))
    if "algorithm" not in json.loads((ROOT / "configs" / f"{config}.json").read_text())  # PEARL's
    for case in SETTINGS
]
CASES += [
    (config, *case) for config, *_ in OWN_SETTINGS[1:7] for case in MUJOCO_SETTINGS
] + OWN_SETTINGS


@pytest.mark.parametrize(
    ("config", "settings", "message"), list(dict.fromkeys((c, tuple(s), m) for c, s, m in CASES))
)
def test_the_command_line_answers_with_one_message_and_code_2_and_writes_nothing(
    config, settings, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    result = launch(config, *settings)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count(f"{config}.json: ") == 1
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_tasks_are_not_judged_while_env_params_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = launch("hopper_rand_params", "env_params.log_scale_limit=1e999")
    assert result.exit_code == 2
    assert "expected finite numbers" in result.stderr
    assert "n_train_tasks" not in result.stderr


def test_without_an_opengl_library_rendering_answers_with_one_message(monkeypatch):
    gymnasium = pytest.importorskip("gymnasium")
    monkeypatch.setenv("MUJOCO_GL", "disable")
    env = gymnasium.make("rlkit/CheetahVel-v0", render_mode="rgb_array", disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"^no OpenGL library works here.*libegl1") as caught:
        env.render()
    assert len(str(caught.value).splitlines()) == 1
    env.reset(seed=0)  # the environment still works
    env.close()


def test_a_file_that_asks_for_more_tasks_than_exist_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = json.loads((ROOT / "configs" / "humanoid-dir.json").read_text())
    data["n_eval_tasks"] = 31
    (tmp_path / "mine.json").write_text(json.dumps(data))
    result = CliRunner().invoke(launch_experiment.main, ["mine.json", "--cpu"])
    assert result.exit_code == 2
    assert (
        "mine.json: n_train_tasks = 100, n_eval_tasks = 31, env_params.n_tasks = 130: "
        "expected their sum" in result.stderr
    )
