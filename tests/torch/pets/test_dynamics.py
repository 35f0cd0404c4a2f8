"""Training of the dynamics: bootstrap, mini-batches, warm starts, learned noise."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from rlkit.torch.pets.dynamics import Dynamics, TrainingSettings, Transforms, make_ensemble
from rlkit.torch.pets.propagation import NUM_NETS

Rows = tuple[Tensor, Tensor, Tensor]


def transitions(num_rows: int = 300, noise: float = 0.0, seed: int = 0) -> Rows:
    """A state of 2 numbers, 1 action; the noise of the second number grows with the first."""
    generator = torch.Generator().manual_seed(seed)
    obs = torch.rand(num_rows, 2, generator=generator) * 2 - 1
    action = torch.rand(num_rows, 1, generator=generator) * 2 - 1
    moved = torch.stack([torch.sin(2 * obs[:, 0]) * action[:, 0], obs[:, 1] ** 2], dim=1)
    moved[:, 1] += noise * (obs[:, 0] > 0) * torch.randn(num_rows, generator=generator)
    return obs, action, obs + moved


def make(model_type: str = "PE", seed: int = 0, **settings) -> Dynamics:
    generator = torch.Generator().manual_seed(seed)
    ensemble = make_ensemble(model_type, NUM_NETS[model_type], 3, 2, [32, 32], generator=generator)
    chosen = TrainingSettings(**{"weight_decays": (1e-5,) * 3, "learning_rate": 3e-3} | settings)
    return Dynamics(ensemble, Transforms(), chosen, generator)


@pytest.mark.parametrize("model_type", ["D", "P", "DE", "PE"])
def test_training_learns_a_known_function(model_type):
    dynamics, rows = make(model_type, epochs=40), transitions()
    before = make(model_type, epochs=0).train(*rows)
    after = dynamics.train(*rows)
    assert after.errors.shape == (NUM_NETS[model_type],)
    assert (after.errors < before.errors / 20).all()
    obs, action, next_obs = transitions(100, seed=1)
    with torch.no_grad():
        mean, variance = dynamics.predict(obs[None], action[None])
    found = dynamics.next_obs(obs, mean.mean(dim=0))
    assert ((found - next_obs) ** 2).mean() < (next_obs - obs).var() / 10
    assert (variance is None) == (model_type in ("D", "DE"))


def test_a_learned_variance_is_that_of_the_noise():
    dynamics = make("P", epochs=40)
    dynamics.train(*transitions(1000, noise=0.3))
    obs, action, _ = transitions(400, seed=1)
    with torch.no_grad():
        variance = dynamics.predict(obs[None], action[None]).variance[0]
    noisy = obs[:, 0] > 0.2
    quiet = obs[:, 0] < -0.2
    assert variance[noisy, 1].sqrt().median().item() == pytest.approx(0.3, rel=0.2)
    assert variance[quiet, 1].sqrt().median() < 0.06
    assert variance[:, 0].sqrt().median() < 0.06


class Watched(Dynamics):
    """Remembers the rows of every step, by their targets, which are all different."""

    steps: list[Tensor]

    def train_step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        self.steps.append(targets[..., 0])
        return super().train_step(inputs, targets)


def watched(**settings) -> Watched:
    plain = make(**settings)
    dynamics = Watched(plain.ensemble, plain.transforms, plain.settings, plain.generator)
    dynamics.steps = []
    return dynamics


def test_epochs_walk_the_same_sample_of_a_member_in_another_order():
    dynamics = watched(epochs=3, batch_size=32)
    dynamics.train(*transitions(70))
    assert [step.shape for step in dynamics.steps] == [(5, 32), (5, 32), (5, 6)] * 3
    epochs = [torch.cat(dynamics.steps[i : i + 3], dim=1) for i in (0, 3, 6)]
    for other in epochs[1:]:
        assert torch.equal(other.sort(dim=1).values, epochs[0].sort(dim=1).values)
        assert not torch.equal(other, epochs[0])
    first, second = epochs[0][0], epochs[0][1]
    assert not torch.equal(first.sort().values, second.sort().values)
    assert len(first.unique()) < 70


def test_every_call_draws_new_samples_and_continues_from_the_same_weights():
    dynamics, rows = watched(epochs=1, batch_size=70), transitions(70)
    dynamics.train(*rows)
    weights = [p.clone() for p in dynamics.ensemble.parameters()]
    assert {float(s["step"]) for s in dynamics.optimizer.state.values()} == {1.0}
    dynamics.train(*rows)
    assert {float(s["step"]) for s in dynamics.optimizer.state.values()} == {2.0}
    for before, after in zip(weights, dynamics.ensemble.parameters(), strict=True):
        assert 0 < (after - before).abs().max() <= 1.01 * dynamics.settings.learning_rate
    assert not torch.equal(*(step.sort(dim=1).values for step in dynamics.steps))


def test_the_normaliser_is_refitted_to_the_rows_of_training():
    dynamics = make(epochs=0)
    for num_rows in (50, 70):
        obs, action, next_obs = transitions(num_rows)
        dynamics.train(obs, action, next_obs)
        exact = torch.cat([obs, action], dim=1).double().numpy()
        np.testing.assert_allclose(
            dynamics.ensemble.normalizer.std[0].numpy(), exact.std(axis=0), rtol=1e-5
        )


def test_rows_set_aside_are_measured_and_not_learned_from():
    dynamics = watched(epochs=1, holdout_ratio=0.3, max_logging=20)
    obs, action, next_obs = transitions(100)
    result = dynamics.train(obs, action, next_obs)
    learned = torch.cat(dynamics.steps, dim=1)
    assert learned.shape == (5, 80)
    held = [row for row in (next_obs - obs)[:, 0] if not (learned == row).any()]
    assert len(held) >= 20
    assert result.holdout_errors.isfinite().all()
    assert make(epochs=1).train(*transitions(100)).holdout_errors.isnan().all()


def test_equal_seeds_train_to_equal_weights_and_others_to_others():
    rows = transitions()
    first, second, other = (make(seed=seed, holdout_ratio=0.1) for seed in (0, 0, 1))
    results = [dynamics.train(*rows) for dynamics in (first, second, other)]
    assert torch.equal(results[0].errors, results[1].errors)
    assert not torch.equal(results[0].errors, results[2].errors)
    for ours, theirs in zip(first.ensemble.parameters(), second.ensemble.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_training_resumed_from_a_state_is_the_same_bit_for_bit():
    dynamics, resumed = make(), make(seed=9)
    dynamics.train(*transitions(100))
    resumed.load_state_dict(copy.deepcopy(dynamics.state_dict()))
    results = [d.train(*transitions(200)) for d in (dynamics, resumed)]
    assert torch.equal(results[0].losses, results[1].losses)
    for ours, theirs in zip(
        dynamics.ensemble.parameters(), resumed.ensemble.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_every_epoch_ticks():
    ticks: list[int] = []
    make(epochs=3).train(*transitions(40), tick=lambda: ticks.append(1))
    assert len(ticks) == 3


def test_training_without_a_row_is_refused():
    with pytest.raises(ValueError, match="all 0 rows are held out"):
        make().train(*transitions(0))
