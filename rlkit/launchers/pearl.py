"""Builds PEARL: wires environment, networks, buffers and loop together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch

from rlkit.core.meta_evaluation import ExtraColumns
from rlkit.core.names import import_named
from rlkit.core.seeding import torch_seed
from rlkit.data_management.original_labels import OriginalLabels
from rlkit.data_management.paths import Paths
from rlkit.data_management.relabeler import Relabeler
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.envs.base import MetaEnv
from rlkit.envs.pixels import PixelObservation
from rlkit.launchers.launcher import EvaluationProtocol, Experiment, Launcher, Requirements
from rlkit.launchers.machine import check_precision, default_threads, slow_precision
from rlkit.launchers.pearl_config import PEARLExperiment, undeclared_sparse_rewards
from rlkit.launchers.pearl_networks import ACTING, build_agent, build_buffer, build_networks
from rlkit.launchers.pearl_sizes import (
    BufferSizes,
    buffer_sizes,
    built_size,
    compared_mini_batch,
    default_num_envs,
    requirements,
    rollout_widths,
    state_mode,
)
from rlkit.launchers.pearl_timing import UNITS, mean_iteration_seconds
from rlkit.launchers.routes import choose_rollout_device, choose_route
from rlkit.launchers.run_files import RunFiles, eval_path_writer
from rlkit.launchers.run_folder import load_weights
from rlkit.policies.base import MetaPolicy
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.torch.aux_learner import AuxLearner
from rlkit.torch.branches import branches_of
from rlkit.torch.sac.agent import PEARLAgent
from rlkit.torch.sac.collection import Collection
from rlkit.torch.sac.evaluation import PEARLEvaluation
from rlkit.torch.sac.meta_rl_algorithm import MetaRLAlgorithm
from rlkit.torch.sac.networks import PEARLNetworks
from rlkit.torch.sac.sac import PEARLSoftActorCritic
from rlkit.torch.weight_mirror import WeightMirror
from rlkit.visualization.runs import recorded_settings


@dataclass(frozen=True)
class BuildContext:
    """An experiment under construction, from which a relabeler is built.

    Attributes:
        config: the checked configuration.
        env: the environment, with the task set.
        agent: acts with `networks`, on their device.
        networks: the trained networks.
        replay_buffer, encoder_buffer: RL rows and context rows of every train task.
        sizes: rows that the buffers are expected to hold at the end.
        seed: of the run.
    """

    config: PEARLExperiment
    env: MetaEnv
    agent: PEARLAgent
    networks: PEARLNetworks
    replay_buffer: MultiTaskReplayBuffer
    encoder_buffer: MultiTaskReplayBuffer
    sizes: BufferSizes
    seed: int


def original_labels(context: BuildContext) -> Relabeler:
    """Construct PEARL's relabeler: every trajectory keeps its task."""
    return OriginalLabels(context.replay_buffer)


