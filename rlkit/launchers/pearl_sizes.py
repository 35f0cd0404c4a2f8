"""Sizes of a PEARL run, computed from its configuration.

These are its steps, rollout widths, rows of the buffers, memory and disk.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from rlkit.core.saving import Networks
from rlkit.envs.base import MetaEnv
from rlkit.envs.pixels import CHANNELS
from rlkit.launchers.launcher import Requirements
from rlkit.launchers.pearl_config import PEARLExperiment
from rlkit.torch.sac.config import OYSTERS_MINI_BATCH, PEARLConfig

PROCESS_BYTES = 450e6  # Python with PyTorch, MuJoCo and the libraries around them, measured
FLOAT_BYTES = 4
MOST_LANES = 128
MOST_BUILT = 1024  # maximum width of networks built to count parameters


class Blocks(NamedTuple):
    """Environment steps of a visit by block, in whole trajectories of full length."""

    prior: int
    posterior: int
    extra: int

    @property
    def to_encoder(self) -> int:
        """Steps that feed the encoder buffer."""
        return self.prior + self.posterior


class BufferSizes(NamedTuple):
    """Rows of all train tasks together in each kind of buffer."""

    replay: int
    encoder: int
    sampler: int = 0


def whole(steps: int, horizon: int) -> int:
    """Round steps up to whole trajectories."""
    return math.ceil(steps / horizon) * horizon


def blocks(algo: PEARLConfig) -> Blocks:
    """Steps of a visit's blocks, if no episode ends early."""
    horizon = algo.max_path_length
    return Blocks(
        whole(algo.num_steps_prior, horizon),
        whole(algo.num_steps_posterior, horizon),
        whole(algo.num_extra_rl_steps_posterior, horizon),
    )


