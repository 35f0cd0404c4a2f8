"""Evaluation on tasks that the user names: how they are written, and the table."""

import json

import numpy as np
import pytest

from rlkit.core.errors import UserError
from rlkit.envs import ENVS, env_class, make_env
from rlkit.launchers.chosen_tasks import choose_tasks, parameter_names
from tests.test_sim_policy import CHEETAH, ROBOT, make_run, run, save, steer_by_z


@pytest.fixture
def robots():
    """Five sparse point robots."""
    env = make_env("sparse-point-robot", n_tasks=5)
    yield env
    env.close()


def test_chosen_tasks_take_the_first_places_in_the_order_given(robots, tmp_path):
    before = robots.tasks.copy()
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps({"tasks": [{"goal_y": 2, "goal_x": 3}, [4, 5.5]]}))
    assert choose_tasks(robots, texts=["goal_x=0.5, goal_y=-1e-1"], file=file) == [0, 1, 2]
    wanted = np.array([[0.5, -0.1], [3, 2], [4, 5.5]], np.float32)
    np.testing.assert_array_equal(robots.tasks[:3], wanted)
    np.testing.assert_array_equal(robots.tasks[3:], before[3:])
    np.savez(tmp_path / "tasks.npz", tasks=np.array([[7.0, 8.0]]))
    assert choose_tasks(robots, file=tmp_path / "tasks.npz") == [0]
    np.testing.assert_array_equal(robots.tasks[0], [7, 8])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("goal_x=1", "goal_y is missing; expected goal_x=NUMBER,goal_y=NUMBER"),
        ("goal_x=1,goal_z=2", "no parameter goal_z; did you mean goal_x?"),
        ("velocity=3", "no parameter velocity; expected goal_x=NUMBER,goal_y=NUMBER"),
        ("goal_x=1,goal_x=2", "goal_x is given twice"),
        ("goal_x=far,goal_y=1", "goal_x = far: expected a finite number"),
        ("goal_x=nan,goal_y=1", "goal_x = nan: expected a finite number"),
        ("3.5", "expected goal_x=NUMBER,goal_y=NUMBER"),
    ],
)
def test_a_mistake_in_a_task_is_answered_with_the_parameters(robots, text, message):
    before = robots.tasks.copy()
    with pytest.raises(UserError) as caught:
        choose_tasks(robots, texts=[text])
    assert str(caught.value).startswith(f"--task {text}: ") and message in str(caught.value)
    np.testing.assert_array_equal(robots.tasks, before)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([[1, 2]], "expected a JSON object"),
        ({"goals": [[1, 2]]}, 'expected {"tasks": [...]}, with tasks of goal_x=NUMBER'),
        ({"tasks": []}, "the file has no tasks"),
        ({"tasks": [[1, 2], [1]]}, "task 1: [1] is not a task"),
        ({"tasks": [[1, True]]}, "task 0: goal_y = True: expected a finite number"),
        ({"tasks": [[0, 0]] * 6}, "6 tasks are too many: the run has env_params.n_tasks = 5"),
    ],
)
def test_a_mistake_in_a_file_is_answered_with_its_place(robots, tmp_path, content, message):
    (tmp_path / "tasks.json").write_text(json.dumps(content))
    with pytest.raises(UserError) as caught:
        choose_tasks(robots, file=tmp_path / "tasks.json")
    assert message in str(caught.value)


def test_arrays_of_another_size_and_tasks_without_parameters_are_refused(robots, tmp_path):
    np.savez(tmp_path / "tasks.npz", tasks=np.zeros((2, 3)))
    with pytest.raises(UserError, match="is not a task"):
        choose_tasks(robots, file=tmp_path / "tasks.npz")
    with pytest.raises(UserError, match="one task without parameters"):
        choose_tasks(make_env("cheetah-run"), texts=["velocity=1"])


@pytest.mark.parametrize("name", sorted(ENVS))
def test_every_environment_names_the_numbers_of_a_task_once(name):
    if name.endswith("rand-params"):
        env = make_env(name, n_tasks=1)
        names = parameter_names(env)
        assert "body_mass_1" in names and len(names) == env.task_dim
    else:
        names = env_class(name).task_names
        assert len(names) == env_class(name).task_dim
    assert len(set(names)) == len(names)


def test_the_table_shows_the_chosen_tasks_and_leaves_that_of_the_held_out_ones(tmp_path):
    networks = make_run(tmp_path / "run", ROBOT)
    steer_by_z(networks)  # after adaptation the robot goes right
    save(tmp_path / "run", networks)
    assert run(tmp_path / "run").exit_code == 0
    held_out = (tmp_path / "run" / "sim_policy.csv").read_bytes()
    right, left = "goal_x=0.5,goal_y=0", "goal_x=-0.5,goal_y=0"
    result = run(tmp_path / "run", "--task", right, "--task", left)
    assert result.exit_code == 0, result.output
    assert "2 chosen tasks" in result.stdout and "return by task and trajectory" in result.stdout
    assert "0: [0.5 0. ]" in result.stdout
    written = (tmp_path / "run" / "chosen_sim_policy.csv").read_text().splitlines()
    last = dict(zip(written[0].split(","), written[-1].split(","), strict=True))
    assert float(last["task 0"]) > float(last["task 1"]) + 2
    assert (tmp_path / "run" / "chosen_trajectories.png").exists()
    assert (tmp_path / "run" / "sim_policy.csv").read_bytes() == held_out


def test_a_velocity_that_was_not_drawn_is_run(tmp_path):
    make_run(tmp_path / "run", CHEETAH)
    result = run(tmp_path / "run", "--task", "velocity=3.5")
    assert result.exit_code == 0, result.output
    assert "0: run at 3.50 m/s" in result.stdout
    refused = run(tmp_path / "run", "--task", "speed=3.5")
    assert refused.exit_code == 2
    assert "no parameter speed; " in refused.stderr and "velocity=NUMBER" in refused.stderr
