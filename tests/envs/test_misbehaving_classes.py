"""Any fault of a user-defined class, in any method, gets one message and exit code 2."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

import launch_experiment
from rlkit.core.errors import UserError
from rlkit.envs import faults, make_env
from rlkit.envs.faults import EnvironmentFault
from rlkit.launchers.load_config import parse_config
from rlkit.samplers.util import rollout
from tests.envs.faulty import PLAN, misbehaving
from tests.envs.test_gymnasium_classes import Still
from tests.envs.test_old_gym_training import config_of

KINDS = ["OldGym", "Gymnasium", "Own"]
RAISING = ["raises", "sys.exit"]
ARRAYS = ["None", "text", "wrong length", "wrong dtype", "objects", "vector", "NaN", "1e300"]
AT_CONSTRUCTION = {
    "constructor": RAISING,
    "spaces": [*RAISING, *ARRAYS],
    "number of tasks": [*RAISING, "None", "text", "wrong dtype", "objects", "NaN", "1e300"],
}
LATER = {
    "reset_task": RAISING,
    "reset": [*RAISING, *ARRAYS],
    "step": [*RAISING, "None", "text"],
    "observation": ARRAYS,
    "reward": ARRAYS,
    "end": ["None", "text", "wrong length", "wrong dtype", "objects", "vector", "NaN"],
}
METHODS = {  # what the message names, by kind
    "constructor": ("constructed", "constructed", "constructor"),
    "spaces": ("constructed|action_space", "constructed|action_space", "constructor|action_box"),
    "number of tasks": ("get_all_task_idx", "get_all_task_idx", "sample_tasks"),
    "reset_task": ("reset_task", "reset_task", "_select_tasks"),
    "reset": ("reset", "reset", "_reset_lanes"),
    "step": ("step", "step", "_advance"),
    "observation": ("step gave an observation", "step gave an observation", "_advance gave obs"),
    "reward": ("step returned the reward", "step returned the reward", "compute_reward"),
    "end": ("step returned .* an end", "step returned .* an end", "compute_reward"),
    "close": ("close", "close", "close"),
}


def table(methods):
    return [
        pytest.param(kind, method, fault, id=f"{kind}-{method}-{fault}")
        for kind in KINDS
        for method, found in methods.items()
        for fault in found
    ]


def message_names(kind, method, message):
    expected = METHODS[method][KINDS.index(kind)]
    assert message.count("\n") == 0 and len(message) < 700
    assert re.search(rf"tests\.envs\.faulty:{kind}\b.*({expected})", message), message
    assert "expected" in message or "failed" in message or "cannot be constructed" in message


def config(kind):
    data = config_of(env_name=f"tests.envs.faulty:{kind}", n_train_tasks=2, n_eval_tasks=1)
    del data["env_params"]
    return data


@pytest.mark.parametrize(("kind", "method", "fault"), table({**AT_CONSTRUCTION, **LATER}))
def test_at_the_start_it_is_refused_with_one_message(kind, method, fault):
    with misbehaving(method, fault), pytest.raises(UserError) as caught:
        parse_config(config(kind), "here")
    message_names(kind, method, str(caught.value))


@pytest.mark.parametrize(("kind", "method", "fault"), table(LATER))
def test_in_a_run_the_message_names_lane_and_step(kind, method, fault):
    env = make_env(f"tests.envs.faulty:{kind}", num_envs=2)
    generators = [np.random.default_rng(lane) for lane in range(2)]
    rollout(env, Still(), [0, 1], generators, 3)
    with misbehaving(method, fault, after=1), pytest.raises(EnvironmentFault) as caught:
        for _ in range(2):
            rollout(env, Still(), [0, 1], generators, 3)
    message_names(kind, method, str(caught.value))
    if method not in ("reset_task", "reward", "end"):
        assert "lane" in str(caught.value)
    if method in ("step", "observation"):
        assert "step" in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [*RAISING, "hangs"])
def test_a_class_that_does_not_close_is_named(monkeypatch, kind, fault):
    monkeypatch.setattr(faults, "CLOSE_SECONDS", 0.1)
    with misbehaving("close", fault), pytest.raises(UserError) as caught:
        parse_config(config(kind), "here")
    message_names(kind, "close", str(caught.value))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["constructor", "spaces", *LATER, "close"])
def test_what_a_class_prints_disturbs_nothing(kind, method, capsys):
    with misbehaving(method, "prints"):
        parse_config(config(kind), "here")
    assert len(capsys.readouterr().out) >= 10_000_000


@pytest.mark.parametrize("line", ["import sys; sys.exit(3)", "raise KeyError('model')", "1 +"])
def test_a_module_that_cannot_be_imported_is_named(tmp_path, monkeypatch, line):
    (tmp_path / "broken_tasks.py").write_text(line)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"broken_tasks cannot be imported \(") as caught:
        parse_config({"env_name": "broken_tasks:Task"}, "here")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("method", "fault"), [("reward", "NaN"), ("close", "sys.exit")])
def test_a_run_ends_with_exit_2_the_reason_in_its_log_and_how_to_go_on(
    monkeypatch, tmp_path, kind, method, fault
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.json").write_text(json.dumps(config(kind)))
    arguments = ["own.json", "--debug", "--set", "algo_params.num_iterations=2"]
    many = 10**6
    with misbehaving(method, fault, after=many):
        assert CliRunner().invoke(launch_experiment.main, arguments).exit_code == 0
        after = many - PLAN["after"] - 1  # the last call of a run
    with misbehaving(method, fault, after=after):
        result = CliRunner().invoke(launch_experiment.main, arguments)
    assert result.exit_code == 2, result.output
    last = result.stderr.splitlines()
    message_names(kind, method, last[0])
    log = next(tmp_path.glob("output/*/debug/debug.log")).read_text()
    assert last[0] in log
    if method == "reward":
        assert last[1].startswith("to resume: python launch_experiment.py --resume")
        arguments = last[1].split()[4:]
        assert CliRunner().invoke(launch_experiment.main, arguments).exit_code == 0
