"""Wide evaluation against one lane at a time on the cheetah, where contact amplifies rounding: the
same distributions.
"""

import numpy as np
import torch

from rlkit.core.seeding import stream
from rlkit.envs import make_env
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.torch.encoders import MlpEncoder
from rlkit.torch.sac.agent import PEARLAgent
from rlkit.torch.sac.policies import TanhGaussianPolicy

NUM_PATHS, HORIZON = 120, 100


def make_agent() -> PEARLAgent:
    """A policy with large outputs, so that the cheetah moves."""
    generator = torch.Generator().manual_seed(0)
    policy = TanhGaussianPolicy([64, 64], 20, 5, 6, generator=generator)
    with torch.no_grad():
        policy.last_fc.weight.mul_(300)
    return PEARLAgent(5, MlpEncoder(27, 5, generator=generator), policy)


def roll(num_envs: int, purpose: str):
    env = make_env("cheetah-vel", n_tasks=4, num_envs=num_envs)
    sampler = InPlacePathSampler(env, make_agent(), HORIZON)
    tasks = [i % 4 for i in range(NUM_PATHS)]
    paths = sampler.obtain_samples(tasks, [stream(0, purpose, i) for i in range(NUM_PATHS)])
    env.close()
    return paths


def ks_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Largest distance between two empirical distribution functions."""
    points = np.sort(np.concatenate([a, b]))
    cdf_a, cdf_b = (np.searchsorted(np.sort(x), points, side="right") / len(x) for x in (a, b))
    return float(np.abs(cdf_a - cdf_b).max())


def test_wide_and_narrow_cheetah_rollouts_have_the_same_distributions():
    wide, narrow = roll(60, "wide"), roll(1, "narrow")
    critical = 1.95 * (2 / NUM_PATHS) ** 0.5  # two-sample Kolmogorov-Smirnov, level 0.001
    for name, of in {
        "return": lambda p: p.returns(),
        "final x": lambda p: p.obs[:, -1, 17],
        "mean observation": lambda p: p.obs.mean(axis=(1, 2)),
        "largest speed": lambda p: np.abs(p.outcomes[..., 0]).max(axis=1),
    }.items():
        assert np.ptp(of(wide)) > 0.1, name  # there is something to compare
        assert ks_distance(of(wide), of(narrow)) < critical, name
