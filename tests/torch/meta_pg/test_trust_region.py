"""Hessian products, conjugate gradients, and steps that stay within the trust region."""

import pytest
import torch

from rlkit.torch.meta_pg.inner import adapted
from rlkit.torch.meta_pg.outer import OuterSettings, outer_terms
from rlkit.torch.meta_pg.policy import parameters_of
from rlkit.torch.meta_pg.trust_region import (
    TrustRegionSettings,
    conjugate_gradients,
    flat,
    hessian_product,
    trust_region_step,
)
from tests.torch.meta_pg import toys


def problem(dtype=torch.float64, hidden=(3,)):
    network = toys.policy(dtype=dtype, hidden=hidden)
    params = toys.of_tasks(network)
    first = toys.data_of(network, params)
    after = toys.data_of(network, adapted(network, params, first, 0.5, "ratio"), seed=1)
    credit = torch.zeros(3, dtype=dtype)
    terms = outer_terms(network, [first, after], credit, OuterSettings(0.5, "ratio", "ratio"))
    theta = parameters_of(network)

    def objective():
        found = terms(theta)
        return found.loss, found.kl

    return objective, list(theta.values())


def test_products_with_the_hessian_equal_the_dense_one_and_differences_of_gradients():
    objective, parameters = problem()
    product = hessian_product(objective()[1], parameters)
    size = sum(p.numel() for p in parameters)
    dense = torch.stack([product(row) for row in torch.eye(size, dtype=torch.float64)])
    torch.testing.assert_close(dense, dense.T, rtol=0, atol=1e-10)
    draw = torch.Generator().manual_seed(2)
    vector, step = torch.randn(size, generator=draw, dtype=torch.float64), 1e-6
    found = product(vector)
    torch.testing.assert_close(dense @ vector, found)
    slopes = []
    for shift in (step, -2 * step):
        with torch.no_grad():
            parts = vector.split([p.numel() for p in parameters])
            for p, part in zip(parameters, parts, strict=True):
                p.add_(shift * part.reshape(p.shape))
        slopes.append(flat(torch.autograd.grad(objective()[1], parameters)))
    torch.testing.assert_close(found, (slopes[0] - slopes[1]) / (2 * step), rtol=0, atol=1e-6)
    assert torch.linalg.eigvalsh(dense).min() > -1e-9  # at the sampling point it is Gauss-Newton's


@pytest.mark.filterwarnings("ignore:.torch.jit.script.")  # torch's own, of its rules for jvp
def test_forward_over_reverse_gives_the_same_products():
    objective, parameters = problem()
    network = toys.policy(hidden=(3,))
    names = list(parameters_of(network))
    params = toys.of_tasks(network)
    first = toys.data_of(network, params)
    after = toys.data_of(network, adapted(network, params, first, 0.5, "ratio"), seed=1)
    terms = outer_terms(
        network,
        [first, after],
        torch.zeros(3, dtype=torch.float64),
        OuterSettings(0.5, "ratio", "ratio"),
    )
    draw = torch.Generator().manual_seed(4)
    tangent = {
        name: torch.randn(p.shape, generator=draw, dtype=torch.float64)
        for name, p in zip(names, parameters, strict=True)
    }
    theta = {name: p.detach() for name, p in zip(names, parameters, strict=True)}
    slope = torch.func.grad(lambda t: terms(t).kl)
    _, forward = torch.func.jvp(slope, (theta,), (tangent,))
    product = hessian_product(objective()[1], parameters)(flat(list(tangent.values())))
    torch.testing.assert_close(product, flat(list(forward.values())), rtol=0, atol=1e-12)


def test_conjugate_gradients_solve_a_system_as_a_direct_solution_does():
    draw = torch.Generator().manual_seed(1)
    factor = torch.randn(12, 12, generator=draw, dtype=torch.float64)
    matrix, b = (
        factor @ factor.T + torch.eye(12),
        torch.randn(12, generator=draw, dtype=torch.float64),
    )
    found = conjugate_gradients(lambda v: matrix @ v, b, 100)
    torch.testing.assert_close(found.x, torch.linalg.solve(matrix, b), rtol=0, atol=1e-4)
    assert found.residual < 1e-4 and 1 < found.iterations < 100
    assert conjugate_gradients(lambda v: matrix @ v, b, 3).iterations == 3


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_step_lowers_the_loss_and_keeps_to_the_region(dtype):
    objective, parameters = problem(dtype)
    before = objective()[0].item()
    step = trust_region_step(objective, parameters, TrustRegionSettings(max_kl=0.01))
    loss, kl = (value.item() for value in objective())
    assert step.accepted and loss < before and 0 < kl <= 0.01
    assert (step.loss, step.kl) == pytest.approx((loss, kl), abs=1e-6)
    assert step.solution.iterations <= 10 and step.slope > 0


def test_a_step_that_cannot_be_accepted_leaves_every_bit_as_it_was():
    objective, parameters = problem()
    start = [p.detach().clone() for p in parameters]

    def rising():
        loss, kl = objective()
        moved = sum((p - s).square().sum() for p, s in zip(parameters, start, strict=True))
        return loss + 1e9 * moved, kl

    step = trust_region_step(rising, parameters, TrustRegionSettings(line_search_steps=3))
    assert not step.accepted and step.backtracks == 3
    assert all(torch.equal(p, s) for p, s in zip(parameters, start, strict=True))


def test_a_gradient_that_is_not_finite_skips_the_step():
    objective, parameters = problem()
    start = [p.detach().clone() for p in parameters]
    step = trust_region_step(
        lambda: (objective()[0] * float("nan"), objective()[1]), parameters, TrustRegionSettings()
    )
    assert not step.accepted
    assert all(torch.equal(p, s) for p, s in zip(parameters, start, strict=True))


def test_products_of_fewer_trajectories_still_keep_to_the_region_of_all():
    objective, parameters = problem()
    network = toys.policy(hidden=(3,))
    data = toys.data_of(network, toys.of_tasks(network))
    assert data.first_paths(0.25).obs.shape[1] == 1 and data.first_paths(1.0).obs.shape[1] == 4
    assert data.first_paths(0.5).old_log_std is data.old_log_std
    step = trust_region_step(
        objective, parameters, TrustRegionSettings(), constraint=lambda: objective()[1] * 0.5
    )
    assert step.accepted and objective()[1].item() <= 0.01
