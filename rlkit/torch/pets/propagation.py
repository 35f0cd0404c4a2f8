"""One-step propagation of a dynamics model's uncertainty: E, DS, MM, TS1 and TSinf.

The leading axis runs over particles. Particle p of a candidate belongs to member
p // (num_particles / num_nets), so a member's particles are contiguous and TSinf moves no memory.
Source: PETS, section 4 (trajectory sampling); kchua/handful-of-trials, `dmbrl/controllers/MPC.py`.
"""

from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import Tensor

from rlkit.torch.pets.noise import Noise
from rlkit.torch.pets.regression import Moments

ModelType = Literal["D", "P", "DE", "PE"]
Mode = Literal["E", "DS", "MM", "TS1", "TSinf"]
PROBABILISTIC: dict[ModelType, bool] = {"D": False, "P": True, "DE": False, "PE": True}
NUM_NETS: dict[ModelType, int] = {"D": 1, "P": 1, "DE": 5, "PE": 5}  # default for ensembles


class Model(Protocol):
    """Interface of the dynamics models that can be propagated.

    Attributes:
        num_nets: number of members.
        ignore_variance: predict the mean of a member, or of the mixture, instead of drawing from
            its Gaussian.
    """

    num_nets: int
    ignore_variance: bool

    def predict(self, obs: Tensor, action: Tensor) -> Moments:
        """Outputs of all members.

        Args:
            obs: [num_nets, rows, obs_dim], or [1, rows, obs_dim] if all members get the same rows.
            action: same leading axes, [..., rows, act_dim].
        Returns:
            Mean and variance of the output, each [num_nets, rows, out]; variance None if members
            are deterministic.
        """

    def next_obs(self, obs: Tensor, output: Tensor) -> Tensor:
        """The next state for obs [..., obs_dim] and a model output [..., out]."""


# propagation(model, obs [num_particles, num_candidates, obs_dim], action [num_candidates, act_dim],
# noise) -> next obs, same shape as obs
Propagation = Callable[[Model, Tensor, Tensor, Noise], Tensor]


def expectation(model: Model, obs: Tensor, action: Tensor, noise: Noise) -> Tensor:
    """E: move by the mean of the members' means; nothing is drawn."""
    return model.next_obs(obs, _predict(model, obs, action, 1).mean.mean(dim=0))


def distribution_sampling(model: Model, obs: Tensor, action: Tensor, noise: Noise) -> Tensor:
    """DS: every particle draws from one Gaussian with the moments of the ensemble's mixture."""
    return model.next_obs(obs, _mixture_samples(model, obs, action, noise))


def moment_matching(
    model: Model,
    obs: Tensor,
    action: Tensor,
    noise: Noise,
    *,
    on: Literal["output", "state"] = "output",
) -> Tensor:
    """MM: draw as in DS, then redraw a candidate's particles from a Gaussian with their moments.

    Args:
        model, obs, action, noise: see `Propagation`.
        on: what is redrawn. "output", as in the reference: the model's output, usually a difference
            that every particle adds to its own state; "state": the next states.
    """
    samples = _mixture_samples(model, obs, action, noise)
    if model.ignore_variance:
        return model.next_obs(obs, samples)
    if on == "state":
        return _redrawn(model.next_obs(obs, samples), noise)
    return model.next_obs(obs, _redrawn(samples, noise))


def trajectory_sampling_inf(model: Model, obs: Tensor, action: Tensor, noise: Noise) -> Tensor:
    """TSinf: each particle keeps its member for the whole horizon and draws from its Gaussian."""
    return model.next_obs(obs, _member_samples(model, obs, action, noise))


def trajectory_sampling_1(model: Model, obs: Tensor, action: Tensor, noise: Noise) -> Tensor:
    """TS1: like TSinf, but particles are reassigned to members at every step.

    The assignment is balanced, as in the reference: in every candidate, each member gets exactly
    num_particles / num_nets particles, which independent draws would achieve only on average.
    """
    num_particles, num_candidates, _ = obs.shape
    dealt = noise.uniform((num_particles, num_candidates), lane_axis=1).argsort(dim=0)
    shuffled = obs.gather(0, dealt.unsqueeze(-1).expand_as(obs))
    samples = _member_samples(model, shuffled, action, noise)
    index = dealt.unsqueeze(-1).expand_as(samples)
    return model.next_obs(obs, torch.empty_like(samples).scatter_(0, index, samples))


