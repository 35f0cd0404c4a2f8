"""Planners: an iteration by hand, bounds, stopping, the returned plan."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from rlkit.torch.pets.noise import LaneNoise
from rlkit.torch.pets.planners import CEM, RandomShooting
from tests.torch.pets.toy import Remembered

H, DIM = 3, 2
LOW, HIGH = torch.tensor([-1.0, -2.0]).double(), torch.tensor([1.0, 4.0]).double()
GOAL = torch.tensor([0.6, 3.0]).double()


def to_goal(candidates: Tensor) -> Tensor:
    return ((candidates - GOAL) ** 2).sum(dim=(2, 3))


def middle(num_lanes: int = 1) -> Tensor:
    return ((LOW + HIGH) / 2).expand(num_lanes, H, DIM)


def noise_of(*seeds: int) -> LaneNoise:
    return LaneNoise([np.random.default_rng(seed) for seed in seeds], dtype=torch.float64)


def test_an_iteration_is_as_computed_by_hand():
    noise, cem = Remembered(), CEM(LOW, HIGH, 6, 2, alpha=0.3)
    mean = torch.tensor([[0.5, -1.5], [0.0, 1.0], [-0.9, 3.0]]).double()[None]
    variance = torch.tensor([[0.1, 0.2], [1.0, 2.0], [0.3, 0.01]]).double()[None]
    new_mean, new_variance = cem.iterate(to_goal, mean, variance, noise)

    m, v, low, high = (t.numpy() for t in (mean[0], variance[0], LOW, HIGH))
    std = np.sqrt(np.minimum(np.minimum(((m - low) / 2) ** 2, ((high - m) / 2) ** 2), v))
    covered = math.erf(2 / math.sqrt(2))
    u = torch.special.ndtri(0.5 + covered * (noise.draws[0][0] - 0.5)).numpy()
    candidates = m + std * u
    order = np.argsort([to_goal(torch.tensor(x)[None, None]).item() for x in candidates])
    elites = candidates[order[:2]]
    np.testing.assert_allclose(new_mean[0], 0.3 * m + 0.7 * elites.mean(0), rtol=1e-9)
    np.testing.assert_allclose(new_variance[0], 0.3 * v + 0.7 * elites.var(0), rtol=1e-9)

    cem.smooth_variance = False
    _, unsmoothed = cem.iterate(to_goal, mean, variance, Remembered())
    np.testing.assert_allclose(unsmoothed[0], elites.var(0), rtol=1e-9)


def test_all_candidates_lie_in_the_box_and_are_not_clipped_to_it():
    seen = []

    def objective(candidates: Tensor) -> Tensor:
        seen.append(candidates)
        return to_goal(candidates)

    start = torch.tensor([0.99, -1.9]).double().expand(1, H, DIM)
    CEM(LOW, HIGH, 200, 20).plan(objective, start, noise_of(0))
    candidates = torch.cat(seen, dim=1)
    assert candidates.shape == (1, 1000, H, DIM)
    assert (candidates >= LOW - 1e-12).all() and (candidates <= HIGH + 1e-12).all()
    assert ((candidates == LOW) | (candidates == HIGH)).sum() == 0


def test_cem_finds_the_minimum_of_a_quadratic():
    plan = CEM(LOW, HIGH, 1000, 100, max_iters=12).plan(to_goal, middle(), noise_of(0))
    torch.testing.assert_close(plan, GOAL.expand(1, H, DIM), rtol=0, atol=0.02)


def test_the_plan_is_the_mean_and_not_the_best_candidate():
    cem, seen = CEM(LOW, HIGH, 50, 5, max_iters=2), []

    def objective(candidates: Tensor) -> Tensor:
        seen.append(candidates)
        return to_goal(candidates)

    plan, twin = cem.plan(objective, middle(), noise_of(0)), noise_of(0)
    first = cem.iterate(to_goal, middle(), ((HIGH - LOW) / 4).square().expand(1, H, DIM), twin)
    torch.testing.assert_close(plan, cem.iterate(to_goal, *first, twin)[0])
    assert not (torch.cat(seen, dim=1) == plan.unsqueeze(1)).all(dim=(2, 3)).any()


def test_a_lane_stops_once_its_variance_is_small():
    calls = []

    def objective(candidates: Tensor) -> Tensor:
        calls.append(candidates)
        return to_goal(candidates)

    eager = CEM(LOW, HIGH, 100, 10, max_iters=50, epsilon=0.05)
    stopped = eager.plan(objective, middle(), noise_of(0))
    assert 1 < len(calls) < 50
    same = CEM(LOW, HIGH, 100, 10, max_iters=len(calls), epsilon=0.0)
    assert torch.equal(stopped, same.plan(to_goal, middle(), noise_of(0)))


def test_lanes_plan_and_stop_independently_of_each_other():
    cem = CEM(LOW, HIGH, 100, 10, max_iters=20, epsilon=0.05)
    together = cem.plan(to_goal, middle(2), noise_of(5, 6))
    for lane, seed in enumerate((5, 6)):
        alone = cem.plan(to_goal, middle(), noise_of(seed))
        torch.testing.assert_close(together[lane], alone[0], rtol=1e-10, atol=1e-10)


def test_candidates_without_a_cost_are_never_elites():
    def objective(candidates: Tensor) -> Tensor:
        bad = candidates[:, :, 0, 0] > 0
        return torch.where(bad, torch.nan, to_goal(candidates))

    plan = CEM(LOW, HIGH, 200, 20).plan(objective, middle(), noise_of(0))
    assert plan.isfinite().all() and plan[0, 0, 0] < 0.05
    shot = RandomShooting(LOW, HIGH, 200).plan(objective, middle(), noise_of(0))
    assert shot[0, 0, 0] <= 0
    blind = CEM(LOW, HIGH, 20, 5).plan(
        lambda c: torch.full(c.shape[:2], torch.nan), middle(), noise_of(0)
    )
    assert blind.isfinite().all()


def test_random_shooting_returns_the_cheapest_of_uniform_candidates():
    seen = []

    def objective(candidates: Tensor) -> Tensor:
        seen.append(candidates)
        return to_goal(candidates)

    plan = RandomShooting(LOW, HIGH, 2000).plan(objective, middle(2) + 100, noise_of(0, 1))
    for lane in range(2):
        assert torch.equal(plan[lane], seen[0][lane, to_goal(seen[0])[lane].argmin()])
    assert (seen[0] >= LOW).all() and (seen[0] <= HIGH).all()
    torch.testing.assert_close(seen[0].mean(dim=(0, 1, 2)), (LOW + HIGH) / 2, rtol=0, atol=0.08)
    torch.testing.assert_close(
        seen[0].std(dim=(0, 1, 2)), (HIGH - LOW) / math.sqrt(12), rtol=0.03, atol=0
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_elites": 11}, "num_elites is 11; expected 1 to popsize, which is 10"),
        ({"num_elites": 0}, "num_elites is 0"),
        ({"max_iters": 0}, "max_iters is 0"),
        ({"alpha": 1.0}, "alpha is 1.0"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        CEM(LOW, HIGH, **{"popsize": 10, "num_elites": 2} | options)
    with pytest.raises(ValueError, match="popsize is 0"):
        RandomShooting(LOW, HIGH, 0)
