"""Builds PEARL: the one place where its environment, networks, buffers and loop are constructed and wired."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from rlkit.core.meta_rl_algorithm import MetaRLAlgorithm
from rlkit.core.seeding import torch_seed
from rlkit.data_management.frame_buffer import FrameReplayBuffer
from rlkit.data_management.paths import Paths
from rlkit.data_management.relabeler import OriginalLabels, Relabeler
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.envs import make_env
from rlkit.envs.base import MetaEnv
from rlkit.envs.pixels import PixelObservation
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.torch.attention_encoder import AttentionEncoder
from rlkit.torch.conv_encoder import FEATURES, ConvEncoder
from rlkit.torch.encoders import MlpEncoder
from rlkit.torch.mlp_function import SLICE_ROWS, Arithmetic
from rlkit.torch.networks import FlattenMlp
from rlkit.torch.sac.agent import PEARLAgent
from rlkit.torch.sac.networks import PEARLNetworks
from rlkit.torch.sac.policies import TanhGaussianPolicy
from rlkit.torch.sac.sac import PEARLSoftActorCritic
from rlkit.torch.sequence_encoders import GruEncoder, LstmEncoder
from rlkit.torch.weight_mirror import WeightMirror

ENCODERS = {
    "mlp": MlpEncoder,
    "gru": GruEncoder,
    "lstm": LstmEncoder,
    "attention": AttentionEncoder,
}
ACTING = ("context_encoder", "policy", "obs_encoder")  # networks that an agent needs


@dataclass(frozen=True)
class Experiment:
    """A built experiment: the environment, what acts in it, and the loop that trains it."""

    env: MetaEnv
    agent: PEARLAgent  # the one that acts; see `build_pearl`
    algorithm: MetaRLAlgorithm

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks by the names of their weight files."""
        return self.algorithm.networks


def build_env(config: Any, tasks: np.ndarray | None = None, num_envs: int | None = None) -> MetaEnv:
    """Construct the task distribution of a configuration; actions are in [-1, 1].

    Args:
        config: the experiment's configuration.
        tasks: a stored task set, [n_tasks, task_dim], instead of the drawn one.
        num_envs: lanes, if others than the configuration's.
    Errors: ValueError from the environment's constructor.
    """
    util = config.util_params
    lanes = num_envs or util.num_envs or default_num_envs(config)
    env = make_env(
        config.env_name,
        **config.env_params,
        num_envs=lanes,
        physics_threads=util.physics_threads or 1,
    )
    if tasks is not None:
        env.set_tasks(tasks)
    if config.obs_mode == "image":
        env = PixelObservation(env, config.image_size, config.image_frames)
    return env


def default_num_envs(config: Any) -> int:
    """Lanes that hold the widest rollout of an iteration, at most 128."""
    return min(128, max(rollout_widths(config)))


def rollout_widths(config: Any) -> tuple[int, int]:
    """Lanes of the widest rollout of an iteration's collection, and of its evaluation."""
    algo = config.algo_params
    runs = config.n_eval_tasks * (
        2 * algo.num_exp_traj_eval * algo.num_evals
        + algo.num_steps_per_eval // algo.max_path_length
    )
    visits = algo.num_tasks_sample * math.ceil(
        max(algo.num_steps_prior, algo.num_extra_rl_steps_posterior) / algo.max_path_length
    )
    return visits, runs


def network_options(config: Any, generator: torch.Generator) -> dict[str, Any]:
    """How the networks of a configuration are initialised, and how their products are done."""
    util = config.util_params
    slice_rows = SLICE_ROWS if util.slice_rows is None else util.slice_rows
    arithmetic = Arithmetic(
        "default" if util.matmul == "auto" else util.matmul, util.precision, slice_rows
    )
    return {"generator": generator, "arithmetic": arithmetic, "init": config.algo_params.init}


