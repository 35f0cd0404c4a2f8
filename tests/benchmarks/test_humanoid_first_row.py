"""The first gradient step of a new humanoid-dir run matches the published one."""

import pytest

from benchmarks.studies.humanoid_first_row import CONFIG, REFERENCE, first_row, markdown, small_pool
from rlkit.launchers.load_config import load_config


@pytest.fixture(scope="module")
def row():
    cut = [
        "n_train_tasks=10",
        "algo_params.num_steps_prior=20",
        "algo_params.num_extra_rl_steps_posterior=20",
    ]
    return first_row(
        small_pool(load_config(CONFIG, cut), initial_steps=40, contact_forces=True), seed=0
    )


def test_the_first_kl_and_what_hangs_on_it_are_the_published_ones(row):
    assert row["KL Divergence"] == pytest.approx(196.6, abs=2)
    assert row["KL Loss"] == pytest.approx(19.66, abs=0.2)
    assert row["Z variance train"] == pytest.approx(REFERENCE[1], rel=0.03)


def test_first_losses_and_log_pi_are_near_the_published_ones(row):
    for name, reference, tolerance in (
        ("QF Loss", 1190.6, 0.1),
        ("Policy Loss", -11.447, 0.03),
        ("Log Pis Mean", -11.382, 0.01),
    ):
        assert row[name] == pytest.approx(reference, rel=tolerance)


def test_the_table_has_a_line_for_each_of_oysters_columns(row):
    lines = markdown({"a": [row], "b": [row, row]}).splitlines()
    assert lines[0] == "| column | a | b | reference |"
    assert len(lines) == 2 + 27 == 2 + len(REFERENCE)
    assert lines[2].startswith("| `Z mean train` |") and lines[-1].startswith(
        "| `Policy log std Min` |"
    )
