"""What a run takes, computed before it runs; steps against those of oyster's files, computed by hand."""

from pathlib import Path

import pytest

from rlkit.launchers.estimate import env_steps, requirements
from rlkit.launchers.load_config import load_config

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
    steps = env_steps(load_config(CONFIGS / f"{name}.json"))
    assert (steps.initial, steps.iteration) == (initial, iteration)


def test_evaluation_steps_are_counted_apart():
    assert env_steps(load_config(CONFIGS / "cheetah-vel.json")).evaluation == 30 * (2 * 600 + 600)
    # two runs of one trajectory each after an exploration of 400 steps, on train and on test tasks
    assert env_steps(load_config(CONFIGS / "paper" / "cheetah-vel.json")).evaluation == 30 * (
        2 * (400 + 2 * 200) + 400
    )


def test_the_requirements_name_steps_memory_and_disk():
    text = requirements(load_config(CONFIGS / "cheetah-vel.json"))
    assert (
        "environment steps: 2,700,000 (200,000 at first, 5,000 per iteration), beside 54,000 per evaluation"
        in text
    )
    assert "gradient steps: 1,000,000 (2,000 per iteration)" in text
    assert "(196 bytes a row)" in text
    assert "disk: about" in text
