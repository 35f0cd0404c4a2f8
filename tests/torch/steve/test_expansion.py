"""Candidate targets: a worked example, the matrix form, and every method."""

import itertools

import pytest
import torch

from rlkit.torch.steve.expansion import EPSILON, Rollouts, expand
from rlkit.torch.steve.reductions import reduction

METHODS = ("mve", "mean_k", "td_lambda", "steve", "steve_cov")


def rollouts(rewards, survival, values) -> Rollouts:
    nothing = torch.zeros(len(survival), 1, 1, 1)
    return Rollouts(rewards, survival, values, nothing, nothing)


def random_rollouts(dtype, members=(4, 3, 2), horizon=3, rows=50, seed=0) -> Rollouts:
    generator = torch.Generator().manual_seed(seed)
    transitions, rewards, critics = members

    def uniform(*shape):
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    ended = (uniform(1, 1, rows) < 0.2).double().expand(1, transitions, rows)
    alive = (1 - torch.cat([ended, 0.3 * uniform(horizon, transitions, rows)])).cumprod(dim=0)
    real = uniform(1, 1, 1, rows).expand(1, transitions, rewards, rows)
    imagined = 10 * uniform(horizon, transitions, rewards, rows) - 5
    values = 100 * uniform(horizon + 1, transitions, critics, rows)
    parts = torch.cat([real, imagined]), alive, values
    return rollouts(*(part.to(dtype) for part in parts))


def matrix_form(found: Rollouts, discount: float, scale: float) -> torch.Tensor:
    """Equation by equation, one sample after the other, float64: [B, F, F, N]."""
    rewards, survival, values = (part.double() for part in found[:3])
    steps, members, rows = survival.shape
    before = torch.cat([torch.ones(1, members, rows).double(), survival[:-1]])
    samples = list(itertools.product(range(members), *map(range, (rewards.shape[2],))))
    result = []
    for u, t in itertools.product(range(steps), range(steps)):
        cells = []
        for (i, j), k in itertools.product(samples, range(values.shape[2])):
            divisor = 1.0 if u == 0 else before[u, i] + EPSILON
            total = torch.zeros(rows).double()
            for step in range(u, t + 1):
                factor = discount ** (step - u) * before[step, i] / divisor
                total = total + scale * factor * rewards[step, i, j]
            end = discount ** (t - u + 1) * survival[t, i] / divisor * values[t, i, k]
            cells.append(total + end if t >= u else torch.zeros(rows).double())
        result.append(torch.stack(cells, dim=-1))
    return torch.stack(result, dim=1).view(rows, steps, steps, -1)


@pytest.fixture
def example() -> Rollouts:
    """Two transition members, one of rewards, two critics; gamma 0.9."""
    rewards = torch.tensor([[[1.0], [1.0]], [[2.0], [1.0]]], dtype=torch.float64)
    survival = torch.tensor([[1.0, 1.0], [0.9, 0.7]], dtype=torch.float64)
    values = [[[10.0, 12.0], [10.0, 12.0]], [[11.0, 13.0], [9.0, 10.0]]]
    values = torch.tensor(values, dtype=torch.float64)
    return rollouts(*(part.unsqueeze(-1) for part in (rewards, survival, values)))


def test_the_samples_of_the_worked_example(example):
    found = expand(example, 0.9, num_starts=2)
    assert found.shape == (1, 2, 2, 4)
    samples = {
        (0, 0): [10, 11.8, 10, 11.8],
        (0, 1): [10.819, 12.277, 7.003, 7.57],
        (1, 1): [10.91, 12.53, 6.67, 7.3],
    }
    for (u, t), expected in samples.items():
        expected = torch.tensor(expected, dtype=torch.float64)
        torch.testing.assert_close(found[0, u, t], expected, rtol=2e-8, atol=0)
    assert not found[0, 1, 0].any()
    mean, variance = found[0, 0].mean(dim=-1), found[0, 0].var(dim=-1, correction=0)
    assert mean.tolist() == pytest.approx([10.9, 9.41725], abs=1e-12)
    assert variance.tolist() == pytest.approx([0.81, 4.8460022], abs=1e-7)


REDUCED = {
    "steve": (10.6876543, [0.8567893, 0.1432107]),
    "steve_cov": (10.7891902, [0.9252674, 0.0747326]),
    "mean_k": (10.158625, [0.5, 0.5]),
    "td_lambda": (10.5293125, [0.75, 0.25]),
    "mve": (9.41725, [0, 1]),
}


