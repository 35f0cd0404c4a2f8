"""Outer steps: what they change, report and keep."""

import pytest
import torch

from rlkit.torch.meta_pg.inner import adapted
from rlkit.torch.meta_pg.outer import OuterSettings, outer_terms
from rlkit.torch.meta_pg.policy import parameters_of
from rlkit.torch.meta_pg.trust_region import TrustRegionSettings
from rlkit.torch.meta_pg.updates import AdamUpdate, TrustRegionUpdate
from tests.torch.meta_pg import toys

CREDIT = torch.zeros(4)


def problem(seed=0):
    network = toys.policy(seed, dtype=torch.float32)
    params = toys.of_tasks(network, 4)
    first = toys.data_of(network, params, num_tasks=4, num_paths=8)
    after = adapted(network, params, first, 0.5, "ratio")
    return network, [first, toys.data_of(network, after, num_tasks=4, num_paths=8, seed=1)]


def objective(outer):
    return OuterSettings(0.5, "ratio", outer, 0.3)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_trust_region_update_reports_what_it_did(share):
    network, data = problem()
    update = TrustRegionUpdate(network, objective("ratio"), TrustRegionSettings(), share)
    found = update.update(data, CREDIT)
    terms = outer_terms(network, data, CREDIT, objective("ratio"))(parameters_of(network))
    assert found["Step accepted"] == 1 and found["Outer Loss after"] < found["Outer Loss"]
    assert found["Outer KL"] == pytest.approx(terms.kl.item(), abs=1e-6)
    assert 0 < found["Outer KL"] <= 0.01
    assert found["Inner KL 0"] == pytest.approx(terms.inner_kls[0].item(), abs=1e-6)
    assert update.state_dict() == {}


def test_hessian_products_of_fewer_trajectories_are_made_at_the_policy_that_collected():
    network, data = problem()
    part = [data[0], data[1].first_paths(0.25)]
    terms = outer_terms(network, part, CREDIT, objective("ratio"))
    slope = torch.func.grad(lambda theta: terms(theta).kl)(
        {name: p.detach() for name, p in parameters_of(network).items()}
    )
    assert max(value.abs().max() for value in slope.values()) < 1e-6  # the minimum of the KL


def promp(network, **changes) -> AdamUpdate:
    settings = {"num_epochs": 4, "learning_rate": 1e-2, "kl_coefs": [5e-4], **changes}
    return AdamUpdate(network, objective("clipped_ratio"), **settings)


def test_epochs_lower_the_loss_and_a_strong_penalty_keeps_the_kl_small():
    found = []
    for coefficient in (0.0, 100.0):
        network, data = problem()
        found.append(promp(network, kl_coefs=[coefficient]).update(data, CREDIT))
        assert found[-1]["KL coefficient 0"] == coefficient
    loose, tight = found
    assert loose["Outer Loss after"] < loose["Outer Loss"] == pytest.approx(0, abs=0.5)
    assert 0 < tight["Inner KL 0"] < loose["Inner KL 0"]


@pytest.mark.parametrize(("target", "expected"), [(1e-9, 2.0), (1e9, 0.5), (None, 1.0)])
def test_the_coefficient_follows_its_target(target, expected):
    network, data = problem()
    update = promp(network, kl_coefs=[1.0], kl_target=target)
    assert update.update(data, CREDIT)["KL coefficient 0"] == expected
    assert update.state_dict()["kl_coefs"] == [expected]


def test_a_restored_update_goes_on_as_the_original():
    results = []
    for restore in (False, True):
        network, data = problem()
        update = promp(network, kl_target=1e-9)
        update.update(data, CREDIT)
        if restore:
            state, other = update.state_dict(), toys.policy(5, dtype=torch.float32)
            other.load_state_dict(network.state_dict())
            network, update = other, promp(other, kl_target=1e-9)
            update.load_state_dict(state)
        update.update(data, CREDIT)
        results.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.equal(*results)


def test_plain_policy_gradients_take_one_step_along_the_meta_gradient():
    network, data = problem()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    terms = outer_terms(network, data, CREDIT, objective("log_likelihood"))
    slope = torch.func.grad(lambda theta: terms(theta).loss)(before)
    update = AdamUpdate(
        network,
        objective("log_likelihood"),
        num_epochs=1,
        learning_rate=1e-3,
        kl_coefs=[0.0],
    )
    update.update(data, CREDIT)
    for name, p in network.named_parameters():  # the first step of Adam goes by signs
        moved = slope[name].abs() > 1e-4
        torch.testing.assert_close(
            (p.detach() - before[name])[moved], -1e-3 * slope[name][moved].sign(), rtol=1e-2, atol=0
        )