def build_networks(config: Any, env: MetaEnv, generator: torch.Generator) -> PEARLNetworks:
    """Construct PEARL's six networks, and for pictures the convolutional one, on the CPU, initialised from the
    generator in a fixed order."""
    algo, latent_dim = config.algo_params, config.latent_size
    hidden, options = [config.net_size] * 3, network_options(config, generator)
    obs_dim = FEATURES if config.obs_mode == "image" else env.obs_dim
    context_dim = obs_dim + env.act_dim + 1 + (obs_dim if algo.use_next_obs_in_context else 0)
    context_dim += 1 if algo.takes_episodes else 0  # whether the step is the first of its episode
    bottleneck = algo.use_information_bottleneck
    left_out = (
        {"init"} if algo.takes_episodes else set()
    )  # those encoders have a start of their own
    encoder_options = {name: value for name, value in options.items() if name not in left_out}
    encoder = ENCODERS[algo.encoder_kind](
        context_dim, latent_dim, use_information_bottleneck=bottleneck, **encoder_options
    )
    networks = PEARLNetworks(
        qf1=FlattenMlp(hidden, obs_dim + env.act_dim + latent_dim, 1, **options),
        qf2=FlattenMlp(hidden, obs_dim + env.act_dim + latent_dim, 1, **options),
        vf=FlattenMlp(hidden, obs_dim + latent_dim, 1, **options),
        target_vf=FlattenMlp(hidden, obs_dim + latent_dim, 1, **options),
        policy=TanhGaussianPolicy(hidden, obs_dim, latent_dim, env.act_dim, **options),
        context_encoder=encoder,
        obs_encoder=ConvEncoder(config.image_size, config.image_frames, generator)
        if config.obs_mode == "image"
        else None,
    )
    networks.target_vf.load_state_dict(networks.vf.state_dict())
    return networks


def build_agent(config: Any, networks: PEARLNetworks) -> PEARLAgent:
    """Construct the agent over built networks."""
    algo = config.algo_params
    return PEARLAgent(
        config.latent_size,
        networks.context_encoder,
        networks.policy,
        use_information_bottleneck=algo.use_information_bottleneck,
        use_next_obs_in_context=algo.use_next_obs_in_context,
        sparse_rewards=algo.sparse_rewards,
        num_exp_traj_eval=algo.num_exp_traj_eval,
        min_sigma=algo.min_sigma,
        gradient_rows=algo.embedding_mini_batch_size if algo.takes_episodes else 0,
        obs_encoder=networks.obs_encoder,
    )


class Rows(NamedTuple):
    """Rows of all train tasks together in each kind of buffer."""

    replay: int
    encoder: int
    sampler: int = 0


def projected_rows(config: Any) -> Rows:
    """Rows that the buffers hold at most by the end of the run.

    Episodes that end early overshoot a block by less than a horizon.
    """
    algo, tasks, horizon = (
        config.algo_params,
        config.n_train_tasks,
        config.algo_params.max_path_length,
    )

    def whole(steps: int) -> int:
        return math.ceil(steps / horizon) * horizon

    to_encoder = whole(algo.num_steps_prior) + whole(algo.num_steps_posterior)
    per_visit = to_encoder + whole(algo.num_extra_rl_steps_posterior)
    initial = whole(algo.num_initial_steps)
    replay = tasks * initial + algo.num_iterations * algo.num_tasks_sample * per_visit
    largest = tasks * algo.replay_buffer_size
    return Rows(min(replay, largest), min(tasks * max(initial, to_encoder), largest))