def rollout_widths(config: PEARLExperiment) -> tuple[int, int]:
    """Lanes of the widest rollout of collection and of evaluation."""
    algo = config.algo_params
    per_run = 2 * algo.num_exp_traj_eval * algo.num_evals
    runs = config.n_eval_tasks * (per_run + algo.num_steps_per_eval // algo.max_path_length)
    widest = max(blocks(algo).prior, blocks(algo).extra)
    return algo.num_tasks_sample * (widest // algo.max_path_length), runs


def default_num_envs(config: PEARLExperiment) -> int:
    """Lanes for the widest rollout of an iteration, at most 128."""
    return min(MOST_LANES, max(rollout_widths(config)))


def buffer_sizes(config: PEARLExperiment) -> BufferSizes:
    """Maximum rows of the buffers at the end of the run.

    Episodes that end early overshoot a block by less than a horizon.
    """
    algo, tasks, visit = config.algo_params, config.n_train_tasks, blocks(config.algo_params)
    initial = whole(algo.num_initial_steps, algo.max_path_length)
    replay = tasks * initial + algo.num_iterations * algo.num_tasks_sample * sum(visit)
    largest = tasks * algo.replay_buffer_size
    encoder = tasks * max(initial, visit.to_encoder)
    return BufferSizes(min(replay, largest), min(encoder, largest))


def frames_shown(config: PEARLExperiment, rows: int) -> int:
    """Number of frames for `rows` transitions, if no episode ends early.

    An episode has one frame more than steps.
    """
    return rows + -(-rows // config.algo_params.max_path_length)


def evaluation_steps(config: PEARLExperiment) -> int:
    """Environment steps of an evaluation in which no episode ends early."""
    algo, horizon = config.algo_params, config.algo_params.max_path_length
    run = whole(algo.num_steps_per_eval, horizon)
    meta_test = 2 * algo.num_evals * run  # on train and on test tasks
    if algo.eval_protocol == "oyster2019":
        # One exploration per task supplies all but the last trajectory of each run.
        meta_test = 2 * (run + algo.num_evals * max(horizon, run - horizon))
    from_buffer = algo.num_steps_per_eval // horizon * horizon
    return config.n_eval_tasks * (meta_test + from_buffer)


def requirements(
    config: PEARLExperiment,
    env: MetaEnv,
    networks: Networks,
    sizes: BufferSizes,
    scale: float = 1.0,
) -> Requirements:
    """Estimate the cost of a run.

    Args:
        config: checked.
        env: has the sizes of observations and actions, in state mode.
        networks: the trained networks.
        sizes: rows of the buffers at the end.
        scale: size of the trained networks relative to `networks`.
    """
    algo, row = config.algo_params, row_bytes(config, env)
    parameters = (p for network in networks.values() for p in network.parameters())
    learned = scale * sum(parameter.numel() for parameter in parameters) * FLOAT_BYTES
    replay, contexts = sizes.replay * row, (sizes.encoder + sizes.sampler) * row
    adam = 4 * learned  # a parameter, its gradient, two moments
    states = 2 * 3 * learned + learned  # two checkpoints, the weight files
    segments = _encoder_segments(config) * (2 if sizes.sampler else 1) * row
    return Requirements(
        initial_steps=config.n_train_tasks * whole(algo.num_initial_steps, algo.max_path_length),
        iteration_steps=algo.num_tasks_sample * sum(blocks(algo)),
        evaluation_steps=evaluation_steps(config),
        gradient_steps=algo.num_train_steps_per_itr,
        memory=replay + contexts + adam + working_bytes(config, row) + PROCESS_BYTES,
        replay=replay + contexts,
        row=row,
        disk=replay + segments + states,
    )


def working_bytes(config: PEARLExperiment, row: int) -> int:
    """Peak bytes of the trajectories of a collection or evaluation, and of a batch.

    Includes rows that `replay_reserve` reserves beyond those that the run fills.
    """
    algo = config.algo_params
    lanes = config.util_params.num_envs or default_num_envs(config)
    collected = algo.num_tasks_sample * sum(blocks(algo))
    steps = max(collected, evaluation_steps(config), lanes * algo.max_path_length)
    rows = algo.meta_batch * (algo.batch_size + algo.embedding_batch_size)
    unused = max(0, (config.util_params.replay_reserve or 0) - buffer_sizes(config).replay)
    return (steps + unused) * row + rows * (row + FLOAT_BYTES * config.net_size)


def built_size(config: PEARLExperiment) -> tuple[PEARLExperiment, float]:
    """The experiment with layers at most `MOST_BUILT` wide, and how much larger its own ones are.

    The size of hidden layers grows with the square of their width. Wider networks might not fit
    into the memory that is being estimated.
    """
    net, latent = min(config.net_size, MOST_BUILT), min(config.latent_size, MOST_BUILT)
    scale = (config.net_size / net) ** 2 * config.latent_size / latent
    return replace(config, net_size=net, latent_size=latent), scale


def state_mode(config: PEARLExperiment) -> PEARLExperiment:
    """The same experiment with state observations, which needs no rendering."""
    return replace(config, obs_mode="state")


def row_bytes(config: PEARLExperiment, env: MetaEnv) -> int:
    """Bytes of a stored transition; with images, including its share of the frames."""
    if config.obs_mode == "state":
        return FLOAT_BYTES * (2 * env.obs_dim + env.act_dim + 3)
    frame, horizon = CHANNELS * config.image_size**2, config.algo_params.max_path_length
    frames = math.ceil(frame * (horizon + 1) / horizon)  # an episode has one frame more than steps
    return FLOAT_BYTES * (2 * config.image_frames + env.act_dim + 3) + frames


def harmonic_number(n: int) -> float:
    """The sum 1 + 1/2 + ... + 1/n; for large n, by its asymptotic expansion."""
    if n <= 1000:
        return sum(1 / i for i in range(1, n + 1))
    return math.log(n) + 0.5772156649015329 + 1 / (2 * n)


def _encoder_segments(config: PEARLExperiment) -> float:
    """Estimate the encoder rows in a checkpoint: a segment is kept until its tasks are revisited.

    With k tasks of n drawn per iteration, that takes n (1 + 1/2 + ... + 1/k) / k iterations on
    average.
    """
    algo, tasks = config.algo_params, config.n_train_tasks
    rows = algo.num_steps_prior + algo.num_steps_posterior
    harmonic = harmonic_number(algo.num_tasks_sample)
    kept = min(algo.num_iterations, tasks * harmonic / algo.num_tasks_sample)
    return tasks * algo.num_initial_steps + kept * algo.num_tasks_sample * rows


def compared_mini_batch(settings: Mapping[str, Any], recorded: Mapping[str, Any]) -> object:
    """The mini-batch size by which plots compare runs; 0 if all context rows form one update.

    Args:
        settings: complete, flattened.
        recorded: the settings that the run recorded; versions that lacked the key used 0.
    """
    algo, key = "algo_params.", "algo_params.embedding_mini_batch_size"
    size = settings[key] if key in recorded else 0
    if settings[f"{algo}encoder"] != "mlp" or settings[f"{algo}recurrent"]:
        return 0 if size is None else size
    if settings[f"{algo}context_source"] != "recent" or settings[f"{algo}context_trajectories"]:
        return 0
    size = OYSTERS_MINI_BATCH if size is None else size
    return 0 if size == settings[f"{algo}embedding_batch_size"] else size
