"""The methods learn to adapt on points; minutes each."""

import pytest

from rlkit.core.algorithm import NoLoop
from rlkit.core.config import with_settings
from rlkit.launchers.launcher import launcher_for
from rlkit.launchers.load_config import parse_config, read_variant
from tests.tiny_runs import ROOT

QUICK = ROOT / "configs" / "meta_pg" / "quick"


def trained(name: str, *settings: str, iterations: int) -> dict[str, float]:
    """Train a quick configuration; the meta-test at the end."""
    machine = ["seed=1", "util_params.torch_threads=1", "util_params.use_gpu=false"]
    data = with_settings(read_variant(QUICK / f"{name}.json"), [*machine, *settings])
    config = parse_config(data, name)
    experiment = launcher_for(config).build(config, "cpu", 1)
    algorithm, loop = experiment.algorithm, NoLoop()
    for iteration in range(iterations):
        algorithm.collect_data(iteration, loop)
        algorithm.do_training(iteration, loop)
    found = algorithm.evaluate(iterations, loop)
    experiment.close()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("method", ["promp", "maml-trpo"])
def test_gradient_methods_adapt_to_goals_of_the_point_robot(method):
    found = trained(f"point-robot-{method}", iterations=15)
    assert found["AverageReturn_all_test_tasks"] > -12  # the centre -15.8, goal known -5.2
    assert found["Adaptation gain"] > 3


@pytest.mark.slow
def test_rl2_finds_the_average_policy_of_the_point_robot():
    found = trained("point-robot-rl2", iterations=60)
    assert found["AverageReturn_all_test_tasks"] > -16  # a random policy -21