def projected_frames(config: Any, rows: int) -> int:
    """Pictures that so many rows show, if no episode ends early: an episode has one more than steps."""
    return rows + -(-rows // config.algo_params.max_path_length)


def build_buffer(
    config: Any, env: MetaEnv, device: torch.device | str, reserve_rows: int
) -> MultiTaskReplayBuffer:
    """Construct an empty buffer of the train tasks for what the environment shows."""
    options: dict[str, Any] = {
        "capacity": config.algo_params.replay_buffer_size,
        "device": device,
        "reserve_rows": reserve_rows,
    }
    if config.obs_mode == "state":
        return MultiTaskReplayBuffer(config.n_train_tasks, env.obs_dim, env.act_dim, **options)
    options["reserve_frames"] = projected_frames(config, reserve_rows)
    return FrameReplayBuffer(
        config.n_train_tasks, env.recorded_dim, config.image_frames, env.act_dim, **options
    )


class Parts(NamedTuple):
    """What a relabeler may need of an experiment under construction."""

    config: Any
    env: MetaEnv
    agent: PEARLAgent
    networks: PEARLNetworks
    replay_buffer: MultiTaskReplayBuffer
    encoder_buffer: MultiTaskReplayBuffer
    seed: int


def original_labels(parts: Parts) -> Relabeler:
    """Construct PEARL's relabeler."""
    return OriginalLabels(
        parts.replay_buffer, parts.encoder_buffer, parts.config.algo_params.num_tasks_sample
    )


def build_pearl(
    config: Any,
    device: torch.device | str,
    seed: int,
    *,
    tasks: np.ndarray | None = None,
    save_eval_paths: Callable[[str, Paths], None] = lambda name, paths: None,
    copy_weights: bool | None = None,
    make_relabeler: Callable[[Parts], Relabeler] = original_labels,
    loop: type[MetaRLAlgorithm] = MetaRLAlgorithm,
) -> Experiment:
    """Construct a PEARL experiment.

    Args:
        config: a checked configuration (rlkit.launchers.experiment_config.ExperimentConfig).
        device: where networks and replay buffers live.
        seed: source of every random number but the task set.
        tasks: a stored task set instead of the drawn one.
        save_eval_paths: receives evaluation trajectories when `dump_eval_paths` is set.
        copy_weights: act on the CPU with copies of encoder and policy, which are brought up to date before each collection and
            each evaluation; None: where `rollout_device` is "cpu" and the device is another.
        make_relabeler, loop: what another algorithm has in place of PEARL's.
    """
    algo, device = config.algo_params, torch.device(device)
    env = build_env(config, tasks)
    networks = build_networks(
        config, env, torch.Generator().manual_seed(torch_seed(seed, "networks"))
    )
    for network in networks.named().values():
        network.to(device)
    agent = build_agent(config, networks)
    acting, copies = agent, None
    if copy_weights or (
        copy_weights is None and config.util_params.rollout_device == "cpu" and device.type != "cpu"
    ):
        copies = WeightMirror("cpu")
        acting = build_agent(config, networks.copied_for_acting(copies))
    rows = projected_rows(config)
    replay_buffer = build_buffer(
        config, env, device, config.util_params.replay_reserve or rows.replay
    )
    overshoot = config.n_train_tasks * (
        algo.max_path_length - 1
    )  # of the initial pool, where episodes end early
    encoder_buffer = build_buffer(config, env, device, rows.encoder + overshoot)
    relabeler = make_relabeler(
        Parts(config, env, agent, networks, replay_buffer, encoder_buffer, seed)
    )
    trainer = PEARLSoftActorCritic(
        agent,
        networks,
        algo,
        torch.Generator(device).manual_seed(torch_seed(seed, "training")),
        num_threads=config.util_params.torch_threads or 1,
        cuda_graph=config.util_params.cuda_graph,
        aux_learner=relabeler,
    )
    algorithm = loop(
        env=env,
        agent=acting,
        sampler=InPlacePathSampler(env, acting, algo.max_path_length),
        trainer=trainer,
        replay_buffer=replay_buffer,
        encoder_buffer=encoder_buffer,
        relabeler=relabeler,
        train_tasks=range(config.n_train_tasks),
        eval_tasks=range(len(env.tasks) - config.n_eval_tasks, len(env.tasks)),
        config=algo,
        seed=seed,
        save_eval_paths=save_eval_paths,
        before_rollouts=(lambda: None) if copies is None else copies.update,
    )
    return Experiment(env, acting, algorithm)
