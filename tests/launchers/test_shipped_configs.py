"""The shipped configurations: oyster's files, quick ones, ablations, those of the first release."""

import json
from pathlib import Path

import pytest

from configs.default import default_config
from rlkit.core.config import flatten, to_dict
from rlkit.core.errors import UserError
from rlkit.envs import ENVS
from rlkit.launchers.load_config import load_config

CONFIGS = Path(__file__).parents[2] / "configs"
SHIPPED = sorted(CONFIGS.glob("*.json"))
QUICK = sorted((CONFIGS / "quick").glob("*.json"))
ABLATIONS = sorted((CONFIGS / "ablations").glob("*.json"))
PAPER = sorted((CONFIGS / "paper").glob("*.json"))
VARIANTS = [*ABLATIONS, *sorted((CONFIGS / "quick" / "ablations").glob("*.json")), *PAPER]


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
    assert {*OYSTER, "cheetah-vel-img"} <= {path.stem for path in SHIPPED}


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
    if base != path.name:  # few gradient steps, because images are slow
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


def test_there_is_an_ablation_for_each_name():
    assert len(ABLATIONS) >= len(ABLATED)
    assert len(list((CONFIGS / "quick" / "ablations").glob("*.json"))) >= len(ABLATED)


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
