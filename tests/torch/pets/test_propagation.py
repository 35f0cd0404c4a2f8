"""Propagation: every mode compared with single particles, and invalid combinations."""

import pytest
import torch
from torch import Tensor

from rlkit.torch.pets.dynamics import Dynamics
from rlkit.torch.pets.propagation import PROPAGATIONS, check_propagation, moment_matching
from tests.torch.pets.toy import (
    ACT_DIM,
    OBS_DIM,
    Remembered,
    make_dynamics,
    member_output,
    postprocess,
)

P, C = 6, 4  # particles, candidates
LEGAL = {
    "D": {"E"},
    "P": {"E", "DS", "MM"},
    "DE": {"E", "DS", "MM", "TS1", "TSinf"},
    "PE": {"E", "DS", "MM", "TS1", "TSinf"},
}
PAIRS = [(model, mode) for model, modes in LEGAL.items() for mode in sorted(modes)]


def start(num_particles: int = P) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    obs = torch.randn(num_particles, C, OBS_DIM, generator=generator, dtype=torch.float64)
    return obs, torch.randn(C, ACT_DIM, generator=generator, dtype=torch.float64)


def mixture(dynamics: Dynamics, obs: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
    members = [member_output(dynamics, e, obs, action) for e in range(dynamics.num_nets)]
    mean = sum(m for m, _ in members) / len(members)
    variance = sum(v + (m - mean) ** 2 for m, v in members) / len(members)
    return mean, variance


def slow(mode: str, dynamics: Dynamics, obs: Tensor, action: Tensor, draws: list[Tensor]) -> Tensor:
    """Move the particles one by one with the same random numbers."""
    outputs = torch.empty_like(obs)
    for c in range(obs.shape[1]):
        if mode == "TS1":
            order = sorted(range(P), key=lambda p: draws[0][p, c].item())  # who is dealt first
        for p in range(obs.shape[0]):
            if mode in ("TS1", "TSinf"):
                place = order.index(p) if mode == "TS1" else p
                member = place // (P // dynamics.num_nets)
                mean, variance = member_output(dynamics, member, obs[p, c], action[c])
                z = draws[-1][place, c] if dynamics.ensemble.probabilistic else 0.0
            else:
                mean, variance = mixture(dynamics, obs[p, c], action[c])
                z = 0.0 if mode == "E" else draws[0][p, c]
            outputs[p, c] = mean + variance.sqrt() * z
        if mode == "MM":
            moments = outputs[:, c].mean(dim=0), outputs[:, c].var(dim=0, correction=0).sqrt()
            outputs[:, c] = moments[0] + moments[1] * draws[1][:, c]
    return postprocess(obs, outputs)


@pytest.mark.parametrize(("model_type", "mode"), PAIRS)
@torch.no_grad()
def test_every_mode_moves_particles_as_one_by_one(model_type, mode):
    dynamics, noise = make_dynamics(model_type), Remembered()
    obs, action = start(1 if mode == "E" else P)
    found = PROPAGATIONS[mode](dynamics, obs, action, noise)
    expected = slow(mode, dynamics, obs, action, noise.draws)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("mode", "rows"), [("DS", C), ("MM", C), ("TSinf", C), ("TS1", 2 * C)])
@torch.no_grad()
def test_particles_of_one_state_are_evaluated_once(mode, rows):
    dynamics, (obs, action), seen = make_dynamics("PE"), start(1), []
    networks = dynamics.ensemble.networks
    networks.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    expanded, copied = obs.expand(P, -1, -1), obs.repeat(P, 1, 1)
    found, expected = (
        PROPAGATIONS[mode](dynamics, particles, action, Remembered())
        for particles in (expanded, copied)
    )
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    assert seen[0] == (3, rows, 2 * OBS_DIM)


class Members:
    """Every member gives its own number, so that the output of a particle says who served it."""

    num_nets, ignore_variance = 3, False

    def predict(self, obs: Tensor, action: Tensor):
        dynamics = make_dynamics("DE")
        mean = torch.arange(3.0, dtype=obs.dtype).view(3, 1, 1).expand(3, obs.shape[1], 1)
        return dynamics.predict(obs, action)._replace(mean=mean)

    def next_obs(self, obs: Tensor, output: Tensor) -> Tensor:
        return output.expand_as(obs)