@pytest.mark.parametrize("method", REDUCED)
def test_the_targets_of_the_worked_example(example, method):
    target, weights = REDUCED[method]
    found = reduction(method, 0.25)(expand(example, 0.9))
    assert found.targets.item() == pytest.approx(target, abs=6e-8)
    assert found.weights.flatten().tolist() == pytest.approx(weights, abs=6e-8)


def test_the_targets_of_all_starts_of_the_worked_example(example):
    found = reduction("mve", 0.0)(expand(example, 0.9, num_starts=2))
    assert found.targets[0].tolist() == pytest.approx([9.41725, 9.3525], abs=1e-7)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("members", [(4, 3, 2), (1, 1, 1), (2, 1, 4)])
def test_running_sums_equal_the_matrix_form(dtype, bound, members):
    made = random_rollouts(dtype, members)
    exact = matrix_form(made, 0.99, 1.5)
    found = expand(made, 0.99, 1.5, num_starts=4)
    started = made.survival[:, 0].double()  # a start behind a real end divides 0 by 1e-8
    assert started.min() == 0
    assert (found - exact).abs().max() <= bound * exact.abs().max()
    alone = expand(made, 0.99, 1.5)
    assert torch.equal(alone, found[:, :1])


@pytest.mark.parametrize("method", METHODS)
def test_a_real_end_gives_the_reward(method):
    made = random_rollouts(torch.float32)
    ended = made.survival[0, 0] == 0
    assert 0 < ended.sum() < len(ended)
    found = reduction(method, 0.25)(expand(made, 0.99, 2.0))
    rewards = 2.0 * made.rewards[0, 0, 0]
    torch.testing.assert_close(found.targets[ended, 0], rewards[ended], rtol=1e-6, atol=1e-6)
    assert not torch.isclose(found.targets[~ended, 0], rewards[~ended]).any()  # bootstraps
    if method == "steve":
        assert (found.weights[ended] == 0.25).all()  # variances of exactly 0


def test_equal_members_make_steve_the_mean_over_lengths():
    made = random_rollouts(torch.float32, (1, 1, 1))
    wide = expand(rollouts(*(part.expand(4, 4, *part.shape[2:]) for part in made[:2]),
                           made.values.expand(4, 4, 3, -1)), 0.99)  # fmt: skip
    found, expected = (reduction(name, 0.0)(wide) for name in ("steve", "mean_k"))
    assert torch.equal(found.weights, torch.full_like(found.weights, 0.25))
    torch.testing.assert_close(found.targets, expected.targets)


@pytest.mark.parametrize("method", METHODS)
def test_the_weights_of_the_first_start_add_up_to_one(method):
    candidates = expand(random_rollouts(torch.float64), 0.99, num_starts=4)
    found = reduction(method, 0.75)(candidates)
    assert found.weights.shape == (50, 4, 4) and found.targets.shape == (50, 4)
    torch.testing.assert_close(found.weights[:, 0].sum(-1), torch.ones(50).double())
    later = torch.arange(4)
    assert not found.weights[:, later[:, None] > later].any()
    if method == "td_lambda":
        sums = 0.75 ** torch.arange(4).double()
        torch.testing.assert_close(found.weights.sum(-1), sums.expand(50, 4))


def test_weights_with_covariances_solve_the_ridged_scatter():
    candidates = expand(random_rollouts(torch.float64), 0.99)
    weights = reduction("steve_cov", 0.0)(candidates).weights[:, 0]
    deviations = candidates[:, 0] - candidates[:, 0].mean(-1, keepdim=True)
    scatter = deviations @ deviations.mT + 1e-3 * torch.eye(4).double()
    solved = (scatter @ weights.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(solved, solved[:, :1].expand(-1, 4), rtol=1e-7, atol=1e-7)


def test_without_horizon_only_the_bootstrap_is_left():
    made = random_rollouts(torch.float64, (1, 1, 4), horizon=0)
    found = reduction("ddpg", 0.0)(expand(made, 0.9)).targets[:, 0]
    alive = made.survival[0, 0]
    expected = made.rewards[0, 0, 0] + 0.9 * alive * made.values[0, 0].mean(0)
    torch.testing.assert_close(found, expected)
