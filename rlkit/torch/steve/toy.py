"""The toy chain: value expansion with a tabular critic and a perfect or noisy model.

From each state s = 0 ... 100, the only action leads to s + 1; state 101 is terminal. A step costs 1
except for the last one, which earns 100, so that Q*(s) = s. With probability 0.1 the noisy model
jumps to a uniformly random state among 0 ... 100. The reward depends on the state before the step,
and the first step of a target is real. All trials are computed together.

Source: Buckman et al. 2018; tensorflow/models, research/steve, toy_demo.py. Q* is s there too, but
its secondary statistics are taken around s + 1, which is corrected here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

NUM_STATES = 101  # non-terminal: 0 ... 100
NUM_MEMBERS = 8  # of critics and models
HORIZON = 5
NOISE = 0.1  # probability that the noisy model jumps
FLOOR = 1e-8  # added to variances before they are inverted


@dataclass(frozen=True)
class Variant:
    """One curve.

    Attributes:
        members: number of critics.
        horizon: number of imagined steps.
        noisy: use the noisy model.
        weighted: average all lengths by inverse variance (STEVE); otherwise use the longest.
    """

    members: int = NUM_MEMBERS
    horizon: int = 0
    noisy: bool = False
    weighted: bool = False


VARIANTS = {
    "baseline": Variant(members=1),
    "ensemble": Variant(),
    "mve_oracle": Variant(horizon=HORIZON),
    "mve_noisy": Variant(horizon=HORIZON, noisy=True),
    "steve_oracle": Variant(horizon=HORIZON, weighted=True),
    "steve_noisy": Variant(horizon=HORIZON, noisy=True, weighted=True),
}


class Point(NamedTuple):
    """Measurements after one step of training.

    Attributes:
        errors: mean over states of (s - mean_k Q_k(s))^2, [num_trials].
        model_use: 1 minus the weight of the shortest target, averaged over members, [num_trials];
            0 if the variant is not weighted.
    """

    errors: np.ndarray
    model_use: np.ndarray


def learn(
    variant: Variant, num_steps: int, num_trials: int, generator: np.random.Generator
) -> Iterator[Point]:
    """Train tabular critics at learning rate 1 and yield after every step.

    A step updates the members in turn, each at its own random state, with targets from the current
    ensemble.
    """
    size = num_trials, variant.members, NUM_STATES + 1
    tables = generator.integers(0, 101, size=size).astype(np.float64)
    tables[:, :, NUM_STATES] = 0.0
    trials, states = np.arange(num_trials), np.arange(NUM_STATES)
    for _ in range(num_steps):
        use = np.zeros(num_trials)
        for member in range(variant.members):
            state = generator.integers(0, NUM_STATES, size=num_trials)
            found, weight = target(tables, state, variant, generator)
            tables[trials, member, state] = found
            use += 1.0 - weight
        errors = (states - tables.mean(axis=1)[:, :NUM_STATES]) ** 2
        yield Point(errors.mean(axis=1), use / variant.members if variant.weighted else 0 * use)


def target(
    tables: np.ndarray, state: np.ndarray, variant: Variant, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Target of each state and weight of the shortest length, both [num_trials]."""
    num_trials = len(state)
    models = NUM_MEMBERS if variant.noisy else 1
    total = np.broadcast_to(reward_of(state)[:, None], (num_trials, models)).copy()
    place = np.broadcast_to((state + 1)[:, None], (num_trials, models)).copy()
    rows = np.arange(num_trials)[:, None]
    samples = [total[:, :, None] + tables[rows, :, place]]  # [num_trials, models, members]
    for _ in range(variant.horizon):
        total = total + reward_of(place)
        place = moved(place, variant.noisy, generator)
        samples.append(total[:, :, None] + tables[rows, :, place])
    flat = np.stack(samples).reshape(len(samples), num_trials, -1)
    means = flat.mean(axis=2)
    if not variant.weighted:
        return means[-1], np.ones(num_trials)
    weights = 1.0 / (flat.var(axis=2) + FLOOR)
    weights /= weights.sum(axis=0)
    return (weights * means).sum(axis=0), weights[0]


def reward_of(state: np.ndarray) -> np.ndarray:
    """Reward for leaving a state."""
    return np.where(state == NUM_STATES, 0.0, np.where(state == NUM_STATES - 1, 100.0, -1.0))


def moved(state: np.ndarray, noisy: bool, generator: np.random.Generator) -> np.ndarray:
    """States after a step of the model; the terminal state is absorbing."""
    following = np.minimum(state + 1, NUM_STATES)
    if noisy:
        jumps = generator.random(state.shape) < NOISE
        anywhere = generator.integers(0, NUM_STATES, size=state.shape)
        following = np.where(jumps & (state < NUM_STATES), anywhere, following)
    return following
