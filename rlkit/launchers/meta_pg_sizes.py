"""Lanes and estimated cost of policy-gradient runs: steps, memory, disk, seconds."""

import time
from collections.abc import Mapping

from torch import nn

from rlkit.core.algorithm import NoLoop, RLAlgorithm
from rlkit.envs.base import MetaEnv
from rlkit.launchers.launcher import Requirements
from rlkit.torch.meta_pg.config import GradientSettings, RL2Settings

MAX_LANES = 1000  # more lanes take memory without being faster
FLOAT_BYTES = 4
PROCESS_BYTES = 0.6e9  # of Python, torch and MuJoCo
ROW_BYTES = 400  # per iteration in progress.csv and online_returns.csv
GRAPH_COPIES = 14  # layer-sized arrays in an update's graph, per step
CHECKPOINT_COPIES = 8  # weights and Adam's moments, in two checkpoints and the weight files


def default_num_envs(algo: GradientSettings | RL2Settings) -> int:
    """Lanes for an iteration: one per trajectory (RL²: per trial), at most `MAX_LANES`."""
    wanted = algo.meta_batch
    if isinstance(algo, GradientSettings):
        wanted *= algo.rollouts_per_task
    return min(wanted, MAX_LANES)


def steps_per_iteration(algo: GradientSettings | RL2Settings) -> int:
    """Environment steps per iteration; an upper bound if episodes end early."""
    if isinstance(algo, GradientSettings):
        rounds = (algo.num_inner_steps + 1) * algo.rollouts_per_task
    else:
        rounds = algo.episodes_per_trial
    return rounds * algo.meta_batch * algo.max_path_length


def explored_per_test(algo: GradientSettings | RL2Settings) -> int:
    """Exploration trajectories of a meta-test before the final one."""
    rounds = algo.num_inner_steps if isinstance(algo, GradientSettings) else 1
    return rounds * algo.num_exp_traj_eval


def requirements(
    algo: GradientSettings | RL2Settings,
    env: MetaEnv,
    networks: Mapping[str, nn.Module],
    num_eval_tasks: int,
    gradient_steps: int,
) -> Requirements:
    """Estimate steps, memory and disk."""
    steps = steps_per_iteration(algo)
    if isinstance(algo, GradientSettings):
        width, in_graph = sum(algo.hidden_sizes), steps
    else:
        width, in_graph = 6 * algo.hidden_size, -(-steps // algo.num_minibatches)
    row = FLOAT_BYTES * (2 * env.obs_dim + 3 * env.act_dim + env.outcome_dim + 8)
    weights = sum(p.numel() for network in networks.values() for p in network.parameters())
    copies = 6 * algo.meta_batch if isinstance(algo, GradientSettings) else 6
    memory = (
        PROCESS_BYTES
        + 3 * steps * row
        + in_graph * GRAPH_COPIES * FLOAT_BYTES * width
        + copies * FLOAT_BYTES * weights
    )
    trajectories = explored_per_test(algo) + 1
    test = 2 * num_eval_tasks * algo.num_evals * trajectories * algo.max_path_length
    table = algo.num_iterations * (1 + trajectories / algo.eval_every) * ROW_BYTES
    return Requirements(
        initial_steps=0,
        iteration_steps=steps,
        evaluation_steps=test,
        gradient_steps=gradient_steps,
        memory=memory,
        replay=steps * row,
        row=row,
        disk=CHECKPOINT_COPIES * FLOAT_BYTES * weights + table,
    )


def seconds_of(algorithm: RLAlgorithm, num_updates: int) -> float:
    """Seconds per iteration, without its evaluation.

    Args:
        algorithm: collects a whole iteration, but takes only one of its equally long updates.
        num_updates: updates per iteration.
    """
    loop, seconds = NoLoop(), 0.0
    for iteration in range(2):  # the first warms up
        start = time.perf_counter()
        algorithm.collect_data(iteration, loop)
        collected = time.perf_counter()
        algorithm.do_training(iteration, loop)
        seconds = collected - start + num_updates * (time.perf_counter() - collected)
    return seconds
