"""Configurations of experiments: relations, and the environment's own parameters."""

import json
from inspect import get_annotations
from pathlib import Path

import pytest

from rlkit.core.config import to_dict
from rlkit.core.errors import UserError
from rlkit.core.settings import AlgorithmSettings
from rlkit.launchers.experiment_config import ExperimentConfig, UtilConfig
from rlkit.launchers.load_config import load_config, parse_config
from rlkit.launchers.pearl_config import PEARLExperiment, PEARLUtil
from rlkit.torch.hfr.config import HFRSettings
from rlkit.torch.sac.config import PEARLConfig

CONFIGS = Path(__file__).parents[2] / "configs"
SHIPPED = sorted(CONFIGS.glob("*.json"))
POINT_ROBOT = {
    "env_name": "point-robot",
    "n_train_tasks": 8,
    "n_eval_tasks": 2,
    "env_params": {"n_tasks": 10},
}

# What each of oyster's files says; keys that are absent there take the default


def error_of(data: dict) -> str:
    with pytest.raises(UserError) as caught:
        parse_config(data, "here")
    return str(caught.value)


def test_an_empty_file_is_the_default_experiment():
    assert parse_config({}, "here").algo_params == PEARLConfig()


def test_env_params_are_completed_from_the_constructor():
    config = parse_config({**POINT_ROBOT, "env_name": "sparse-point-robot"}, "here")
    assert config.env_params == {
        "n_tasks": 10,
        "randomize_tasks": True,
        "goal_radius": 0.2,
        "task_seed": 1337,
    }


def test_a_complete_configuration_loads_as_itself():
    config = parse_config(POINT_ROBOT, "here")
    assert parse_config(json.loads(json.dumps(to_dict(config))), "there") == config


def test_the_record_in_a_variant_json_is_not_taken_for_settings(tmp_path):
    path = tmp_path / "variant.json"
    path.write_text(
        json.dumps({**POINT_ROBOT, "exp_name": "a", "versions": {"torch": "2"}, "machine": {}})
    )
    assert load_config(path) == parse_config(POINT_ROBOT, "here")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"env_params": {"n_tasks": "3"}}, 'env_params.n_tasks = "3": expected an integer'),
        (
            {"env_params": {"n_task": 10}},
            "env_params.n_task = 10: unknown key, the nearest known key is env_params.n_tasks",
        ),
        ({"env_params": {"n_tasks": 10, "num_envs": 4}}, "env_params.num_envs = 4: unknown key"),
        (
            {"env_params": {"n_tasks": 10, "randomize_tasks": "no"}},
            'env_params.randomize_tasks = "no": expected true or false',
        ),
        (
            {"env_params": {"n_tasks": 10, "randomize_tasks": 0}},
            "without randomize_tasks has 8 fixed goals",
        ),
        ({"env_params": 5}, "env_params = 5: expected an object"),
        (
            {"env_name": "point-robt"},
            'env_name = "point-robt": no such environment in this version, '
            "the nearest is point-robot",
        ),
        (
            {"env_name": "cheeta-vle"},
            'env_name = "cheeta-vle": no such environment in this version, '
            "the nearest is cheetah-vel;",
        ),
        ({"env_name": "hopper_rand_params"}, "the nearest is hopper-rand-params;"),
        ({"env_name": "atari"}, "version; available are ant-dir, "),
        ({"env_name": "atari"}, 'walker-rand-params, or a class of your own as "module:Class"'),
        (
            {"algo_params": {"num_exp_traj_eval": 0}},
            "num_exp_traj_eval = 0: expected an integer, at least 1 "
            "(1 means what 0 does in some forks of oyster)",
        ),
        ({"algo_params": {"min_sigma": 1e30}}, "min_sigma = 1e+30: expected a number, at least 0"),
        ({"algo_params": {"reward_scale": 1e20}}, "expected a number, more than 0, at most 1e+19"),
        ({"env_name": 7}, "env_name = 7: expected a string"),
        (
            {"n_train_tasks": 11},
            "n_train_tasks = 11, env_params.n_tasks = 10: expected at most the 10 tasks of the set",
        ),
        (
            {"n_eval_tasks": 11},
            "n_eval_tasks = 11, env_params.n_tasks = 10: expected at most the 10 tasks of the set",
        ),
        (
            {"n_eval_tasks": 3},
            "n_train_tasks = 8, n_eval_tasks = 3, env_params.n_tasks = 10: expected their sum (11)",
        ),
        ({"algorithm": "perl"}, 'algorithm = "perl": expected one of hfr, '),
        ({"seed": -1}, "seed = -1: expected an integer, at least 0"),
        ({"n_tasks": 10}, "n_tasks = 10: unknown key, the nearest known key is env_params.n_tasks"),
        (
            {"batch_size": 10},
            "batch_size = 10: unknown key, the nearest known key is algo_params.batch_size",
        ),
        (
            {"algo_params": {"recurrent": 1, "encoder": "gru"}},
            "expected one kind of encoder: recurrent means lstm",
        ),
        (
            {"algo_params": {"encoder": "rnn"}},
            'expected one of attention, gru, lstm, mlp, or "module:Class"',
        ),
        (
            {"algo_params": {"encoder": "nowhere:Thing"}},
            "expected a class; nowhere cannot be imported",
        ),
        (
            {"algo_params": {"relabeler": "nowhere:Thing"}},
            "expected a class; nowhere cannot be imported",
        ),
        (
            {"algo_params": {"encoder": "gru", "context_source": "whole"}},
            'expected "recent": it reads episodes',
        ),
        (
            {"algo_params": {"recurrent": 1, "eval_protocol": "oyster2019"}},
            'expected "online": the other draws single rows',
        ),
        (
            {"algo_params": {"rl_batch_sampling": "trajectories", "replay_buffer_size": 199}},
            "room for a whole trajectory",
        ),
        (
            {"algo_params": {"embedding_mini_batch_size": 65}},
            "algo_params.embedding_mini_batch_size = 65, algo_params.embedding_batch_size = 64: "
            "expected the first at most the second",
        ),
        (
            {"algo_params": {"embedding_batch_size": 63}},
            "algo_params.embedding_mini_batch_size = null, algo_params.embedding_batch_size = 63: "
            "expected the first at most the second, or 0 for all at once (null is 64)",
        ),
        (
            {"algo_params": {"embedding_mini_batch_size": 32, "context_source": "whole"}},
            'expected null, 0 or equal numbers, unless the source is "recent"',
        ),
        (
            {"algo_params": {"embedding_mini_batch_size": 32, "context_trajectories": 2}},
            "expected null, 0 or equal numbers: trajectories are not cut",
        ),
        (
            {"algo_params": {"num_steps_prior": 0, "num_extra_rl_steps_posterior": 400}},
            "algo_params.num_steps_prior = 0, algo_params.num_steps_posterior = 0",
        ),
        (
            {"algo_params": {"num_steps_per_eval": 100}},
            "algo_params.num_steps_per_eval = 100, algo_params.max_path_length = 200",
        ),
        (
            {"util_params": {"matmul": "fast"}},
            'util_params.matmul = "fast": '
            'expected one of "auto", "default", "onednn", "onednn-all"',
        ),
        ({"util_params": {"use_gpu": "no"}}, 'util_params.use_gpu = "no": expected true or false'),
    ],
)
def test_what_does_not_fit_is_named_with_key_value_and_expectation(change, message):
    assert message in error_of({**POINT_ROBOT, **change})


