"""What a run takes, computed before it runs; steps against those of oyster's files, computed by hand."""

from pathlib import Path

import pytest

from rlkit.launchers.estimate import estimates
from rlkit.launchers.load_config import load_config
from rlkit.launchers.pearl import PEARL
from rlkit.launchers.pearl_sizes import evaluation_steps

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize(
    ("name", "initial", "iteration"),
    [
        ("cheetah-dir", 4_000, 10_000),
        ("cheetah-vel", 200_000, 5_000),
        ("point-robot", 16_000, 2_000),
        ("sparse-point-robot", 16_000, 10_000),
    ],
)
def test_environment_steps_are_those_of_the_published_configurations(name, initial, iteration):
    needed = PEARL().requirements(load_config(CONFIGS / f"{name}.json"))
    assert (needed.initial_steps, needed.iteration_steps) == (initial, iteration)


def test_evaluation_steps_are_counted_apart():
    assert evaluation_steps(load_config(CONFIGS / "cheetah-vel.json")) == 30 * (2 * 600 + 600)
    # two runs of one trajectory each after an exploration of 400 steps, on train and on test tasks
    assert evaluation_steps(load_config(CONFIGS / "paper" / "cheetah-vel.json")) == 30 * (
        2 * (400 + 2 * 200) + 400
    )


def test_the_requirements_name_steps_memory_and_disk():
    text = "\n".join(estimates(load_config(CONFIGS / "cheetah-vel.json")))
    assert (
        "environment steps: 2,700,000 (200,000 at first, 5,000 per iteration), in addition to 54,000 per evaluation"
        in text
    )
    assert "gradient steps: 1,000,000 (2,000 per iteration)" in text
    assert "(196 bytes a row)" in text
    assert "disk: about" in text
