"""What a tick of a rollout consists of, by lanes, threads and acting device, for gpu_checks."""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any
from unittest import mock

from benchmarks.gpu_operations import Check, seconds
from rlkit.core.seeding import stream
from rlkit.launchers.load_config import load_config
from rlkit.launchers.pearl import PEARL
from rlkit.torch.execution import torch_threads

CONFIG, HORIZON = "configs/cheetah-vel.json", 200
# Lanes of the environment, lanes of the rollout: narrow ones with the threads of a wide
# environment, and with as many as a narrow one takes.
WIDTHS = ((128, 15), (15, 15), (128, 64), (128, 128))


def rollout_checks(device: str, repeats: int, steps: int) -> Iterator[Check]:
    """Milliseconds of a tick, and of the physics, of acting and of the rest in it."""
    on_gpu = device != "cpu"
    for acting in ("cpu", "gpu") if on_gpu else ("cpu",):
        for threads in (1, 4, 16) if on_gpu else (1,):
            for num_envs, lanes in WIDTHS if on_gpu else ((2, 2),):
                config: Any = load_config(
                    CONFIG,
                    [
                        "seed=0",
                        f"util_params.num_envs={num_envs}",
                        f"util_params.physics_threads={threads}",
                        f"util_params.rollout_device={acting}",
                    ],
                )
                experiment = PEARL().build(config, device, 0)
                with closing(experiment), torch_threads(1):
                    parts = ticks(experiment, lanes, repeats)
                name = f"{lanes} lanes of {num_envs}, {threads} threads, policy on the {acting}"
                predicted = {"tick": 0.55 + 0.0096 * lanes}
                for part, took in parts.items():
                    yield Check(f"{part} of a rollout, ms", name, took, predicted.get(part))


def ticks(experiment: Any, lanes: int, repeats: int) -> dict[str, float]:
    """Median milliseconds of a tick of so many lanes, and of its parts."""
    sampler, env = experiment.algorithm.collection.sampler, experiment.env.unwrapped
    generators = [stream(0, "benchmark", n) for n in range(lanes)]
    tasks: Sequence[int] = [0] * lanes
    rollout = partial(sampler.obtain_samples, tasks, generators)
    rollout()
    found: dict[str, list[float]] = {"tick": [], "physics": [], "acting": [], "rest": []}
    for _ in range(repeats):
        with (
            timed(env.simulation, "step") as physics,
            timed(sampler.policy, "get_actions") as acting,
        ):
            whole = seconds(rollout)
        parts = whole, sum(physics), sum(acting), whole - sum(physics) - sum(acting)
        for times, took in zip(found.values(), parts, strict=True):
            times.append(1e3 * took / HORIZON)
    return {part: statistics.median(times) for part, times in found.items()}


@contextmanager
def timed(owner: Any, name: str) -> Iterator[list[float]]:
    """Note the seconds of every call of a method inside the block."""
    times: list[float] = []
    method = getattr(owner, name)

    def call(*given: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return method(*given, **options)
        finally:
            times.append(time.perf_counter() - start)

    with mock.patch.object(owner, name, call):
        yield times
