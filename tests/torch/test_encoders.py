"""Context encoders: order, padding and pieces do not matter; the initial belief is oyster's."""

import math

import pytest
import torch

from rlkit.core.names import import_class
from rlkit.torch.context_encoder import ContextEncoder
from rlkit.torch.distributions import kl_to_standard_normal
from rlkit.torch.encoders import MlpEncoder
from rlkit.torch.sac.config import ENCODERS
from tests.torch.gaussians import product_of_gaussians


def encoder_class(kind):
    return import_class(kind, ENCODERS, ContextEncoder)


def make_encoder(dtype=torch.float64, kind="mlp", **options):
    encoder = encoder_class(kind)(6, 3, generator=torch.Generator().manual_seed(0), **options).to(
        dtype
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # far from the nearly constant initial function
        for p in encoder.parameters():
            p.add_(
                (0.3 if kind == "mlp" else 0.1)
                * torch.randn(p.shape, generator=generator, dtype=dtype)
            )
    return encoder


def rows(n: int, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(4, n, 6, generator=torch.Generator().manual_seed(2), dtype=dtype)


def belief(encoder, *pieces, masks=None):
    state = encoder.initial_state(4)
    for i, piece in enumerate(pieces):
        state = encoder.update(state, piece, None if masks is None else masks[i])
    return encoder.posterior(state)


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("bottleneck", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_trajectory_by_trajectory_equals_all_at_once(kind, bottleneck, dtype, tolerance):
    encoder, context = (
        make_encoder(dtype, kind=kind, use_information_bottleneck=bottleneck),
        rows(60, dtype),
    )
    whole = belief(encoder, context)
    pieces = belief(encoder, *context.split(20, dim=1))
    for ours, theirs in zip(pieces, whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("bottleneck", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_padding_changes_nothing_and_tasks_together_equal_single_ones(
    kind, bottleneck, dtype, tolerance
):
    encoder, context = (
        make_encoder(dtype, kind=kind, use_information_bottleneck=bottleneck),
        rows(20, dtype),
    )
    lengths = torch.tensor(
        [[20, 1, 7, 13], [4, 9, 0, 20]]
    )  # of two pieces; one of them brings a task nothing
    masks = [torch.arange(20).expand(4, 20) < length[:, None] for length in lengths]
    mean, variance = belief(encoder, context, context, masks=masks)
    for task, (first, second) in enumerate(lengths.T.tolist()):
        unpadded = torch.cat(
            [context[task : task + 1, :first], context[task : task + 1, :second]], dim=1
        )
        alone = encoder.posterior(encoder.update(encoder.initial_state(1), unpadded))
        torch.testing.assert_close(mean[task], alone[0][0], rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(variance[task], alone[1][0], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", ENCODERS)
def test_the_order_of_rows_matters_to_a_recurrent_encoder_only(kind):
    encoder, context = make_encoder(kind=kind), rows(20)
    ours, reversed_ = belief(encoder, context)[0], belief(encoder, context.flip(1))[0]
    assert torch.allclose(ours, reversed_, rtol=1e-12, atol=1e-12) == (kind not in ("gru", "lstm"))


def test_probabilistic_belief_is_the_product_of_the_row_factors():
    encoder, context = make_encoder(), rows(9)
    output = encoder(context)
    expected = product_of_gaussians(output[..., :3], torch.log1p(output[..., 3:].exp()))
    for ours, theirs in zip(belief(encoder, context), expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_deterministic_belief_is_the_mean_of_the_outputs_with_variance_zero():
    encoder, context = make_encoder(use_information_bottleneck=False), rows(9)
    mean, variance = belief(encoder, context)
    torch.testing.assert_close(mean, encoder(context).mean(dim=1))
    assert not variance.any()


@pytest.mark.parametrize(
    ("num_rows", "per_dimension"), [(64, 1.768), (100, 1.989), (256, 2.457), (1024, 3.149)]
)
def test_fresh_encoder_has_the_expected_kl(num_rows, per_dimension):
    encoder = MlpEncoder(394, 5, generator=torch.Generator().manual_seed(3))
    context = torch.randn(16, num_rows, 394, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        mean, variance = encoder.posterior(encoder.update(encoder.initial_state(16), context))
    exact = 0.5 * (math.log(2) / num_rows - 1 - math.log(math.log(2) / num_rows))
    assert exact == pytest.approx(per_dimension, abs=5e-4)
    assert kl_to_standard_normal(mean, variance).item() == pytest.approx(16 * 5 * exact, rel=0.01)
