"""One seed, many independent random streams, each named by its purpose.

A stream belongs to a trajectory (or to a draw of tasks), never to a lane or a thread, so that the
data of a run do not depend on how many environments step together.
"""

import zlib

import numpy as np


def _entropy(seed: int, purpose: str, index: tuple[int, ...]) -> list[int]:
    return [int(seed), zlib.crc32(purpose.encode()), *(int(i) for i in index)]


def stream(seed: int, purpose: str, *index: int) -> np.random.Generator:
    """Make the random generator of one purpose: `stream(seed, "visits", iteration)`, for example.

    Args:
        seed: the run's seed, non-negative.
        purpose: what the numbers are for; different purposes never share numbers.
        *index: non-negative numbers that identify one trajectory, visit or iteration.
    Returns:
        A generator that depends on nothing but the arguments.
    """
    return np.random.Generator(
        np.random.Philox(np.random.SeedSequence(_entropy(seed, purpose, index)))
    )


def torch_seed(seed: int, purpose: str) -> int:
    """Derive the seed of a `torch.Generator` for one purpose (63 bits)."""
    return int(
        np.random.SeedSequence(_entropy(seed, purpose, ())).generate_state(1, np.uint64)[0] >> 1
    )
