"""Command lines of handful-of-trials become configurations that do the same."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rlkit.core.config import flatten, to_dict
from rlkit.core.errors import UserError
from rlkit.launchers.cli import main as rlkit
from rlkit.launchers.load_config import load_config, parse_config
from rlkit.launchers.pets_args import ENVIRONMENTS, OVERRIDES, main, pets_args

CONFIGS = Path(__file__).parents[2] / "configs" / "pets"


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_the_bare_command_is_the_shipped_configuration(env):
    ours, shipped = (
        flatten(to_dict(config)["algo_params"])
        for config in (
            parse_config(pets_args(["-env", env]), "test"),
            load_config(CONFIGS / f"{env}.json"),
        )
    )
    assert ours == shipped


def test_flags_become_settings_of_their_types():
    line = "-env halfcheetah -ca model-type P --ctrl_arg prop-type DS -logdir runs"
    line += " -o ctrl_cfg.opt_cfg.plan_hor 20 --override ctrl_cfg.log_cfg.log_particles False"
    line += " -o exp_cfg.exp_cfg.ntrain_iters 7"
    assert pets_args(line.split()) == {
        "algorithm": "pets",
        "env_name": "pets-halfcheetah",
        "algo_params": {
            "num_iterations": 8,
            "model_type": "P",
            "prop_type": "DS",
            "ctrl_cfg": {"opt_cfg": {"plan_hor": 20}, "log_cfg": {"log_particles": False}},
        },
        "util_params": {"base_log_dir": "runs"},
    }


def test_without_initial_trials_there_are_as_many_iterations_as_there():
    line = "-env cartpole -o exp_cfg.exp_cfg.ninit_rollouts 0"
    assert pets_args(line.split())["algo_params"]["num_iterations"] == 50


def test_every_override_is_a_setting_but_the_number_of_iterations():
    keys = flatten(to_dict(load_config(CONFIGS / "cartpole.json"))["algo_params"])
    assert {*OVERRIDES} - {*keys} == {"exp_cfg.exp_cfg.ntrain_iters"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "-env is missing"),
        ("-env cheetah", "did you mean halfcheetah"),
        ("-env", "-env: expected 1 value after it"),
        ("-env cartpole -ca model_typ PE", "did you mean model-type"),
        (
            "-env cartpole -o ctrl_cfg.opt_cfg.plan_horizon 3",
            "did you mean ctrl_cfg.opt_cfg.plan_hor",
        ),
        ("-env cartpole -o ctrl_cfg.per two", "ctrl_cfg.per two: expected int"),
        ("-env cartpole -ca model-type D", "expected E"),
        ("-env cartpole -ca opt-type Gradient", '"CEM", "Random"'),
    ],
)
def test_what_the_original_would_ignore_or_trip_over_is_refused(line, message, capsys):
    with pytest.raises(UserError, match=message.replace("?", "")):
        pets_args(line.split())
    if line:
        assert main(line.split()) == 2 and message in capsys.readouterr().err


def test_the_command_prints_the_json(capsys):
    assert main(["-env", "reacher"]) == 0
    assert json.loads(capsys.readouterr().out)["env_name"] == "pets-reacher"


def test_the_console_command_takes_the_originals_flags():
    line = "pets args -env halfcheetah -ca model-type PE -o ctrl_cfg.opt_cfg.plan_hor 20"
    result = CliRunner().invoke(rlkit, line.split())
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == pets_args(line.split()[2:])
    assert CliRunner().invoke(rlkit, ["pets", "args", "-env", "ant"]).exit_code == 2
