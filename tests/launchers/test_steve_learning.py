"""DDPG, the base of STEVE, learns to swing up a pendulum."""

import csv
from pathlib import Path

import pytest

from tests.tiny_runs import launch

CONFIG = Path(__file__).parents[2] / "configs" / "steve" / "quick" / "pendulum-ddpg.json"


@pytest.mark.slow
def test_ddpg_solves_the_pendulum_within_6000_frames(tmp_path):
    changes = ["algo_params.num_iterations=11", f"util_params.base_log_dir={tmp_path}"]
    changes += ["util_params.torch_threads=1", "util_params.physics_threads=1"]
    settings = [word for change in changes for word in ("--set", change)]
    result = launch(CONFIG, "--cpu", "--seed", "1", *settings)
    assert result.exit_code == 0, result.output
    (table,) = tmp_path.glob("*/*/progress.csv")
    with table.open(newline="") as file:
        returns = [float(row["AverageReturn"]) for row in csv.DictReader(file)]
    assert returns[0] < -1000 and max(returns) >= -200
