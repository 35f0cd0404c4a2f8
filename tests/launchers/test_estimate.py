"""The estimated cost of a run; steps of oyster's files are checked by hand."""

import re
from pathlib import Path

import pytest

from rlkit.launchers import pearl_timing
from rlkit.launchers.estimate import estimates
from rlkit.launchers.load_config import load_config
from rlkit.launchers.pearl import PEARL
from rlkit.launchers.pearl_sizes import evaluation_steps
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.torch.sac.sac import PEARLSoftActorCritic
from tests.tiny_runs import launch

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
        "environment steps: 2,700,000 (200,000 at first, 5,000 per iteration), "
        "plus 54,000 per evaluation" in text
    )
    assert "gradient steps: 1,000,000 (2,000 per iteration)" in text
    assert "(196 bytes per row)" in text
    assert "disk: about" in text


def test_the_hours_of_a_run_are_those_of_its_iterations(here, monkeypatch):
    """By a clock that counts environment and gradient steps."""
    clock = [0.0]
    monkeypatch.setattr(pearl_timing.time, "perf_counter", lambda: clock[0])
    sample, take = InPlacePathSampler.obtain_samples, PEARLSoftActorCritic.take

    def obtain_samples(self, *arguments, **keywords):
        paths = sample(self, *arguments, **keywords)
        clock[0] += paths.num_steps
        return paths

    def take_steps(self, count):
        clock[0] += 100 * count
        take(self, count)

    monkeypatch.setattr(InPlacePathSampler, "obtain_samples", obtain_samples)
    monkeypatch.setattr(PEARLSoftActorCritic, "take", take_steps)
    path = here / "tiny.json"
    long = ["algo_params.max_path_length=40", "algo_params.num_steps_per_eval=80"]
    long += ["algo_params.num_initial_steps=80", "algo_params.num_train_steps_per_itr=30"]
    config = load_config(path, long)
    needed = PEARL().requirements(config)
    steps = needed.initial_steps / 3 + needed.iteration_steps
    steps += (
        config.n_eval_tasks * 2 * 80
    )  # the meta-tests; those from the buffer are done elsewhere
    seconds = PEARL().iteration_seconds(config, "cpu")
    assert seconds == pytest.approx(steps + 30 * 100, rel=0.1)


def test_print_config_tells_the_time(here):
    told = launch("tiny.json", "--print-config").stderr
    assert re.search(r"time: about .*s on this machine \(3 iterations\)", told)


def test_a_run_that_does_not_fit_is_not_timed(here):
    told = launch("tiny.json", "--print-config", "--set", "net_size=1000000").stderr
    assert "on this machine the run would be refused: this run needs" in told
    assert "time:" not in told