PROPAGATIONS: dict[Mode, Propagation] = {
    "E": expectation,
    "DS": distribution_sampling,
    "MM": moment_matching,
    "TS1": trajectory_sampling_1,
    "TSinf": trajectory_sampling_inf,
}


def check_propagation(model_type: str, mode: str, num_nets: int, num_particles: int) -> None:
    """Check that model type, propagation mode and counts are compatible.

    Args:
        model_type: "D", "P", "DE" or "PE".
        mode: a name of PROPAGATIONS.
        num_nets: members of the model.
        num_particles: particles per candidate.
    Raises:
        ValueError: unknown name, or undefined combination.
    """
    if model_type not in PROBABILISTIC:
        raise ValueError(f"model type {model_type!r}; expected one of {', '.join(PROBABILISTIC)}")
    if mode not in PROPAGATIONS:
        raise ValueError(f"propagation {mode!r}; expected one of {', '.join(PROPAGATIONS)}")
    ensemble = model_type in ("DE", "PE")
    if ensemble != (num_nets > 1):
        expected = "at least 2" if ensemble else "1"
        raise ValueError(f"model {model_type} with {num_nets} networks; expected {expected}")
    if num_particles < 1 or (mode == "E" and num_particles != 1):
        expected = "1, since all would be equal" if mode == "E" else "at least 1"
        raise ValueError(f"propagation {mode} with {num_particles} particles; expected {expected}")
    if model_type == "D" and mode != "E":
        raise ValueError(f"propagation {mode} with model D; expected E, since D has no variance")
    if mode in ("TS1", "TSinf"):
        if not ensemble:
            raise ValueError(f"propagation {mode} with model {model_type}; expected DE or PE")
        if num_particles % num_nets:
            got = f"propagation {mode} with {num_particles} particles and {num_nets} networks"
            raise ValueError(f"{got}; expected a multiple of the number of networks")


def _predict(model: Model, obs: Tensor, action: Tensor, blocks: int) -> Moments:
    """Predict the moments of all particles, cut along the particle axis into blocks.

    Particles that are views of one row, as at the first step of a plan, are evaluated once.

    Args:
        model: the dynamics.
        obs: [num_particles, num_candidates, obs_dim].
        action: [num_candidates, act_dim].
        blocks: num_nets, one block per member; or 1, all particles through all members.
    Returns:
        Mean and variance, each [num_nets, num_particles / blocks, num_candidates, out].
    """
    num_particles, num_candidates, obs_dim = obs.shape
    distinct = obs[:blocks] if obs.stride(0) == 0 else obs
    actions = action.expand(len(distinct), -1, -1)
    moments = model.predict(
        distinct.reshape(blocks, -1, obs_dim), actions.reshape(blocks, -1, action.shape[-1])
    )

    def by_particle(tensor: Tensor) -> Tensor:
        parts = tensor.reshape(len(tensor), -1, num_candidates, tensor.shape[-1])
        return parts.expand(-1, num_particles // blocks, -1, -1)

    variance = None if moments.variance is None else by_particle(moments.variance)
    return Moments(by_particle(moments.mean), variance)


def _mixture_samples(model: Model, obs: Tensor, action: Tensor, noise: Noise) -> Tensor:
    """Draw once per particle from a Gaussian with the mixture's moments, [P, C, out]."""
    moments = _predict(model, obs, action, 1)
    mean = moments.mean.mean(dim=0)
    if model.ignore_variance:
        return mean
    variance = ((moments.mean - mean) ** 2).mean(dim=0)
    if moments.variance is not None:
        variance = variance + moments.variance.mean(dim=0)
    return torch.addcmul(mean, variance.sqrt(), noise.normal(mean.shape, lane_axis=1))


def _member_samples(model: Model, obs: Tensor, action: Tensor, noise: Noise) -> Tensor:
    """Draw once per particle from the Gaussian of the member it belongs to, [P, C, out]."""
    moments = _predict(model, obs, action, model.num_nets)
    mean = moments.mean.flatten(0, 1)
    if moments.variance is None or model.ignore_variance:
        return mean
    std = moments.variance.sqrt().flatten(0, 1)
    return torch.addcmul(mean, std, noise.normal(mean.shape, lane_axis=1))


def _redrawn(samples: Tensor, noise: Noise) -> Tensor:
    """Draw from Gaussians with the mean and variance of each candidate's samples [P, C, dim]."""
    mean = samples.mean(dim=0)
    variance = ((samples - mean) ** 2).mean(dim=0)
    return mean + variance.sqrt() * noise.normal(samples.shape, lane_axis=1)
