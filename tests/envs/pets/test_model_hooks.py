"""Input and target of the dynamics model of PETS, and the way back, in numpy and torch."""

import numpy as np
import pytest
import torch

from rlkit.envs import env_class

# Sizes of the model's input without the action, and of its target.
SIZES = {
    "pets-cartpole": (5, 4),
    "pets-halfcheetah": (18, 18),
    "pets-pusher": (20, 20),
    "pets-reacher": (17, 17),
}
KINDS = [
    (np.asarray, lambda parts: np.concatenate(parts, axis=-1)),
    (torch.from_numpy, lambda parts: torch.cat(parts, dim=-1)),
]


def pair(env, seed):
    return np.random.default_rng(seed).normal(0, 2, (2, 5, 3, env.obs_dim))


@pytest.mark.parametrize(("kind", "joined"), KINDS, ids=["numpy", "torch"])
@pytest.mark.parametrize("name", SIZES)
def test_the_next_observation_is_found_again_from_the_target(name, kind, joined):
    env = env_class(name)()
    obs, next_obs = map(kind, pair(env, 1))
    assert joined(env.obs_preproc(obs)).shape == (5, 3, SIZES[name][0])
    target = joined(env.targ_proc(obs, next_obs))
    assert target.shape == (5, 3, SIZES[name][1])
    again = joined(env.obs_postproc(obs, target))
    np.testing.assert_allclose(np.asarray(again), np.asarray(next_obs), atol=1e-14)


def test_the_cartpoles_angle_enters_as_sine_and_cosine():
    env = env_class("pets-cartpole")()
    seen = np.concatenate(env.obs_preproc(np.array([0.5, np.pi / 6, -1.0, 2.0])))
    np.testing.assert_allclose(seen, [0.5, 3**0.5 / 2, 0.5, -1.0, 2.0])


def test_the_half_cheetahs_velocity_is_predicted_itself_and_not_seen():
    env = env_class("pets-halfcheetah")()
    obs, next_obs = pair(env, 3)[:, 0, 0]
    seen = np.concatenate(env.obs_preproc(obs))
    np.testing.assert_allclose(seen, [obs[1], np.sin(obs[2]), np.cos(obs[2]), *obs[3:]])
    target = np.concatenate(env.targ_proc(obs, next_obs))
    np.testing.assert_allclose(target, [next_obs[0], *(next_obs - obs)[1:]])


@pytest.mark.parametrize("name", ["pets-pusher", "pets-reacher"])
def test_arms_are_seen_as_they_are_observed_and_their_change_is_predicted(name):
    env = env_class(name)()
    obs, next_obs = pair(env, 4)
    np.testing.assert_array_equal(np.concatenate(env.obs_preproc(obs), axis=-1), obs)
    (target,) = env.targ_proc(obs, next_obs)
    np.testing.assert_array_equal(target, next_obs - obs)
