"""Builds HFR: PEARL with a relabeler more. Everything else is `rlkit.launchers.pearl`'s."""

from functools import partial
from typing import Any

import numpy as np
import torch

from rlkit.core.hfr_columns import HFRColumns
from rlkit.core.seeding import torch_seed
from rlkit.data_management.relabeler import Relabeler
from rlkit.launchers.pearl import (
    Experiment,
    Parts,
    Rows,
    build_buffer,
    build_env,
    build_networks,
    build_pearl,
    default_num_envs,
    network_options,
    rollout_widths,
)
from rlkit.launchers.pearl import projected_rows as pearl_rows
from rlkit.torch.execution import sharing_threads
from rlkit.torch.hfr.foresight import Foresight
from rlkit.torch.hfr.learned_reward import LearnedReward
from rlkit.torch.hfr.methods import ForesightOfTask, ReturnOfTask, TransitionsByCritic, UniformTask
from rlkit.torch.hfr.relabelers import CountedOriginals, HindsightLabels
from rlkit.torch.networks import FlattenMlp

__all__ = [
    "build_env",
    "build_hfr",
    "build_networks",
    "default_num_envs",
    "projected_rows",
    "rollout_widths",
]


def projected_rows(config: Any) -> Rows:
    """Rows that the buffers hold at most by the end of the run, where assignments are spread over the tasks.

    The encoder buffer keeps what each task was last assigned: no more than its pool or visit and what an iteration adds.
    """
    rows, algo = pearl_rows(config), config.algo_params
    if algo.relabel_method == "none":
        return rows
    horizon, tasks = algo.max_path_length, config.n_train_tasks
    to_encoder, extra = (-(-steps // horizon) * horizon for steps in _steps(algo))
    sampler = max(
        tasks * -(-algo.num_initial_steps // horizon) * horizon, tasks * (to_encoder + extra)
    )
    return rows._replace(encoder=rows.encoder + algo.num_tasks_sample * to_encoder, sampler=sampler)


def _steps(algo: Any) -> tuple[int, int]:
    return algo.num_steps_prior + algo.num_steps_posterior, algo.num_extra_rl_steps_posterior


def build_hfr(config: Any, device: torch.device | str, seed: int, **options: Any) -> Experiment:
    """Construct an HFR experiment; arguments as for `build_pearl`. `relabel_method` none is PEARL."""
    make_relabeler = (
        counted_originals if config.algo_params.relabel_method == "none" else hindsight_labels
    )
    return build_pearl(
        config, device, seed, make_relabeler=make_relabeler, loop=HFRColumns, **options
    )


def counted_originals(parts: Parts) -> Relabeler:
    """Construct PEARL's relabeler, with a count of successes."""
    visits = parts.config.algo_params.num_tasks_sample
    return CountedOriginals(parts.env, parts.replay_buffer, parts.encoder_buffer, visits)


def hindsight_labels(parts: Parts) -> Relabeler:
    """Construct HFR's relabeler with the method of the configuration."""
    config, algo = parts.config, parts.config.algo_params
    sampler_buffer = build_buffer(
        config, parts.env, parts.replay_buffer.device, projected_rows(config).sampler
    )
    foresight = Foresight(parts.agent, parts.networks, parts.replay_buffer, algo)
    methods = {
        "random": lambda: UniformTask(config.n_train_tasks),
        "return": lambda: ReturnOfTask(config.n_train_tasks, algo),
        "hipi": lambda: TransitionsByCritic(foresight, parts.encoder_buffer),
        "hfr-q": lambda: ForesightOfTask(foresight, sampler_buffer, parts.seed),
        "hfr-bellman": lambda: ForesightOfTask(foresight, sampler_buffer, parts.seed),
    }
    tasks: np.ndarray = parts.env.tasks[: config.n_train_tasks]
    return HindsightLabels(
        env=parts.env,
        tasks=tasks,
        replay_buffer=parts.replay_buffer,
        encoder_buffer=parts.encoder_buffer,
        sampler_buffer=sampler_buffer,
        method=methods[algo.relabel_method](),
        config=algo,
        seed=parts.seed,
        learned_reward=learned_reward(parts, tasks) if algo.use_learned_reward else None,
        together=partial(
            sharing_threads,
            list(parts.networks.named().values()),
            config.util_params.torch_threads or 1,
        ),
    )


def learned_reward(parts: Parts, tasks: np.ndarray) -> LearnedReward:
    """Construct the network that predicts rewards of (obs, action, task), as wide as the critics."""
    config, env = parts.config, parts.env
    generator = torch.Generator().manual_seed(torch_seed(parts.seed, "learned reward"))
    size = env.obs_dim + env.act_dim + tasks.shape[1]
    network = FlattenMlp([config.net_size] * 3, size, 1, **network_options(config, generator))
    return LearnedReward(network.to(parts.replay_buffer.device), tasks, config.algo_params.rf_lr)