class PEARL(Launcher[PEARLExperiment]):
    """Launches PEARL."""

    settings: ClassVar[type[PEARLExperiment]] = PEARLExperiment
    headline: ClassVar[Mapping[str, str]] = {
        "train": "AverageReturn_all_train_tasks",
        "test": "AverageReturn_all_test_tasks",
        "test before adaptation": "AverageReturn_prior_test_tasks",
    }
    units: ClassVar[Mapping[str, str]] = UNITS
    # Columns that repeat a count of the collection: new name -> original name.
    count_names: ClassVar[Mapping[str, str]] = {}
    # Types of devices on which an iteration is evaluated during the next one. On a CPU, all cores
    # are busy with training.
    beside_on: ClassVar[tuple[str, ...]] = ("cuda",)

    def resolve(self, config: PEARLExperiment, device: str) -> PEARLExperiment:
        """Choose lanes, matrix product route and rollout device, without timing anything.

        Raises:
            UserError: the precision or the rollout device needs a GPU that is not available.
        """
        util = config.util_params
        check_precision(util.precision, device)
        threads = util.torch_threads or default_threads()
        width, given = config.net_size, (util.matmul, util.slice_rows)
        matmul, slice_rows = choose_route(*given, num_threads=threads, width=width)
        num_envs = util.num_envs or default_num_envs(config)
        widths = [min(lanes, num_envs) for lanes in rollout_widths(config)]
        wanted = util.rollout_device
        if config.obs_mode == "image" and wanted == "auto" and device != "cpu":
            wanted = "gpu"  # convolutions are too slow on the host
        chosen = replace(
            util,
            matmul=matmul,
            slice_rows=slice_rows,
            num_envs=num_envs,
            rollout_device=choose_rollout_device(wanted, device, lanes=widths, width=width),
        )
        return replace(config, util_params=chosen)

    def remarks(self, config: PEARLExperiment, device: str) -> list[str]:
        """Warn about a slow precision and about sparse rewards that may not exist."""
        slow = slow_precision(config.util_params.precision, device)
        return slow + undeclared_sparse_rewards(config)

    def build_env(
        self,
        config: PEARLExperiment,
        tasks: np.ndarray | None = None,
        num_envs: int | None = None,
    ) -> MetaEnv:
        """Construct the task distribution, observed as states or images; actions are in [-1, 1]."""
        lanes = num_envs or config.util_params.num_envs or default_num_envs(config)
        env = super().build_env(config, tasks, lanes)
        if config.obs_mode == "image":
            env = PixelObservation(env, config.image_size, config.image_frames)
        return env

    def buffer_sizes(self, config: PEARLExperiment) -> BufferSizes:
        """Maximum rows of the buffers at the end of the run."""
        return buffer_sizes(config)

    def make_relabeler(self, context: BuildContext) -> Relabeler:
        """Construct the configured relabeler."""
        make = import_named(context.config.algo_params.relabeler, context.config.relabelers)
        return cast(Callable[[BuildContext], Relabeler], make)(context)

    def aux_learner(self, context: BuildContext, relabeler: Relabeler) -> AuxLearner | None:
        """Construct a learner that is called after each gradient step; None if there is none."""
        return None

    def extra_columns(self, context: BuildContext) -> ExtraColumns | None:
        """Construct further columns of the meta-test; None if there are none."""
        return None

    def build(
        self,
        config: PEARLExperiment,
        device: str,
        seed: int,
        *,
        tasks: np.ndarray | None = None,
        files: RunFiles | None = None,
        copy_weights: bool | None = None,
    ) -> Experiment:
        """Construct a PEARL experiment; arguments as for `Launcher.build`.

        Args:
            copy_weights: act on the CPU with copies of encoder and policy, updated before each
                collection and each evaluation; None: do so if `rollout_device` is "cpu" and
                `device` is not.
        """
        algo, util, place = config.algo_params, config.util_params, torch.device(device)
        env = self.build_env(config, tasks)
        generator = torch.Generator().manual_seed(torch_seed(seed, "networks"))
        networks = build_networks(config, env, generator)
        for network in networks.named().values():
            network.to(place)
        agent = build_agent(config, networks)
        acting, copies = agent, None
        on_cpu = util.rollout_device == "cpu" and place.type != "cpu"
        if copy_weights or (copy_weights is None and on_cpu):
            copies = WeightMirror("cpu")
            acting = build_agent(config, networks.copied_for_acting(copies))
        sizes = self.buffer_sizes(config)
        overshoot = config.n_train_tasks * (algo.max_path_length - 1)  # if episodes end early
        replay = build_buffer(config, env, place, util.replay_reserve or sizes.replay)
        encoder = build_buffer(config, env, place, sizes.encoder + overshoot)
        context = BuildContext(config, env, agent, networks, replay, encoder, sizes, seed)
        update = None if copies is None else copies.update
        algorithm = self._build_algorithm(context, acting, eval_path_writer(files), update)
        experiment = Experiment(env, algorithm, acting)
        if place.type not in self.beside_on:
            return experiment
        from rlkit.launchers.pearl_beside import evaluated_beside

        return evaluated_beside(self, context, experiment)

    def _build_algorithm(
        self,
        context: BuildContext,
        acting: PEARLAgent,
        save_eval_paths: Callable[[str, Paths], None],
        before_rollouts: Callable[[], None] | None,
    ) -> MetaRLAlgorithm:
        """Wire trainer, collection and evaluation together."""
        config, algo, util = context.config, context.config.algo_params, context.config.util_params
        device, num_tasks = context.replay_buffer.device, len(context.env.tasks)
        relabeler = self.make_relabeler(context)
        aux_learner = self.aux_learner(context, relabeler)
        trainer = PEARLSoftActorCritic(
            context.agent,
            context.networks,
            algo,
            torch.Generator(device).manual_seed(torch_seed(context.seed, "training")),
            num_threads=util.torch_threads or 1,
            cuda_graph=util.cuda_graph,
            make_branch=branches_of(device, util.cuda_graph and util.branches),
            aux_learner=aux_learner,
        )
        sampler = InPlacePathSampler(context.env, acting, algo.max_path_length)
        train_tasks = range(config.n_train_tasks)
        collection = Collection(
            env=context.env,
            agent=acting,
            sampler=sampler,
            replay_buffer=context.replay_buffer,
            encoder_buffer=context.encoder_buffer,
            relabeler=relabeler,
            train_tasks=train_tasks,
            config=algo,
            seed=context.seed,
        )
        evaluation = PEARLEvaluation(
            env=context.env,
            agent=acting,
            sampler=sampler,
            encoder_buffer=context.encoder_buffer,
            train_tasks=train_tasks,
            eval_tasks=range(num_tasks - config.n_eval_tasks, num_tasks),
            config=algo,
            seed=context.seed,
            save_eval_paths=save_eval_paths,
            extra_columns=self.extra_columns(context),
        )
        return MetaRLAlgorithm(
            trainer=trainer,
            collection=collection,
            evaluation=evaluation,
            aux_learner=aux_learner,
            count_names=self.count_names,
            before_rollouts=before_rollouts,
        )

    def load(self, config: PEARLExperiment, env: MetaEnv, run_dir: Path, device: str) -> MetaPolicy:
        """Load the agent from a run folder of this package or of oyster."""
        networks = build_networks(config, env, torch.Generator())
        acting = {name: net for name, net in networks.named().items() if name in ACTING}
        load_weights(run_dir, acting)
        for network in acting.values():
            network.to(device)
        return build_agent(config, networks)

    def protocol(self, config: PEARLExperiment) -> EvaluationProtocol:
        """Held-out tasks, with exploration trajectories and two more."""
        algo = config.algo_params
        return EvaluationProtocol(
            num_trajectories=algo.num_exp_traj_eval + 2,
            num_explored=algo.num_exp_traj_eval,
            horizon=algo.max_path_length,
            sparse=algo.sparse_rewards,
            num_stochastic=algo.num_exp_traj_eval if algo.eval_exploration == "stochastic" else 0,
            num_tasks=config.n_eval_tasks,
            latent=True,
        )

    def comparable_settings(self, variant: Mapping[str, Any]) -> dict[str, Any]:
        """As in `Launcher`, but equivalent settings get equal values."""
        config = super().comparable_settings(variant)
        recorded = recorded_settings(variant)
        config["algo_params.embedding_mini_batch_size"] = compared_mini_batch(config, recorded)
        size, frames = config.pop("image_size"), config.pop("image_frames")
        if config["obs_mode"] == "image":
            config["obs_mode"] = f"image of {size} px, {frames} frames"
        return config

    def requirements(self, config: PEARLExperiment) -> Requirements:
        """Estimate steps, memory and disk."""
        env = self.build_env(state_mode(config), num_envs=1)  # only for sizes; nothing is rendered
        small, scale = built_size(config)
        networks = build_networks(small, env, torch.Generator()).named()
        env.close()
        return requirements(config, env, networks, self.buffer_sizes(config), scale)

    def iteration_seconds(self, config: PEARLExperiment, device: str) -> float | None:
        """Mean seconds per iteration, estimated from a short timed one."""
        return mean_iteration_seconds(self, config, device)
