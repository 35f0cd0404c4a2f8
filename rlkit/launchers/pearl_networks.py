"""Constructs PEARL's networks, its agent and its buffers."""

from typing import Any

import torch

from rlkit.data_management.frame_buffer import FrameReplayBuffer
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.envs.base import MetaEnv
from rlkit.launchers.pearl_config import PEARLExperiment
from rlkit.launchers.pearl_sizes import frames_shown
from rlkit.torch.conv_encoder import FEATURES, ConvEncoder
from rlkit.torch.mlp_function import SLICE_ROWS, Arithmetic
from rlkit.torch.networks import FlattenMlp
from rlkit.torch.sac.agent import PEARLAgent
from rlkit.torch.sac.networks import PEARLNetworks
from rlkit.torch.sac.policies import TanhGaussianPolicy

ACTING = ("context_encoder", "policy", "obs_encoder")  # networks that an acting agent needs


def network_options(config: PEARLExperiment, generator: torch.Generator) -> dict[str, Any]:
    """Initialisation and matrix product options of a configuration's networks."""
    util = config.util_params
    slice_rows = SLICE_ROWS if util.slice_rows is None else util.slice_rows
    route = "default" if util.matmul == "auto" else util.matmul
    arithmetic = Arithmetic(route, util.precision, slice_rows)
    return {"generator": generator, "arithmetic": arithmetic, "init": config.algo_params.init}


def build_networks(
    config: PEARLExperiment, env: MetaEnv, generator: torch.Generator
) -> PEARLNetworks:
    """Construct PEARL's networks on the CPU, initialised from the generator in a fixed order.

    There are six, plus a convolutional one with image observations.
    """
    algo, latent_dim = config.algo_params, config.latent_size
    hidden, options = [config.net_size] * 3, network_options(config, generator)
    images = config.obs_mode == "image"
    obs_dim = FEATURES if images else env.obs_dim
    context_dim = obs_dim + env.act_dim + 1 + (obs_dim if algo.use_next_obs_in_context else 0)
    context_dim += 1 if algo.takes_episodes else 0  # flags the first step of an episode
    # Encoders of episodes have their own initialisation.
    left_out = {"init"} if algo.takes_episodes else set()
    encoder_options = {name: value for name, value in options.items() if name not in left_out}
    encoder = algo.encoder_class(
        context_dim,
        latent_dim,
        use_information_bottleneck=algo.use_information_bottleneck,
        **encoder_options,
    )
    networks = PEARLNetworks(
        qf1=FlattenMlp(hidden, obs_dim + env.act_dim + latent_dim, 1, **options),
        qf2=FlattenMlp(hidden, obs_dim + env.act_dim + latent_dim, 1, **options),
        vf=FlattenMlp(hidden, obs_dim + latent_dim, 1, **options),
        target_vf=FlattenMlp(hidden, obs_dim + latent_dim, 1, **options),
        policy=TanhGaussianPolicy(hidden, obs_dim, latent_dim, env.act_dim, **options),
        context_encoder=encoder,
        obs_encoder=ConvEncoder(config.image_size, config.image_frames, generator)
        if images
        else None,
    )
    networks.target_vf.load_state_dict(networks.vf.state_dict())
    return networks


def build_agent(config: PEARLExperiment, networks: PEARLNetworks) -> PEARLAgent:
    """Construct the agent from its networks."""
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
        gradient_rows=(algo.embedding_mini_batch_size or 0) if algo.takes_episodes else 0,
        obs_encoder=networks.obs_encoder,
    )


def build_buffer(
    config: PEARLExperiment, env: MetaEnv, device: torch.device | str, reserve_rows: int
) -> MultiTaskReplayBuffer:
    """Construct an empty buffer of the train tasks for the observations of the environment.

    Args:
        config: the experiment.
        env: provides the observations.
        device: where the rows are stored.
        reserve_rows: expected number of rows of all tasks together.
    """
    options: dict[str, Any] = {
        "capacity": config.algo_params.replay_buffer_size,
        "device": device,
        "reserve_rows": reserve_rows,
    }
    if config.obs_mode == "state":
        return MultiTaskReplayBuffer(config.n_train_tasks, env.obs_dim, env.act_dim, **options)
    options["reserve_frames"] = frames_shown(config, reserve_rows)
    return FrameReplayBuffer(
        config.n_train_tasks, env.recorded_dim, config.image_frames, env.act_dim, **options
    )
