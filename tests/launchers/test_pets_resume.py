"""PETS stopped inside a trial and resumed equals the uninterrupted run."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rlkit.launchers.pets import PETSLauncher
from tests.pets_runs import arrays_of, config, logs, rows, same_arrays, schedule
from tests.stoppable_runs import Stopped, run_stoppable
from tests.tiny_runs import same_weights

OFTEN = 1e-9  # minutes: a checkpoint with every tick
STOPS = [(0, 2), (0, 6), (1, 1), (1, 4), (1, 6), (2, 3), (2, 5), (3, 2)]


def experiment_config(num_iterations: int = 4, **changes):
    settings = {
        "algo_params__num_iterations": num_iterations,
        "algo_params__ctrl_cfg__per": 2,
        "algo_params__exp_cfg__log_cfg__neval": 2,
        "algo_params__exp_cfg__sim_cfg__stochastic": True,
        "algo_params__exp_cfg__sim_cfg__noise_std": 0.1,
        "algo_params__ctrl_cfg__log_cfg__log_particles": True,
        **changes,
    }
    return config("PE", "TS1", "CEM", **settings)


def run(folder: Path, settings, stop_at=None, *, resume: bool = False) -> list:
    often = schedule(settings, checkpoint_minutes=OFTEN)
    return run_stoppable(PETSLauncher(), settings, folder, often, stop_at=stop_at, resume=resume)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(folder, experiment_config())
    return folder


@pytest.mark.parametrize("stop_at", STOPS, ids=str)
def test_a_run_stopped_inside_a_trial_equals_an_uninterrupted_one(tmp_path, whole, stop_at):
    with pytest.raises(Stopped):
        run(tmp_path, experiment_config(), stop_at)
    state = torch.load(newest_state(tmp_path), weights_only=True)["state"]
    done_before = state["algorithm"]["trials"]["actions"]
    assert (0 if done_before is None else len(done_before)) == stop_at[1] - 1
    shown = run(tmp_path, experiment_config(), resume=True)
    assert shown[0][0] == stop_at[1]  # it continues with the step at which it was stopped
    assert rows(tmp_path) == rows(whole)
    assert same_arrays(logs(tmp_path), logs(whole))
    assert same_weights(tmp_path, whole)
    for iteration in (1, 2, 3):
        name = Path(f"train_iter{iteration}") / "predictions.mat"
        assert same_arrays(arrays_of(tmp_path / name), arrays_of(whole / name))


def test_a_longer_run_equals_one_that_was_extended(tmp_path, whole):
    run(tmp_path, experiment_config(2))
    run(tmp_path, experiment_config(4), resume=True)
    assert rows(tmp_path) == rows(whole)
    assert same_arrays(logs(tmp_path), logs(whole))
    assert same_weights(tmp_path, whole)


def test_a_trial_does_not_depend_on_the_trials_beside_it(tmp_path, whole):
    alone = experiment_config(algo_params__exp_cfg__log_cfg__neval=1)
    run(tmp_path, alone)
    one, two = logs(tmp_path), logs(whole)
    np.testing.assert_allclose(one["observations"], two["observations"], atol=1e-3)
    np.testing.assert_allclose(one["returns"][0], two["returns"][0, ::2], atol=1e-3)


def newest_state(folder: Path) -> Path:
    manifest = json.loads((folder / "checkpoint" / "manifest.json").read_text())["manifest"]
    return folder / "checkpoint" / str(manifest["state"]["file"])
