"""PETS through every command: training, rejected input, evaluation, printing."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.io import loadmat

from rlkit.core.algorithm import NoLoop
from rlkit.core.config import to_dict
from rlkit.core.seeding import stream
from rlkit.envs import make_env
from rlkit.launchers.load_config import load_config
from rlkit.launchers.pets import PETSLauncher
from rlkit.launchers.run_files import RunFiles
from sim_policy import main as sim_policy
from tests.pets_runs import config, logs, rows, settings, write_config
from tests.tiny_runs import launch

LEGAL = {
    "D": ("E",),
    "P": ("E", "DS", "MM"),
    "DE": ("E", "DS", "MM", "TS1", "TSinf"),
    "PE": ("E", "DS", "MM", "TS1", "TSinf"),
}
SHIPPED = sorted((Path(__file__).parents[2] / "configs" / "pets").rglob("*.json"))
OTHERS = ("reacher", "pusher", "halfcheetah")


def two_iterations(experiment_config) -> dict[str, float]:
    """Run two iterations without a folder; the statistics of the second."""
    experiment = PETSLauncher().build(experiment_config, "cpu", 1)
    algorithm, loop = experiment.algorithm, NoLoop()
    found: dict[str, float] = {}
    for iteration in range(2):
        found = algorithm.collect_data(iteration, loop) | algorithm.do_training(iteration, loop)
    experiment.close()
    return found


def assert_it_ran(found: dict[str, float], members: int) -> None:
    errors = [found[f"Training Error {m}"] for m in range(members)]
    assert found["Number of env steps total"] == 12
    assert np.isfinite([found["AverageReturn"], found["Model Loss"], *errors]).all()


@pytest.mark.parametrize("opt", ["CEM", "Random"])
def test_all_legal_pairs_of_model_and_propagation_run_with_each_planner(opt):
    for model, props in LEGAL.items():
        for prop in props:
            assert_it_ran(two_iterations(config(model, prop, opt)), 1 if len(model) == 1 else 2)


@pytest.mark.parametrize("env", OTHERS)
def test_the_other_environments_run_with_both_planners(env):
    assert_it_ran(two_iterations(config("PE", "TSinf", "CEM", env)), 2)
    assert_it_ran(two_iterations(config("P", "DS", "Random", env)), 1)


ILLEGAL = [
    *(("D", prop, "expected E") for prop in ("DS", "MM", "TS1", "TSinf")),
    *(("P", prop, "expected DE or PE") for prop in ("TS1", "TSinf")),
]
PROP, OPT = "algo_params.ctrl_cfg.prop_cfg", "algo_params.ctrl_cfg.opt_cfg"
REFUSED = {
    "an unknown model": ("algo_params.model_type=GP", '"D", "P", "DE", "PE"'),
    "an unknown propagation": ("algo_params.prop_type=TS2", '"TSinf"'),
    "an unknown optimizer": ("algo_params.opt_type=Grad", '"CEM", "Random"'),
    "particles that members cannot share": (f"{PROP}.npart=5", "a multiple of the number"),
    "one member of an ensemble": (f"{PROP}.model_init_cfg.num_nets=1", "expected at least 2"),
    "no horizon": (f"{OPT}.plan_hor=0", "at least 1"),
    "no population": (f"{OPT}.cfg.popsize=0", "at least 1"),
    "more elites than candidates": (f"{OPT}.cfg.num_elites=9", "no more elites"),
    "more actions than a plan": ("algo_params.ctrl_cfg.per=4", "per of at most plan_hor"),
    "noise without its size": ("algo_params.exp_cfg.sim_cfg.stochastic=true", "noise_std if"),
    "a model without its folder": (f"{PROP}.model_init_cfg.load_model=true", "both or neither"),
    "decays for another depth": (f"{PROP}.model_train_cfg.weight_decays=[0]", "a decay for each"),
    "nothing to train on": (f"{PROP}.model_train_cfg.holdout_ratio=1", "less than 1"),
    "other lanes than trials": ("util_params.num_envs=3", "1 or null: the trials"),
    "another length of a trial": ("algo_params.max_path_length=7", "task_hor steps"),
    "a key that does not exist": (f"{OPT}.cfg.num_elite=2", "num_elites"),
    "another algorithm's environment": ("env_name=cheetah-run", "an environment of PETS"),
}


@pytest.mark.parametrize(("model", "prop", "expected"), ILLEGAL)
def test_a_pair_that_does_not_fit_is_refused(here, model, prop, expected):
    write_config(Path("config.json"), settings(model, prop))
    result = launch("config.json")
    assert result.exit_code == 2 and expected in result.stderr
    assert f'algo_params.prop_type = "{prop}"' in result.stderr


@pytest.mark.parametrize(("change", "expected"), REFUSED.values(), ids=REFUSED)
def test_bad_settings_are_refused_in_one_message(here, change, expected):
    write_config(Path("config.json"), settings())
    result = launch("config.json", "--set", change)
    assert result.exit_code == 2, result.output
    assert expected in result.stderr and change.partition("=")[0] in result.stderr
    assert not Path("output").exists()


def test_settings_of_cem_are_refused_beside_random_shooting(here):
    write_config(Path("config.json"), settings("PE", "TSinf", "Random"))
    result = launch("config.json", "--set", f"{OPT}.cfg.max_iters=3")
    assert result.exit_code == 2 and "CEM, which alone uses max_iters" in result.stderr


def test_nulls_take_the_published_values_of_the_environment():
    tree = {"algorithm": "pets", "env_name": "pets-pusher"}
    found = PETSLauncher.settings(**tree).algo_params
    assert found.task_hor == 150 and found.ctrl_cfg.opt_cfg.cfg.popsize == 500
    assert found.ctrl_cfg.prop_cfg.npart == 20 and found.ctrl_cfg.prop_cfg.ign_var is False
    assert found.ctrl_cfg.prop_cfg.model_init_cfg.hidden_sizes == (200, 200, 200)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pets")
    data = settings("PE", "TSinf", "CEM", algo_params__exp_cfg__log_cfg__neval=2)
    data["util_params"]["base_log_dir"] = str(folder / "output")
    data["algo_params"]["num_iterations"] = 3
    data["algo_params"]["ctrl_cfg"]["log_cfg"] = {"save_all_models": True, "log_traj_preds": True}
    result = launch(write_config(folder / "config.json", data))
    assert result.exit_code == 0, result.output
    (found,) = (folder / "output").glob("*/*")
    return found


def test_a_run_writes_progress_logs_and_the_model(run_dir):
    table = rows(run_dir)
    assert [float(row["Number of env steps total"]) for row in table] == [6, 18, 30]
    assert table[0]["AverageReturn"] == "nan" and table[1]["RandomReturn"] == "nan"
    arrays = logs(run_dir)
    shapes = {"observations": (3, 7, 4), "actions": (3, 6, 1), "rewards": (3, 6)}
    assert {name: arrays[name].shape for name in shapes} == shapes
    assert arrays["returns"].shape == (1, 4)
    found = arrays["rewards"].sum(axis=1)[1:]  # of two trials, the first is learned from
    np.testing.assert_allclose(arrays["returns"][0, ::2], found, rtol=1e-6)
    averages = [float(row["AverageReturn"]) for row in table[1:]]
    np.testing.assert_allclose(arrays["returns"].reshape(2, 2).mean(axis=1), averages)
    models = [run_dir / name / "model.mat" for name in ("train_iter0", "train_iter2", "")]
    first, last, newest = (loadmat(path)["2"] for path in models)
    assert np.array_equal(last, newest) and not np.array_equal(first, last)
    means = loadmat(run_dir / "train_iter1" / "predictions.mat")["means"]
    assert means.shape == (12, 4, 4)  # plans of both trials, steps, observations
    np.testing.assert_allclose(means[0, 0], arrays["observations"][1, 0], rtol=1e-6)
    assert not (run_dir / "train_iter0" / "predictions.mat").exists()


def test_the_logged_rewards_are_the_planners_of_the_logged_transitions(run_dir):
    arrays = {name: np.asarray(value, np.float64) for name, value in logs(run_dir).items()}
    env = make_env("pets-cartpole", normalize=False)
    obs, actions = arrays["observations"], arrays["actions"]
    outcome = np.stack(env.outcome_of(obs[:, :-1], actions, obs[:, 1:]), axis=-1)
    again = env.compute_reward(outcome, env.tasks[0])[0]
    np.testing.assert_allclose(again, arrays["rewards"], atol=1e-5)
    assert np.abs(actions).max() <= 3 and np.abs(actions).max() > 1


def test_the_saved_policy_replans_and_a_published_notebook_reads_the_logs(run_dir):
    result = CliRunner().invoke(sim_policy, [str(run_dir)])
    assert result.exit_code == 0, result.output
    (row,) = (run_dir / "sim_policy.csv").read_text().splitlines()[1:]
    assert row
    best = np.maximum.accumulate(loadmat(run_dir / "logs.mat")["returns"][0])
    assert len(best) == 4 and (np.diff(best) >= 0).all()


def test_the_acting_policy_gives_actions_of_the_house(run_dir):
    stored = json.loads((run_dir / "variant.json").read_text())
    launcher, experiment = PETSLauncher(), config()
    assert stored["algo_params"]["ctrl_cfg"]["opt_cfg"]["cfg"]["popsize"] == 8
    env = launcher.build_env(experiment)
    policy = launcher.load(experiment, env, run_dir, "cpu")
    policy.start_trajectories([stream(0, "test")])
    action = policy.get_actions(np.zeros((1, 4), np.float32), None)
    policy.start_trajectories([stream(0, "test")])
    raw = policy.controller.get_actions(np.zeros((1, 4), np.float32))
    np.testing.assert_allclose(3 * action, raw, rtol=1e-6)
    assert np.abs(action).max() <= 1
    env.close()


def test_print_config_names_steps_and_hours(here):
    write_config(Path("config.json"), settings())
    result = launch("config.json", "--print-config")
    assert result.exit_code == 0
    assert "environment steps: 12 (0 at first, 6 per iteration)" in result.stderr
    assert "gradient steps: 2 (1 per iteration)" in result.stderr
    assert "time: about" in result.stderr


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_smoke_run_of_a_shipped_configuration_is_small(path):
    full = load_config(path)
    cut = full.cut_for_debug()
    assert cut.algo_params.task_hor == 10
    assert cut.algo_params.ctrl_cfg.opt_cfg.cfg.popsize == 20
    assert cut.algo_params.ctrl_cfg.prop_cfg.model_train_cfg.epochs == 1
    assert to_dict(cut.cut_for_debug()) == to_dict(cut)
    assert not [*cut.relations()]


def test_a_loaded_model_plans_in_the_first_iteration(run_dir, here):
    changes = {
        f"{PROP}.model_pretrained": True,
        f"{PROP}.model_init_cfg.load_model": True,
        f"{PROP}.model_init_cfg.model_dir": str(run_dir),
        "algo_params.exp_cfg.exp_cfg.ninit_rollouts": 0,
    }
    loaded = config(**{key.replace(".", "__"): value for key, value in changes.items()})
    experiment = PETSLauncher().build(loaded, "cpu", 1)
    stored = torch.load(run_dir / "dynamics.pth", weights_only=True)
    weights = experiment.networks["dynamics"].state_dict()
    assert all(torch.equal(weights[name], value) for name, value in stored.items())
    found = experiment.algorithm.collect_data(0, NoLoop())
    assert found["AverageReturn"] == found["BestReturn"] and found["Plan Time (s)"] > 0
    experiment.close()


def test_without_a_model_the_first_trials_are_random_even_if_they_are_no_initial_ones():
    untrained = config(algo_params__exp_cfg__exp_cfg__ninit_rollouts=0)
    experiment = PETSLauncher().build(untrained, "cpu", 1)
    found = experiment.algorithm.collect_data(0, NoLoop())
    assert found["Plan Time (s)"] == 0 and "AverageReturn" in found
    experiment.close()


def test_a_model_folder_that_does_not_fit_ends_with_one_message(run_dir, here):
    write_config(Path("config.json"), settings())
    load = "--set", f"{PROP}.model_init_cfg.load_model=true"
    place = "--set", f"{PROP}.model_init_cfg.model_dir={here}"
    result = launch("config.json", *load, *place)
    assert result.exit_code == 2 and "no model.mat and no model.nns" in result.stderr
    place = "--set", f"{PROP}.model_init_cfg.model_dir={run_dir}"
    other = "--set", f"{PROP}.model_init_cfg.hidden_sizes=[8,9]"
    result = launch("config.json", *load, *place, *other)
    assert result.exit_code == 2 and "expected 2 x 6 -> 8 swish; 2 x 8 -> 9" in result.stderr
    result = launch("config.json", "--set", f"{PROP}.model_pretrained=true")
    assert result.exit_code == 2 and "a model from load_model and model_dir" in result.stderr


@pytest.mark.render
def test_trials_are_filmed_while_it_trains(here):
    files = RunFiles()
    files.run_dir = here
    recorded = config(algo_params__exp_cfg__log_cfg__nrecord=2)
    experiment = PETSLauncher().build(recorded, "cpu", 1, files=files)
    ticks = []

    class Loop(NoLoop):
        def tick(self, done, total, note="", save=None):
            ticks.append((note, done, total))

    for iteration in range(2):
        experiment.algorithm.collect_data(iteration, Loop())
        experiment.algorithm.do_training(iteration, NoLoop())
    assert [tick for tick in ticks if tick[0].startswith("filming")] == [
        (f"filming trial {trial} of 2", done, 7) for trial in (1, 2) for done in range(1, 8)
    ]
    films = sorted(str(path.relative_to(here)) for path in here.rglob("*.mp4"))
    assert films == ["train_iter1/rollout0.mp4", "train_iter1/rollout1.mp4"]
    contents = [(here / film).read_bytes() for film in films]
    assert contents[0] != contents[1] and min(map(len, contents)) > 1000
    found = experiment.algorithm
    assert len(found.returns) == 1 and found.num_env_steps == 6 + 2 * 6
    experiment.close()


def test_a_disturbed_trial_stores_the_actions_without_the_disturbance():
    stochastic = {"stochastic": True, "noise_std": 1.0}
    starts = []
    for sim in (stochastic, {"stochastic": False}):
        changes = {f"algo_params__exp_cfg__sim_cfg__{key}": value for key, value in sim.items()}
        experiment = PETSLauncher().build(config(**changes), "cpu", 1)
        experiment.algorithm.collect_data(0, NoLoop())
        buffer = experiment.algorithm.buffer
        obs, actions, *_ = buffer.rows_of(0).split(buffer.columns, dim=1)
        starts.append((obs, actions))
        experiment.close()
    (noisy, noisy_actions), (clean, clean_actions) = starts
    assert torch.equal(noisy_actions, clean_actions) and torch.equal(noisy[0], clean[0])
    assert not torch.equal(noisy[1:], clean[1:])
