"""What a run will take: environment steps, gradient steps, memory and disk. Estimates, made before anything runs."""

import math
from dataclasses import replace
from typing import NamedTuple

import torch

from rlkit.envs.base import MetaEnv
from rlkit.envs.pixels import CHANNELS
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.launcher_util import algorithm_module

PROCESS_BYTES = 450e6  # Python with PyTorch, MuJoCo and the libraries around them, measured
FLOAT_BYTES = 4


class Steps(NamedTuple):
    """Environment steps of a run in which no episode ends early: the initial pool, each iteration, each evaluation."""

    initial: int
    iteration: int
    evaluation: int


def env_steps(config: ExperimentConfig) -> Steps:
    """Count environment steps; trajectories are whole, so every block is rounded up to multiples of the horizon."""
    algo, horizon = config.algo_params, config.algo_params.max_path_length

    def whole(steps: int) -> int:
        return math.ceil(steps / horizon) * horizon

    blocks = (algo.num_steps_prior, algo.num_steps_posterior, algo.num_extra_rl_steps_posterior)
    run = whole(algo.num_steps_per_eval)
    meta_test = 2 * algo.num_evals * run  # on train and on test tasks
    if (
        algo.eval_protocol == "oyster2019"
    ):  # one exploration a task, which leaves each run all trajectories but the last
        meta_test = 2 * (run + algo.num_evals * max(horizon, run - horizon))
    from_buffer = algo.num_steps_per_eval // horizon * horizon
    return Steps(
        initial=config.n_train_tasks * whole(algo.num_initial_steps),
        iteration=algo.num_tasks_sample * sum(whole(steps) for steps in blocks),
        evaluation=config.n_eval_tasks * (meta_test + from_buffer),
    )


def requirements(config: ExperimentConfig) -> str:
    """Write down in a few lines what a run will take.

    Args:
        config: checked.
    Returns:
        Environment steps (collected, and in evaluation), gradient steps, memory and disk at the end of the run.
    """
    algo, gradient_steps = config.algo_params, config.algo_params.num_train_steps_per_itr
    steps = env_steps(config)
    module, _ = algorithm_module(config.algorithm)
    env = module.build_env(
        replace(config, obs_mode="state"), num_envs=1
    )  # sizes only: nothing is drawn
    networks = module.build_networks(config, env, torch.Generator()).named().values()
    row_bytes = _row_bytes(config, env)
    env.close()
    rows = module.projected_rows(config)
    learned = (
        sum(parameter.numel() for network in networks for parameter in network.parameters())
        * FLOAT_BYTES
    )
    replay, contexts = rows.replay * row_bytes, (rows.encoder + rows.sampler) * row_bytes
    memory = (
        replay + contexts + 4 * learned + PROCESS_BYTES
    )  # a parameter, its gradient, two moments of Adam
    segments = _encoder_segments(config) * (2 if rows.sampler else 1)
    disk = replay + segments * row_bytes + 2 * 3 * learned + learned  # two states, the weight files
    total = steps.initial + algo.num_iterations * steps.iteration
    return "\n".join(
        [
            f"environment steps: {total:,} ({steps.initial:,} at first, {steps.iteration:,} per iteration), "
            f"beside {steps.evaluation:,} per evaluation",
            f"gradient steps: {algo.num_iterations * gradient_steps:,} ({gradient_steps:,} per iteration)",
            f"memory: about {_size(memory)}, of which replay data {_size(replay + contexts)} ({row_bytes} bytes a row)",
            f"disk: about {_size(disk)} in a folder under {config.util_params.base_log_dir}",
        ]
    )


def _row_bytes(config: ExperimentConfig, env: MetaEnv) -> int:
    """Bytes of a stored transition; of pictures with its share of the frames, of which an episode has one more than steps."""
    if config.obs_mode == "state":
        return FLOAT_BYTES * (2 * env.obs_dim + env.act_dim + 3)
    frame, horizon = CHANNELS * config.image_size**2, config.algo_params.max_path_length
    return FLOAT_BYTES * (2 * config.image_frames + env.act_dim + 3) + math.ceil(
        frame * (horizon + 1) / horizon
    )


def _encoder_segments(config: ExperimentConfig) -> float:
    """Estimate the encoder rows in a checkpoint: a segment stays until every task in it was visited again.

    With k tasks of n drawn per iteration, that takes n (1 + 1/2 + ... + 1/k) / k iterations on average.
    """
    algo, tasks = config.algo_params, config.n_train_tasks
    rows = algo.num_steps_prior + algo.num_steps_posterior
    harmonic = sum(1 / i for i in range(1, algo.num_tasks_sample + 1))
    kept = min(algo.num_iterations, tasks * harmonic / algo.num_tasks_sample)
    return tasks * algo.num_initial_steps + kept * algo.num_tasks_sample * rows


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"
