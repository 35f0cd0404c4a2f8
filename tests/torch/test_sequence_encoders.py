"""Encoders of whole episodes: the head's Gaussian, the part of the gradient, and what padding
leaves of an LSTM.
"""

import pytest
import torch

from rlkit.core.names import import_class
from rlkit.torch.context_encoder import ContextEncoder, split_before_last
from rlkit.torch.sac.agent import PEARLAgent
from rlkit.torch.sac.config import ENCODERS
from rlkit.torch.sac.policies import TanhGaussianPolicy
from rlkit.torch.sequence_encoders import HOLD


def encoder_class(kind):
    return import_class(kind, ENCODERS, ContextEncoder)


KINDS = [kind for kind in ENCODERS if kind != "mlp"]
LENGTHS = torch.tensor([12, 3, 7, 5])


def make_encoder(kind, **options):
    generator = torch.Generator().manual_seed(0)
    encoder = encoder_class(kind)(
        6, 3, hidden_sizes=[16] * 3, generator=generator, **options
    ).double()
    with torch.no_grad():
        for p in (encoder.last_fc.weight, encoder.last_fc.bias):
            p.add_(0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return encoder


def make_agent(kind, gradient_rows):
    encoder = make_encoder(kind)
    policy = TanhGaussianPolicy([8], 2, 3, 2, generator=torch.Generator().manual_seed(0)).double()
    return PEARLAgent(3, encoder, policy, gradient_rows=gradient_rows)


def rows_and_mask():
    rows = torch.randn(4, 12, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return rows, torch.arange(12).expand(4, 12) < LENGTHS[:, None]


def gradient_of_rows(agent):
    rows, mask = rows_and_mask()
    rows.requires_grad_(True)
    means, variances = agent.posterior(rows, mask)
    (means.sum() + variances.sum()).backward()
    return rows.grad.abs().sum(dim=-1), (means, variances)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("last", [1, 4, 11])
def test_gradient_flows_through_the_last_rows_of_each_task_only_and_the_belief_is_that_of_all(
    kind, last
):
    size, belief = gradient_of_rows(make_agent(kind, last))
    whole_size, whole = gradient_of_rows(make_agent(kind, 0))
    for ours, theirs in zip(belief, whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    steps, counts = torch.arange(12).expand(4, 12), LENGTHS[:, None]
    assert torch.equal(size > 0, (steps < counts) & (steps >= counts - last))
    assert torch.equal(whole_size > 0, steps < counts)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("last", [12, 100])
def test_as_many_gradient_rows_as_there_are_is_all_of_them(kind, last):
    for ours, theirs in zip(
        gradient_of_rows(make_agent(kind, last)), gradient_of_rows(make_agent(kind, 0)), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_rows_are_split_where_each_task_has_its_last_ones():
    rows, mask = rows_and_mask()
    (head, head_mask), (tail, tail_mask) = split_before_last(rows, mask, 5)
    assert head.shape == (4, 7, 6) and tail.shape == (4, 5, 6)
    for task, length in enumerate(LENGTHS.tolist()):
        joined = torch.cat([head[task][head_mask[task]], tail[task][tail_mask[task]]])
        assert torch.equal(joined, rows[task, :length])
        assert tail_mask[task].sum() == min(5, length)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_encoder_believes_in_one_gaussian_about_as_wide_as_the_prior_a_task(kind):
    encoder = encoder_class(kind)(6, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        rows = torch.randn(4, 30, 6, generator=torch.Generator().manual_seed(1))
        mean, variance = encoder.posterior(encoder.update(encoder.initial_state(4), rows))
    assert mean.shape == variance.shape == (4, 3)
    if kind == "attention":  # whose head is small
        torch.testing.assert_close(variance, torch.full((4, 3), 0.6931), rtol=0.1, atol=0)
        assert mean.abs().max() < 0.2
    assert 0.1 < variance.min() and variance.max() < 3
    assert mean.abs().max() < 3


@pytest.mark.parametrize("kind", KINDS)
def test_variance_has_its_floor_and_is_zero_without_the_bottleneck(kind):
    rows, mask = rows_and_mask()
    encoder = make_encoder(kind)
    with torch.no_grad():
        encoder.last_fc.bias[3:] = -100
    variance = encoder.posterior(encoder.update(encoder.initial_state(4), rows, mask))[1]
    assert torch.equal(variance, torch.full_like(variance, 1e-7))
    assert encoder.share_at_floor(rows, mask) == 1
    deterministic = make_encoder(kind, use_information_bottleneck=False)
    z, variance = deterministic.posterior(
        deterministic.update(deterministic.initial_state(4), rows, mask)
    )
    assert z.shape == (4, 3) and not variance.any()


@pytest.mark.parametrize("kind", KINDS)
def test_weights_come_from_the_given_generator_alone(kind):
    before = torch.get_rng_state()
    first, second = (
        encoder_class(kind)(6, 3, generator=torch.Generator().manual_seed(5)) for _ in range(2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert all(map(torch.equal, first.parameters(), second.parameters()))


def test_padding_has_no_gradient_in_an_lstm_and_its_weights_stay():
    encoder = make_encoder("lstm")
    rows, mask = rows_and_mask()
    mean, variance = encoder.posterior(encoder.update(encoder.initial_state(4), rows, mask))
    (mean.sum() + variance.sum()).backward()
    assert encoder.cell.weight_ih_l0.grad[:, :-1].abs().sum() > 0
    assert not encoder.cell.weight_ih_l0.grad[:, -1].any()
    expected = torch.tensor([-HOLD, HOLD, 0, 0], dtype=torch.float64).repeat_interleave(16)
    assert torch.equal(encoder.cell.weight_ih_l0.detach()[:, -1], expected)


def test_scores_of_any_size_leave_attention_finite():
    encoder = make_encoder("attention").float()
    with torch.no_grad():
        encoder.queries.mul_(1e4)
        rows = rows_and_mask()[0].float()
        state = encoder.initial_state(4)
        for piece in rows.split(4, dim=1):
            state = encoder.update(state, 1e3 * piece)
    assert all(part.isfinite().all() for part in encoder.posterior(state))


def task_rows():
    """Eight tasks of twenty rows that share something of their task."""
    generator = torch.Generator().manual_seed(1)
    return 0.5 * torch.randn(8, 20, 6, generator=generator) + 0.5 * torch.randn(
        8, 1, 6, generator=generator
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_embedding_differs_between_rows_as_much_as_from_nothing(kind):
    encoder = encoder_class(kind)(6, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        embedded = encoder.embed(task_rows()).flatten(0, 1)
    assert embedded.std(dim=0).mean() > 0.5 * embedded.mean()  # oyster's start: 0.05


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_a_push_of_every_z_in_one_direction_does_not_saturate_a_recurrent_encoder(kind):
    """What Q, wrong by much and alike for all tasks, does in the first steps; a saturated h has
    forgotten the tasks.
    """
    encoder, rows = (
        encoder_class(kind)(6, 3, generator=torch.Generator().manual_seed(0)),
        task_rows(),
    )
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3)
    for _ in range(20):
        h = encoder.update(encoder.initial_state(8), rows)[0]
        means = encoder.posterior((h,))[0]
        optimizer.zero_grad()
        ((means - 5) ** 2).mean().backward()
        optimizer.step()
    assert means.mean() > 4
    assert (h.abs() > 0.95).float().mean() < 0.2  # all of them with a head of +-3e-3
    assert h.std(dim=0).mean() > 0.02
