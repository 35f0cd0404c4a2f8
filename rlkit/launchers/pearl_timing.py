"""Estimates the duration of PEARL's iterations by timing a short one."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rlkit.core.algorithm import NoLoop
from rlkit.core.errors import UserError
from rlkit.launchers.launcher import Launcher
from rlkit.launchers.machine import default_threads
from rlkit.launchers.pearl_config import PEARLExperiment
from rlkit.torch.execution import torch_threads

HORIZON = 10  # steps of the timed trajectories
GRADIENT_STEPS = 5
# Settings that count environment steps.
COUNTS = (
    "num_initial_steps",
    "num_steps_prior",
    "num_steps_posterior",
    "num_extra_rl_steps_posterior",
    "num_steps_per_eval",
)

# Units in which the verbs report their progress.
UNITS = {
    "collecting": "environment step",
    "training": "gradient step",
    "evaluating": "evaluation step",
}


def mean_iteration_seconds(
    launcher: Launcher[Any], config: PEARLExperiment, device: str
) -> float | None:
    """Mean seconds per iteration, with the initial pool spread over all of them.

    The timed iteration has all trajectories of a real one, but cut short, and a few gradient steps.

    Args:
        launcher: builds the experiment.
        config: checked.
        device: name of the torch device.
    Returns:
        None if the short experiment cannot be run.
    """
    algo, horizon = config.algo_params, config.algo_params.max_path_length
    short = min(horizon, HORIZON)
    cut = replace(
        algo,
        max_path_length=short,
        num_train_steps_per_itr=GRADIENT_STEPS,
        dump_eval_paths=False,
        **{name: math.ceil(getattr(algo, name) / horizon) * short for name in COUNTS},
    )
    threads = config.util_params.torch_threads or default_threads()
    util = replace(config.util_params, torch_threads=threads)
    try:
        resolved = launcher.resolve(replace(config, algo_params=cut, util_params=util), device)
        experiment = launcher.build(resolved, device, 0)
    except (UserError, ValueError, RuntimeError):  # no such device here, or no OpenGL
        return None
    verbs, loop = experiment.algorithm, NoLoop()
    try:
        with torch_threads(1):
            first = _seconds(lambda: verbs.collect_data(0, loop))
            verbs.do_training(0, loop)  # the first steps allocate memory and prepare products
            collection = _seconds(lambda: verbs.collect_data(1, loop))
            training = _seconds(lambda: verbs.do_training(1, loop))
            evaluation = _seconds(lambda: verbs.evaluate(1, loop))
    finally:
        experiment.close()
    initial = max(0.0, first - collection) / algo.num_iterations
    rollouts = initial + collection + evaluation / algo.eval_every
    return rollouts * horizon / short + training * algo.num_train_steps_per_itr / GRADIENT_STEPS


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
