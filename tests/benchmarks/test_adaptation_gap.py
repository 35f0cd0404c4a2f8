"""Contexts of the adaptation gap, standard errors of its means, and the files that it writes."""

import csv

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from benchmarks.studies import adaptation_gap
from benchmarks.studies.adaptation_gap import ROWS, TRAJECTORIES, Trials, drawn_rows, main
from benchmarks.studies.gap_table import standard_errors
from benchmarks.studies.trained_run import load_trained
from rlkit.core.seeding import stream
from tests.benchmarks.test_trained_run import small_run

TINY = [
    "n_train_tasks=4",
    "n_eval_tasks=3",
    "env_params.n_tasks=7",
    "algo_params.max_path_length=4",
]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("runs"), "point-robot", *TINY)[0]


def test_standard_errors_of_a_table_computed_by_hand():
    these, all_tasks = standard_errors(
        np.array([[1.0, 3.0], [4.0, 8.0]])
    )  # variances 2 and 8, means 2 and 6
    assert these == pytest.approx(np.sqrt(2 / 2 + 8 / 2) / 2)
    assert all_tasks == pytest.approx(np.sqrt(8) / np.sqrt(2))


def test_rows_are_drawn_from_the_lanes_own_pool():
    pool = torch.arange(12).reshape(2, 6, 1)
    one, two = drawn_rows(pool, 50, [stream(0, "test", lane) for lane in range(2)])
    assert one.shape == (50, 1)
    assert set(one.flatten().tolist()) == set(range(6))
    assert set(two.flatten().tolist()) == set(range(6, 12))


def test_a_whole_context_gives_the_belief_of_the_meta_test(run_dir):
    trials = Trials(load_trained(run_dir), "test", runs=2, seed=0)
    agent = trials.run.experiment.policy
    explored = trials.explore(deterministic=True)
    assert explored.shape == (6, 10, 4, 5)
    paths = [trials._sample(trials.generators("exploration", n), None, True) for n in range(2)]
    agent.reset_belief(6)
    for trajectory in paths:
        agent.adapt(trajectory)
    means, variances = agent.posterior(explored[:, :2].flatten(1, 2))
    torch.testing.assert_close(means, agent.z_means, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(variances, agent.z_vars, rtol=1e-5, atol=1e-6)


def test_either_exploration_begins_alike_and_only_one_has_noise(run_dir):
    trials = Trials(load_trained(run_dir), "train", runs=1, seed=0)
    smooth, noisy = trials.explore(deterministic=True), trials.explore(deterministic=False)
    torch.testing.assert_close(smooth[:, :, 0, :2], noisy[:, :, 0, :2])
    assert not torch.allclose(smooth[..., 2:4], noisy[..., 2:4])


def test_the_command_writes_every_cell_with_finite_numbers(run_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(adaptation_gap, "FRESH_TASKS", 2)
    monkeypatch.setattr(adaptation_gap, "RUNS", {"train": 2, "test": 2, "fresh": 2})
    result = CliRunner().invoke(main, [str(run_dir), str(tmp_path)])
    assert result.exit_code == 0, result.output
    with (tmp_path / "gap.csv").open() as file:
        cells = list(csv.DictReader(file))
    drawn = {
        (c["tasks"], c["exploration"], int(c["trajectories"]), int(c["rows"]))
        for c in cells
        if c["context"] == "drawn"
    }
    ways = ("deterministic", "stochastic")
    assert drawn == {
        (t, e, n, k)
        for t in ("train", "test", "fresh")
        for e in ways
        for n in TRAJECTORIES
        for k in ROWS
    }
    assert np.isfinite([[float(c["mean"]), float(c["error"])] for c in cells]).all()
    assert [c["tasks"] for c in cells if c["context"] == "buffer"] == ["train"]
    table = (tmp_path / "gap.md").read_text().splitlines()
    assert len(table) == 2 + 1 + 2 * 3 * 4 + 1 + 3
    assert (tmp_path / "gap.png").stat().st_size > 1000