@torch.no_grad()
def test_ts1_deals_every_candidates_particles_evenly_at_every_step():
    noise, (obs, action) = Remembered(), start()
    first, second = (PROPAGATIONS["TS1"](Members(), obs, action, noise)[..., 0] for _ in range(2))
    for members in (first, second):
        assert (members.sort(dim=0).values == torch.arange(3).repeat_interleave(2)[:, None]).all()
    assert not torch.equal(first, second)
    assert len({tuple(column.tolist()) for column in first.T}) > 1


@torch.no_grad()
def test_tsinf_gives_particle_p_to_member_p_over_the_members_share():
    obs, action = start()
    members = PROPAGATIONS["TSinf"](Members(), obs, action, Remembered())[..., 0]
    assert (members == torch.tensor([0, 0, 1, 1, 2, 2])[:, None]).all()


@torch.no_grad()
def test_moments_of_particles_are_those_of_the_samples_they_replace():
    dynamics, noise, many = make_dynamics("PE"), Remembered(), 200_000
    obs = start()[0][:1, :2].expand(many, -1, -1)
    action = start()[1][:2]
    outputs = PROPAGATIONS["MM"](dynamics, obs, action, noise)
    for c in range(2):
        mean, variance = mixture(dynamics, obs[0, c], action[c])
        expected = postprocess(obs[0, c], mean)
        torch.testing.assert_close(outputs[:, c].mean(dim=0), expected, rtol=0, atol=0.02)
        torch.testing.assert_close(outputs[:, c].var(dim=0), variance, rtol=0.02, atol=0)


@torch.no_grad()
def test_moments_of_states_can_be_matched_instead():
    dynamics, noise, (obs, action) = make_dynamics("PE"), Remembered(), start()
    found = moment_matching(dynamics, obs, action, noise, on="state")
    states = slow("DS", dynamics, obs, action, noise.draws)
    expected = states.mean(0) + states.var(0, correction=0).sqrt() * noise.draws[1]
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("mode", ["DS", "MM", "TS1", "TSinf"])
@torch.no_grad()
def test_ignored_variance_leaves_the_means(mode):
    dynamics, (obs, action) = make_dynamics("PE", ignore_variance=True), start()
    first, second = (PROPAGATIONS[mode](dynamics, obs, action, Remembered()) for _ in range(2))
    assert torch.equal(first, second)
    if mode in ("DS", "MM"):
        assert torch.equal(first, PROPAGATIONS["E"](dynamics, obs, action, Remembered()))
    else:
        mean, _ = dynamics.predict(
            obs.reshape(1, -1, OBS_DIM), action.expand(P, -1, -1).reshape(1, -1, ACT_DIM)
        )
        by_member = torch.stack([postprocess(obs, m.view(P, C, -1)) for m in mean])
        nearest = (by_member - first).abs().amax(dim=-1).min(dim=0).values
        assert nearest.max() < 1e-12


@torch.no_grad()
def test_one_particle_of_a_sure_ensemble_moves_alike_under_e_and_ds():
    dynamics, (obs, action) = make_dynamics("DE"), start(1)
    for tensor in dynamics.ensemble.networks.parameters():
        tensor.copy_(tensor[:1].expand_as(tensor))
    expected = PROPAGATIONS["E"](dynamics, obs, action, Remembered())
    found = PROPAGATIONS["DS"](dynamics, obs, action, Remembered())
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("model_type", LEGAL)
@pytest.mark.parametrize("mode", PROPAGATIONS)
def test_only_the_defined_pairs_are_accepted(model_type, mode):
    num_nets, particles = (5 if "E" in model_type else 1), (1 if mode == "E" else 20)
    if mode in LEGAL[model_type]:
        check_propagation(model_type, mode, num_nets, particles)
    else:
        with pytest.raises(ValueError, match=f"propagation {mode} with model {model_type}"):
            check_propagation(model_type, mode, num_nets, particles)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("PE", "TS2", 5, 20), "propagation 'TS2'; expected one of E, DS, MM, TS1, TSinf"),
        (("GP", "DS", 1, 20), "model type 'GP'; expected one of D, P, DE, PE"),
        (("PE", "TSinf", 5, 12), "12 particles and 5 networks; expected a multiple"),
        (("PE", "E", 5, 20), "propagation E with 20 particles; expected 1"),
        (("PE", "DS", 5, 0), "propagation DS with 0 particles; expected at least 1"),
        (("P", "DS", 5, 20), "model P with 5 networks; expected 1"),
        (("PE", "DS", 1, 20), "model PE with 1 networks; expected at least 2"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_propagation(*arguments)
