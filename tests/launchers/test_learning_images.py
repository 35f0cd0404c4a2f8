"""PEARL learns the point robot from pictures: the quick configuration, whose run is in docs/results/quick-point-robot-img."""

import pytest

from rlkit.launchers.load_config import load_config
from rlkit.launchers.pearl import build_pearl


@pytest.mark.slow
def test_return_rises_on_the_point_robot_seen_in_pictures():
    config = load_config("configs/quick/point-robot-img.json")
    algorithm = build_pearl(config, "cpu", seed=0).algorithm
    returns = []
    for iteration in range(10):
        algorithm.collect_data(iteration)
        algorithm.do_training(iteration)
        evaluated = algorithm.evaluate(iteration)
        returns.append([evaluated[f"Average{name}_tasks"] for name in ("TrainReturn_all_train", "Return_all_test")])
        print(f"iteration {iteration}: buffer {returns[-1][0]:.2f}, test {returns[-1][1]:.2f}")
    first, last = ([sum(column) / 3 for column in zip(*part, strict=True)] for part in (returns[:3], returns[-3:]))
    assert last[0] > first[0] + 2
    assert last[1] > first[1] + 2
