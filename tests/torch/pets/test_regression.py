"""Regression with an ensemble: normaliser, variance bounds, losses."""

import numpy as np
import pytest
import torch

from rlkit.torch.ensembles import EnsembleMlp
from rlkit.torch.pets.regression import Normalizer, RegressionEnsemble


def make(*, probabilistic: bool = True, num_nets: int = 2, outputs: int = 2) -> RegressionEnsemble:
    width = 2 * outputs if probabilistic else outputs
    generator = torch.Generator().manual_seed(0)
    networks = EnsembleMlp(num_nets, 3, width, [5], generator=generator)
    return RegressionEnsemble(networks, probabilistic=probabilistic)


def with_outputs(ensemble: RegressionEnsemble, outputs: list[list[float]]) -> RegressionEnsemble:
    """Let member e answer every input with outputs[e]."""
    with torch.no_grad():
        ensemble.networks.weights[-1].zero_()
        ensemble.networks.biases[-1].copy_(torch.tensor(outputs).unsqueeze(1))
    return ensemble


def test_normalised_inputs_have_mean_0_and_population_deviation_1():
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 7 + 1000
    normalizer = Normalizer(3)
    normalizer.fit(x)
    exact = x.double().numpy()
    np.testing.assert_allclose(normalizer.mean[0].numpy(), exact.mean(0), rtol=1e-6)
    np.testing.assert_allclose(normalizer.std[0].numpy(), exact.std(0), rtol=1e-6)
    assert normalizer(x).std(dim=0, correction=0).numpy() == pytest.approx(1.0, abs=1e-3)


def test_inputs_that_hardly_vary_are_only_shifted():
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    x[:, 0] = 0.3
    x[:, 1] = 0.0
    x[:, 2] = 0.3 + 3e-8 * (torch.arange(50) % 2)  # one unit in the last place of float32
    normalizer = Normalizer(4)
    normalizer.fit(x)
    assert normalizer.std[0, :3].tolist() == [1.0, 1.0, 1.0]
    assert normalizer.std[0, 3] != 1.0
    assert normalizer(x)[:, :3].abs().max() < 1e-7


def test_small_inputs_that_do_vary_are_scaled():
    x = torch.randn(50, 1, generator=torch.Generator().manual_seed(0)) * 1e-9
    normalizer = Normalizer(1)
    normalizer.fit(x)
    assert normalizer(x).std(correction=0).item() == pytest.approx(1.0, abs=1e-4)


def test_statistics_of_the_normaliser_are_saved_with_the_weights():
    ensemble = make()
    ensemble.normalizer.fit(torch.arange(12.0).view(4, 3) ** 2)
    other = make()
    other.load_state_dict(ensemble.state_dict())
    assert torch.equal(other.normalizer.std, ensemble.normalizer.std)


def test_log_variances_stay_between_their_bounds():
    for raw, bound in ((1e4, 0.5), (-1e4, -10.0)):
        ensemble = with_outputs(make(), [[0.0, 0.0, raw, raw]] * 2)
        _, logvar = ensemble(torch.zeros(2, 1, 3))
        assert logvar.numpy(force=True) == pytest.approx(bound, abs=1e-3)


def test_gradients_reach_the_bounds():
    ensemble = make()
    ensemble.losses(torch.ones(2, 4, 3), torch.ones(2, 4, 2)).sum().backward()
    assert ensemble.max_logvar.grad.abs().min() > 0
    assert ensemble.min_logvar.grad.abs().min() > 0


def test_variances_of_plans_are_the_exponentials_of_trained_log_variances():
    ensemble = make().double()
    with torch.no_grad():
        ensemble.networks.weights[-1].mul_(50)  # spread over the bounds
        ensemble.min_logvar.fill_(-3)
    x = torch.randn(2, 200, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mean, logvar = ensemble(x)
    moments = ensemble.moments(x)
    torch.testing.assert_close(moments.variance, logvar.exp(), rtol=1e-7, atol=0)
    torch.testing.assert_close(moments.mean, mean)


def test_the_probabilistic_loss_is_as_computed_by_hand():
    ensemble = with_outputs(make(), [[1.0, 2.0, -1.0, 0.0], [0.0, -1.0, -2.0, 1.0]])
    x, targets = torch.zeros(2, 3, 3), torch.tensor([0.5, 1.0]).expand(2, 3, 2)
    _, logvar = ensemble(x)
    errors = np.array([[0.25, 1.0], [0.25, 4.0]])
    by_hand = errors * np.exp(-logvar[:, 0].numpy(force=True)) + logvar[:, 0].numpy(force=True)
    losses = ensemble.losses(x, targets).numpy(force=True)
    np.testing.assert_allclose(losses, by_hand.mean(axis=1), rtol=1e-6)
    assert ensemble.bound_penalty().item() == pytest.approx(0.01 * (2 * 0.5 + 2 * 10.0))


def test_the_deterministic_loss_is_half_the_mean_squared_error():
    ensemble = with_outputs(make(probabilistic=False), [[1.0, 2.0], [0.0, -1.0]])
    losses = ensemble.losses(torch.zeros(2, 3, 3), torch.tensor([0.5, 1.0]).expand(2, 3, 2))
    np.testing.assert_allclose(losses.numpy(force=True), [0.5 * 0.625, 0.5 * 2.125])
    assert ensemble.bound_penalty() == 0
    assert ensemble.moments(torch.zeros(2, 3, 3)).variance is None


def test_bounds_are_trained_and_do_not_decay():
    ensemble = make()
    groups = ensemble.parameter_groups((0.1, 0.2))
    undecayed = {id(p) for group in groups if group["weight_decay"] == 0 for p in group["params"]}
    assert {id(ensemble.max_logvar), id(ensemble.min_logvar)} <= undecayed
    assert sum(len(group["params"]) for group in groups) == len(list(ensemble.parameters()))


def test_a_probabilistic_network_needs_an_even_number_of_outputs():
    with pytest.raises(ValueError, match="3 outputs; expected an even number"):
        RegressionEnsemble(EnsembleMlp(2, 3, 3, [4]), probabilistic=True)
