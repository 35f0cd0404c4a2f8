"""The baseline compared with plain least squares; returns and advantages with their sums."""

import numpy as np
import pytest
import torch

from rlkit.torch.meta_pg.advantages import discounted_returns, gae, standardized
from rlkit.torch.meta_pg.baseline import baseline_values, features, ridge

DRAW = torch.Generator().manual_seed(0)


def test_a_fit_equals_the_closed_form_of_each_task_without_its_masked_rows():
    inputs = torch.randn(3, 30, 5, generator=DRAW, dtype=torch.float64)
    targets = torch.randn(3, 30, generator=DRAW, dtype=torch.float64)
    mask = torch.rand(3, 30, generator=DRAW) < 0.7
    found = ridge(inputs, targets, mask)
    for task in range(3):
        rows, goals = inputs[task][mask[task]].numpy(), targets[task][mask[task]].numpy()
        padded = np.vstack([rows, np.sqrt(1e-5) * np.eye(5)])  # the ridge term as further rows
        expected = np.linalg.lstsq(padded, np.concatenate([goals, np.zeros(5)]), rcond=None)[0]
        np.testing.assert_allclose(found[task].numpy(), expected, rtol=1e-8)


def test_singular_features_such_as_contact_forces_of_zero_give_finite_values():
    obs = torch.randn(2, 4, 10, 30, generator=DRAW)
    obs[..., 3:] = 0
    obs[..., 4] = obs[..., 0]
    returns, mask = torch.randn(2, 4, 10, generator=DRAW), torch.ones(2, 4, 10)
    values = baseline_values(obs, returns, mask, "linear")
    assert values.isfinite().all() and values.abs().max() > 0


def test_features_are_clipped_observations_their_squares_and_times_within_the_episode():
    obs = torch.tensor([[[2.0], [-30.0]]])
    expected = [[2.0, 4.0, 0, 0, 0, 1], [-10.0, 100.0, 0.01, 1e-4, 1e-6, 1]]
    np.testing.assert_allclose(features(obs, "linear")[0].numpy(), expected)
    np.testing.assert_allclose(features(obs, "linear_time")[0].numpy(), np.array(expected)[:, 2:])


def test_a_linear_return_is_explained_and_zero_explains_nothing():
    obs, mask = torch.randn(2, 3, 8, 2, generator=DRAW), torch.ones(2, 3, 8)
    returns = 2 * obs[..., 0] - obs[..., 1] ** 2 + 3
    torch.testing.assert_close(
        baseline_values(obs, returns, mask, "linear").float(), returns, atol=1e-3, rtol=0
    )
    assert not baseline_values(obs, returns, mask, "zero").any()


def test_returns_and_advantages_are_their_sums():
    rewards = torch.randn(2, 6, generator=DRAW, dtype=torch.float64)
    values = torch.randn(2, 6, generator=DRAW, dtype=torch.float64)
    mask = torch.ones(2, 6, dtype=torch.float64)
    mask[1, 4:] = 0
    rewards, values = rewards * mask, values * mask
    found = gae(rewards, values, mask, discount=0.9, gae_lambda=0.8)
    returns = discounted_returns(rewards, 0.9)
    for row, length in ((0, 6), (1, 4)):
        ends = [*values[row, :length].tolist(), 0.0]
        deltas = [rewards[row, t].item() + 0.9 * ends[t + 1] - ends[t] for t in range(length)]
        for t in range(length):
            expected = sum(0.72 ** (u - t) * deltas[u] for u in range(t, length))
            assert found[row, t].item() == pytest.approx(expected, abs=1e-12)
            to_go = sum(0.9 ** (u - t) * rewards[row, u].item() for u in range(t, length))
            assert returns[row, t].item() == pytest.approx(to_go, abs=1e-12)
    assert not found[1, 4:].any()


def test_with_lambda_one_the_advantage_is_the_return_less_the_value():
    rewards = torch.randn(1, 5, generator=DRAW, dtype=torch.float64)
    values, mask = torch.randn(1, 5, generator=DRAW, dtype=torch.float64), torch.ones(1, 5)
    found = gae(rewards, values, mask, discount=0.9, gae_lambda=1.0)
    torch.testing.assert_close(found, discounted_returns(rewards, 0.9) - values)


def test_a_cut_gives_no_credit_across_it():
    rewards = torch.tensor([[0.0, 0.0, 0.0, 5.0]])
    values, mask, cut = torch.zeros(1, 4), torch.ones(1, 4), torch.tensor([[0.0, 1.0, 0.0, 1.0]])
    whole = gae(rewards, values, mask, discount=1.0, gae_lambda=1.0)
    parts = gae(rewards, values, mask, discount=1.0, gae_lambda=1.0, cut=cut)
    assert whole.tolist() == [[5, 5, 5, 5]] and parts.tolist() == [[0, 0, 5, 5]]


def test_standardised_advantages_have_mean_0_and_deviation_1_in_every_task():
    values = torch.randn(3, 4, 5, generator=DRAW, dtype=torch.float64) * 7 + 2
    mask = torch.rand(3, 4, 5, generator=DRAW) < 0.6
    found = standardized(values, mask)
    for task in range(3):
        kept = found[task][mask[task]]
        assert abs(kept.mean()) < 1e-12 and kept.std(unbiased=False).item() == pytest.approx(1)
        assert not found[task][~mask[task]].any()
