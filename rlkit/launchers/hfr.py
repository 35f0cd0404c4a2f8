"""Builds HFR: PEARL with another relabeler, on top of `rlkit.launchers.pearl`."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, cast

import numpy as np
import torch

from rlkit.core.meta_evaluation import ExtraColumns
from rlkit.core.seeding import torch_seed
from rlkit.data_management.relabeler import Relabeler
from rlkit.launchers.hfr_config import HFRConfig, HFRExperiment
from rlkit.launchers.hfr_sizes import relabeling_bytes
from rlkit.launchers.launcher import Requirements
from rlkit.launchers.pearl import PEARL, BuildContext
from rlkit.launchers.pearl_config import PEARLExperiment
from rlkit.launchers.pearl_networks import build_buffer, network_options
from rlkit.launchers.pearl_sizes import BufferSizes, blocks, buffer_sizes, whole
from rlkit.torch.aux_learner import AuxLearner
from rlkit.torch.execution import sharing_threads
from rlkit.torch.hfr.columns import COUNT_NAMES, HFRColumns
from rlkit.torch.hfr.foresight import Foresight
from rlkit.torch.hfr.learned_reward import LearnedReward, RewardLearner
from rlkit.torch.hfr.methods import (
    ForesightOfTask,
    ReturnOfTask,
    TransitionsByCritic,
    UniformTask,
)
from rlkit.torch.hfr.pearl import MetaLearner
from rlkit.torch.hfr.relabelers import CountedOriginals, HindsightLabels
from rlkit.torch.networks import FlattenMlp


class HFR(PEARL):
    """Launches HFR; with `relabel_method` "none" it trains exactly as PEARL."""

    settings: ClassVar[type[HFRExperiment]] = HFRExperiment
    count_names: ClassVar[Mapping[str, str]] = COUNT_NAMES

    def buffer_sizes(self, config: PEARLExperiment) -> BufferSizes:
        """Maximum rows of the buffers, if trajectories are assigned evenly to the tasks.

        The encoder buffer keeps the rows last assigned to each task: at most those of its pool or
        visit plus those of one iteration.
        """
        rows, algo, tasks = buffer_sizes(config), _algo(config), config.n_train_tasks
        if algo.relabel_method == "none":
            return rows
        horizon = algo.max_path_length
        to_encoder = whole(algo.num_steps_prior + algo.num_steps_posterior, horizon)
        initial = whole(algo.num_initial_steps, horizon)
        sampler = tasks * max(initial, to_encoder + blocks(algo).extra)
        encoder = rows.encoder + algo.num_tasks_sample * to_encoder
        return rows._replace(encoder=encoder, sampler=sampler)

    def requirements(self, config: PEARLExperiment) -> Requirements:
        """PEARL's requirements plus the memory that relabeling needs."""
        needed = super().requirements(config)
        held = relabeling_bytes(cast(HFRExperiment, config), needed.row)
        return needed._replace(memory=needed.memory + held)

    def aux_learner(self, context: BuildContext, relabeler: Relabeler) -> AuxLearner | None:
        """Construct the learner that reports batch rewards and trains the reward network."""
        if not isinstance(relabeler, HindsightLabels):
            return None
        return RewardLearner(relabeler.learned_reward)

    def extra_columns(self, context: BuildContext) -> ExtraColumns:
        """Construct HFR's columns: average return and success rates."""
        algo = _algo(context.config)
        return HFRColumns(
            context.env,
            sparse=algo.sparse_rewards,
            log_success_rate=algo.log_success_rate,
            num_explored=algo.num_exp_traj_eval,
        )


def _algo(config: PEARLExperiment) -> HFRConfig:
    return cast(HFRExperiment, config).algo_params


def hindsight_relabeler(context: BuildContext) -> Relabeler:
    """Construct the configured relabeler; for "none" it is PEARL's, which also counts successes."""
    if _algo(context.config).relabel_method == "none":
        return CountedOriginals(context.env, context.replay_buffer)
    return hindsight_labels(context)


def hindsight_labels(context: BuildContext) -> Relabeler:
    """Construct HFR's relabeler with the configured method."""
    config, algo = context.config, _algo(context.config)
    device, reserve = context.replay_buffer.device, context.sizes.sampler
    sampler_buffer = build_buffer(config, context.env, device, reserve)
    pearl = MetaLearner(context.agent, context.networks, algo)
    foresight = Foresight(pearl, context.replay_buffer, algo)
    methods: dict[str, Callable[[], UniformTask]] = {
        "random": lambda: UniformTask(config.n_train_tasks),
        "return": lambda: ReturnOfTask(
            config.n_train_tasks, algo, sparse_rewards=algo.sparse_rewards
        ),
        "hipi": lambda: TransitionsByCritic(foresight, context.encoder_buffer),
        "hfr-q": lambda: ForesightOfTask(foresight, sampler_buffer, context.seed),
        "hfr-bellman": lambda: ForesightOfTask(foresight, sampler_buffer, context.seed),
    }
    tasks: np.ndarray = context.env.tasks[: config.n_train_tasks]
    return HindsightLabels(
        env=context.env,
        tasks=tasks,
        replay_buffer=context.replay_buffer,
        encoder_buffer=context.encoder_buffer,
        sampler_buffer=sampler_buffer,
        method=methods[algo.relabel_method](),
        settings=algo,
        sparse_rewards=algo.sparse_rewards,
        seed=context.seed,
        learned_reward=learned_reward(context, tasks) if algo.use_learned_reward else None,
        sharing=partial(
            sharing_threads,
            list(context.networks.named().values()),
            config.util_params.torch_threads or 1,
        ),
    )


def learned_reward(context: BuildContext, tasks: np.ndarray) -> LearnedReward:
    """Construct the reward network, a function of (obs, action, task) as wide as the critics."""
    config, env = context.config, context.env
    generator = torch.Generator().manual_seed(torch_seed(context.seed, "learned reward"))
    size = env.obs_dim + env.act_dim + tasks.shape[1]
    network = FlattenMlp([config.net_size] * 3, size, 1, **network_options(config, generator))
    rate = _algo(config).rf_lr
    return LearnedReward(network.to(context.replay_buffer.device), tasks, rate)