def test_both_splits_may_be_the_whole_set():
    assert parse_config({"env_name": "cheetah-dir"}, "here").n_train_tasks == 2


def test_another_number_of_tasks_than_the_environment_has_is_refused():
    data = {"env_name": "cheetah-dir", "env_params": {"n_tasks": 3}}
    assert (
        "env_params.n_tasks = 3: expected 2, the number of tasks that cheetah-dir has"
        in error_of(data)
    )


def test_problems_of_all_sections_are_reported_together():
    data = {
        **POINT_ROBOT,
        "n_eval_tasks": 3,
        "algo_params": {"discount": 2},
        "util_params": {"gpu": 1},
    }
    message = error_of({**data, "env_params": {"n_tasks": 10, "goal_radius": 1}})
    assert "4 problems" in message
    for key in (
        "n_eval_tasks = 3",
        "algo_params.discount = 2",
        "util_params.gpu = 1",
        "env_params.goal_radius = 1",
    ):
        assert key in message


def test_the_debug_cut_keeps_networks_train_tasks_and_batches():
    config = load_config(CONFIGS / "cheetah-vel.json")
    cut = config.cut_for_debug()
    assert (cut.n_train_tasks, cut.net_size, cut.env_params) == (
        config.n_train_tasks,
        config.net_size,
        config.env_params,
    )
    assert (cut.algo_params.batch_size, cut.algo_params.embedding_batch_size) == (256, 100)
    assert (
        cut.n_eval_tasks,
        cut.algo_params.num_iterations,
        cut.algo_params.num_train_steps_per_itr,
    ) == (3, 2, 5)
    assert cut.algo_params.num_initial_steps == cut.algo_params.max_path_length == 200
    assert cut.util_params.debug


@pytest.mark.parametrize(
    "name", ["cheetah-vel", "cheetah-dir", "point-robot", "sparse-point-robot"]
)
def test_the_debug_cut_is_valid_and_cutting_twice_changes_nothing(name):
    cut = load_config(CONFIGS / f"{name}.json").cut_for_debug()
    assert parse_config(to_dict(cut), "cut") == cut == cut.cut_for_debug()


def test_the_debug_cut_of_one_set_for_training_and_testing_is_valid():
    corners = {
        "env_name": "four-corners",
        "n_train_tasks": 4,
        "n_eval_tasks": 4,
        "env_params": {"n_tasks": 4},
    }
    cut = parse_config(corners, "here").cut_for_debug()
    assert parse_config(to_dict(cut), "cut") == cut
    assert cut.n_eval_tasks == 4


def test_every_setting_has_its_meaning_beside_it():
    for schema, path in (
        (ExperimentConfig, "rlkit/launchers/experiment_config.py"),
        (UtilConfig, "rlkit/launchers/experiment_config.py"),
        (PEARLExperiment, "rlkit/launchers/pearl_config.py"),
        (PEARLUtil, "rlkit/launchers/pearl_config.py"),
        (AlgorithmSettings, "rlkit/core/settings.py"),
        (PEARLConfig, "rlkit/torch/sac/config.py"),
        (HFRSettings, "rlkit/torch/hfr/config.py"),
    ):
        lines = (CONFIGS.parent / path).read_text().splitlines()
        for name in get_annotations(schema):
            if name in ("relabelers", "algo_params", "util_params", "env_params"):
                continue
            declared = [i for i, line in enumerate(lines) if line.startswith(f"    {name}: ")]
            assert len(declared) == 1, name
            assert "# " in "".join(lines[declared[0] : declared[0] + 3]), name
