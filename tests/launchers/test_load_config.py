"""Configurations of experiments: oyster's files as they are, relations, and the environment's own parameters."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from configs.default import default_config
from rlkit.core.config import flatten, to_dict
from rlkit.core.errors import UserError
from rlkit.envs import ENVS
from rlkit.launchers.load_config import load_config, parse_config
from rlkit.launchers.pearl_config import PEARLExperiment, PEARLUtil
from rlkit.torch.sac.config import PEARLConfig

CONFIGS = Path(__file__).parents[2] / "configs"
SHIPPED = sorted(CONFIGS.glob("*.json"))
QUICK = sorted((CONFIGS / "quick").glob("*.json"))
ABLATIONS = sorted((CONFIGS / "ablations").glob("*.json"))
PAPER = sorted((CONFIGS / "paper").glob("*.json"))
VARIANTS = [*ABLATIONS, *sorted((CONFIGS / "quick" / "ablations").glob("*.json")), *PAPER]
POINT_ROBOT = {
    "env_name": "point-robot",
    "n_train_tasks": 8,
    "n_eval_tasks": 2,
    "env_params": {"n_tasks": 10},
}

# What each of oyster's files says; keys that are absent there take the default
STEPS = {
    "num_initial_steps": 2000,
    "num_steps_prior": 400,
    "num_steps_posterior": 0,
    "num_extra_rl_steps_posterior": 600,
}
MUJOCO = {
    **STEPS,
    "num_train_steps_per_itr": 4000,
    "num_steps_per_eval": 600,
    "num_exp_traj_eval": 2,
}
POINT = {
    "num_initial_steps": 200,
    "num_train_steps_per_itr": 1000,
    "max_path_length": 20,
    "reward_scale": 100,
}


def embedding(size: int) -> dict[str, int]:
    return {"embedding_batch_size": size, "embedding_mini_batch_size": size}


OYSTER = {
    "cheetah-dir": (
        (2, 2, 2),
        {
            **STEPS,
            "meta_batch": 4,
            "num_steps_prior": 1000,
            "num_extra_rl_steps_posterior": 1000,
            "num_evals": 4,
        }
        | {"num_steps_per_eval": 600, "num_exp_traj_eval": 2, **embedding(256)},
    ),
    "cheetah-vel": (
        (100, 30, 130),
        {
            **STEPS,
            "num_evals": 1,
            "num_steps_per_eval": 600,
            "num_exp_traj_eval": 2,
            **embedding(100),
        },
    ),
    "ant-dir": ((2, 2, 2), {**MUJOCO, "meta_batch": 4, "num_evals": 4, **embedding(256)}),
    "ant-goal": (
        (150, 30, 180),
        {**MUJOCO, "meta_batch": 10, "num_evals": 1, "kl_lambda": 1.0, **embedding(256)},
    ),
    "humanoid-dir": ((100, 30, 130), {**MUJOCO, "num_evals": 1, **embedding(256)}),
    "hopper_rand_params": (
        (40, 10, 50),
        {
            **MUJOCO,
            "meta_batch": 10,
            "num_evals": 2,
            "use_next_obs_in_context": True,
            **embedding(100),
        },
    ),
    "walker_rand_params": (
        (40, 10, 50),
        {
            **MUJOCO,
            "meta_batch": 10,
            "num_evals": 2,
            "use_next_obs_in_context": True,
            **embedding(100),
        },
    ),
    "point-robot": (
        (80, 20, 100),
        {
            **POINT,
            "num_steps_prior": 200,
            "num_steps_posterior": 0,
            "num_extra_rl_steps_posterior": 200,
        }
        | {"num_steps_per_eval": 60, "kl_lambda": 0.1},
    ),
    "sparse-point-robot": (
        (80, 20, 100),
        {
            **POINT,
            "num_tasks_sample": 10,
            "num_steps_prior": 100,
            "num_steps_posterior": 900,
            "num_extra_rl_steps_posterior": 0,
        }
        | {
            "num_steps_per_eval": 400,
            "num_exp_traj_eval": 5,
            "discount": 0.9,
            "kl_lambda": 1.0,
            "sparse_rewards": 1,
        }
        | embedding(1024),
    ),
}


def error_of(data: dict) -> str:
    with pytest.raises(UserError) as caught:
        parse_config(data, "here")
    return str(caught.value)


@pytest.mark.parametrize("name", OYSTER)
def test_a_shipped_file_says_what_oysters_says(name):
    data = json.loads((CONFIGS / f"{name}.json").read_text())
    counts, algo_params = OYSTER[name]
    assert data["env_name"] == name.replace("_", "-")
    assert (data["n_train_tasks"], data["n_eval_tasks"], data["env_params"]["n_tasks"]) == counts
    assert data["algo_params"] == algo_params
    assert data.keys() <= {
        "env_name",
        "n_train_tasks",
        "n_eval_tasks",
        "env_params",
        "algo_params",
        "util_params",
    }


def test_all_nine_files_of_oyster_are_there_and_one_on_pictures():
    assert {path.stem for path in SHIPPED} == {*OYSTER, "cheetah-vel-img"}


def test_ant_dir_runs_forward_and_backward():
    assert json.loads((CONFIGS / "ant-dir.json").read_text())["env_params"] == {
        "n_tasks": 2,
        "forward_backward": True,
    }


@pytest.mark.parametrize(
    "path", [*SHIPPED, *QUICK, *VARIANTS], ids=lambda path: str(path.relative_to(CONFIGS))
)
def test_a_shipped_file_loads_or_names_the_environments_that_there_are(path):
    env_name = json.loads(path.read_text())["env_name"]
    if env_name in ENVS:
        assert load_config(path).env_name == env_name
    else:
        with pytest.raises(
            UserError, match=f'env_name = "{env_name}": no such environment.*point-robot'
        ):
            load_config(path)


@pytest.mark.parametrize("path", QUICK, ids=lambda path: path.stem)
def test_a_quick_file_differs_from_the_shipped_one_in_sizes_and_counts_only(path):
    base = path.name.replace("-img", "")
    quick, shipped = (flatten(to_dict(load_config(p))) for p in (path, CONFIGS / base))
    counts = (
        "n_train_tasks",
        "n_eval_tasks",
        "net_size",
        "env_params.n_tasks",
        "algo_params.num_",
        "algo_params.meta_batch",
    )
    sizes = ("algo_params.batch_size", "algo_params.embedding_")
    if base != path.name:  # on pictures, few gradient steps have to do
        rates = (f"algo_params.{network}_lr" for network in ("policy", "qf", "vf", "context"))
        targets = (
            f"algo_params.{name}" for name in ("discount", "reward_scale", "soft_target_tau")
        )
        sizes += ("obs_mode", "image_size", *targets, *rates)
    assert {
        key for key in shipped if quick[key] != shipped[key] and not key.startswith(counts + sizes)
    } == set()


ABLATED = {
    "rnn-transitions": {"encoder": "lstm", "rl_batch_sampling": "transitions"},
    "rnn-trajectories": {"encoder": "lstm", "rl_batch_sampling": "trajectories"},
    "context-whole": {"context_source": "whole"},
    "context-rl-batch": {"context_source": "rl_batch"},
    "deterministic": {"use_information_bottleneck": False},
    "r02": {},
    "r08": {},
}


@pytest.mark.parametrize("ablation", ABLATED)
@pytest.mark.parametrize("quick", [False, True])
def test_an_ablation_differs_from_its_experiment_in_what_it_is_named_for(ablation, quick):
    folder = CONFIGS / "quick" if quick else CONFIGS
    base = (
        "sparse-point-robot"
        if ablation in ("deterministic", "r02", "r08")
        else "point-robot"
        if quick
        else "cheetah-vel"
    )
    ours, shipped = (
        flatten(to_dict(load_config(folder / f"{name}.json")))
        for name in (f"ablations/{base}-{ablation}", base)
    )
    expected = {f"algo_params.{key}": value for key, value in ABLATED[ablation].items()}
    if ablation == "r08":
        expected["env_params.goal_radius"] = 0.8
    if base == "sparse-point-robot" and not quick:
        expected |= {"n_train_tasks": 100, "n_eval_tasks": 100, "env_params.n_tasks": 200}
    unread = (
        ("algo_params.embedding_",) if "encoder" in ABLATED[ablation] else ()
    )  # by encoders of episodes
    different = {
        key: ours[key]
        for key in shipped
        if ours[key] != shipped[key] and not key.startswith(unread)
    }
    assert different == {key: value for key, value in expected.items() if shipped[key] != value}


def test_there_is_an_ablation_for_each_name_and_no_other():
    assert len(ABLATIONS) == len(ABLATED)
    assert len(list((CONFIGS / "quick" / "ablations").glob("*.json"))) == len(ABLATED)


# What the first release's values are where they are not those above
FIRST_RELEASE = {
    "posterior_from_start": True,
    "update_post_train": 0,
    "eval_protocol": "oyster2019",
}
STEPS_2019 = {
    "num_steps_prior": 400,
    "num_extra_rl_steps_posterior": 400,
    "num_steps_per_eval": 400,
}
PAPER_VALUES = {
    "cheetah-dir": {
        **STEPS_2019,
        "num_steps_prior": 1000,
        "num_extra_rl_steps_posterior": 1000,
        "num_evals": 4,
    },
    "cheetah-vel": {**STEPS_2019, "meta_batch": 10, "num_evals": 2},
    "ant-dir": {**STEPS_2019, "num_iterations": 10_000, "num_evals": 4},
    "ant-goal": {**STEPS_2019, "num_iterations": 10_000, "num_evals": 2, "kl_lambda": 1.0},
    "humanoid-dir": {**STEPS_2019, "num_iterations": 10_000, "num_evals": 2, "meta_batch": 10},
    "walker_rand_params": {},
}


@pytest.mark.parametrize("name", PAPER_VALUES)
def test_the_papers_files_have_the_values_of_the_first_release(name):
    paper, shipped = (
        flatten(to_dict(load_config(CONFIGS / folder / f"{name}.json"))) for folder in ("paper", "")
    )
    expected = {
        f"algo_params.{key}": value
        for key, value in {**PAPER_VALUES[name], **FIRST_RELEASE}.items()
    }
    assert paper == {**shipped, **expected}
    assert {path.stem for path in PAPER} == set(PAPER_VALUES)


def test_the_defaults_are_oysters():
    assert (
        default_config["env_name"],
        default_config["latent_size"],
        default_config["net_size"],
    ) == ("cheetah-dir", 5, 300)
    assert default_config["env_params"] == {"n_tasks": 2, "randomize_tasks": True}
    assert default_config["algo_params"]["num_extra_rl_steps_posterior"] == 400
    assert {
        "base_log_dir": "output",
        "use_gpu": True,
        "gpu_id": 0,
        "debug": False,
        "docker": False,
    }.items() <= (default_config["util_params"].items())


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
            "without randomize_tasks has 8 goals",
        ),
        ({"env_params": 5}, "env_params = 5: expected an object"),
        (
            {"env_name": "point-robt"},
            'env_name = "point-robt": no such environment in this version, the nearest is point-robot',
        ),
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
        ({"algorithm": "perl"}, 'algorithm = "perl": expected one of hfr, pearl'),
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
        ({"algo_params": {"encoder": "rnn"}}, 'expected one of "mlp", "gru", "lstm", "attention"'),
        (
            {"algo_params": {"encoder": "gru", "context_source": "whole"}},
            'expected "recent": it takes episodes',
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
            {"algo_params": {"embedding_mini_batch_size": 60}},
            "algo_params.embedding_mini_batch_size = 60, algo_params.embedding_batch_size = 64: expected 0 or equal numbers",
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
            'util_params.matmul = "fast": expected one of "auto", "default", "onednn"',
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
        (PEARLExperiment, "rlkit/launchers/pearl_config.py"),
        (PEARLUtil, "rlkit/launchers/pearl_config.py"),
    ):
        lines = (CONFIGS.parent / path).read_text().splitlines()
        for field in fields(schema):
            (declared,) = (line for line in lines if line.startswith(f"    {field.name}: "))
            assert "# " in declared or field.name.endswith("_params"), field.name
