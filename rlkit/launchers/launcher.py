"""`Launcher`: the settings of an algorithm, and how experiments are built from them.

Only `settings` and `build` are required; everything else has a default.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, cast

import numpy as np

from rlkit.core import config as config_lib
from rlkit.core.algorithm import RLAlgorithm
from rlkit.core.errors import UserError
from rlkit.core.names import import_class
from rlkit.core.saving import Networks
from rlkit.envs import make_env
from rlkit.envs.base import MetaEnv
from rlkit.launchers import ALGORITHMS
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.run_files import RunFiles
from rlkit.launchers.run_folder import load_weights
from rlkit.policies.base import MetaPolicy
from rlkit.visualization.runs import recorded_settings

Config = TypeVar("Config", bound=ExperimentConfig)


@dataclass(frozen=True)
class Experiment:
    """A built experiment.

    Attributes:
        env: the environment that the algorithm collects in.
        algorithm: implements the three verbs that the outer loop calls.
        policy: acts with the networks of the algorithm, in `env` and after training.
    """

    env: MetaEnv
    algorithm: RLAlgorithm
    policy: MetaPolicy

    @property
    def networks(self) -> Networks:
        """The networks by the names of their weight files."""
        return self.algorithm.networks

    def close(self) -> None:
        """Release the experiment's resources; called once, when the run ends."""
        self.env.close()


class EvaluationProtocol(NamedTuple):
    """How a trained policy is evaluated on a task.

    Attributes:
        num_trajectories: trajectories per task; the policy adapts after each.
        num_explored: number of exploration trajectories at the start; those after it count as
            adapted.
        horizon: maximum steps of a trajectory.
        sparse: report sparse rewards.
        num_stochastic: number of trajectories at the start that always have action noise.
        num_tasks: evaluate the last `num_tasks` tasks of the set; None: all tasks.
        latent: whether the policy acts on a latent z, drawn first from the prior and, after
            adaptation, from the posterior.
    """

    num_trajectories: int
    num_explored: int
    horizon: int
    sparse: bool = False
    num_stochastic: int = 0
    num_tasks: int | None = None
    latent: bool = False


class Requirements(NamedTuple):
    """Estimated cost of a run. Sizes are in bytes, at the end of the run.

    Attributes:
        initial_steps: environment steps before the first update.
        iteration_steps: environment steps per iteration.
        evaluation_steps: environment steps per evaluation, not used for learning.
        gradient_steps: gradient steps per iteration.
        memory: of the process.
        replay: part of the memory that holds replay data.
        row: one stored transition.
        disk: of the run folder.
    """

    initial_steps: int
    iteration_steps: int
    evaluation_steps: int
    gradient_steps: int
    memory: float
    replay: float
    row: int
    disk: float


class Launcher(ABC, Generic[Config]):
    """Builds the experiments of one algorithm.

    Attributes:
        settings: the dataclass of a complete configuration of this algorithm.
        headline: main columns for display and plots, label -> column of progress.csv.
        units: the unit of `loop.tick` in the phases "collecting", "training" and "evaluating", such
            as "gradient step"; a phase without one is shown by its name.
    """

    settings: ClassVar[type[ExperimentConfig]]
    headline: ClassVar[Mapping[str, str]] = {"average": "AverageReturn"}
    units: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def build(
        self,
        config: Config,
        device: str,
        seed: int,
        *,
        tasks: np.ndarray | None = None,
        files: RunFiles | None = None,
    ) -> Experiment:
        """Construct an experiment.

        Args:
            config: checked and resolved.
            device: name of the torch device of networks and buffers.
            seed: source of every random number except the task set.
            tasks: a stored task set, [n_tasks, task_dim], instead of the drawn one.
            files: writes further files to the run folder; None: write none.
        Raises:
            ValueError: a problem that is detected only while building.
        """

    def resolve(self, config: Config, device: str) -> Config:
        """Fill in the settings that depend on the machine, except seed and threads.

        Raises:
            UserError: the machine lacks something the configuration requires.
        """
        return config

    def remarks(self, config: Config, device: str) -> list[str]:
        """Lines to print at the start, for example a warning about a slow precision."""
        return []

    def build_env(
        self, config: Config, tasks: np.ndarray | None = None, num_envs: int | None = None
    ) -> MetaEnv:
        """Construct the environment of a configuration; actions are in [-1, 1].

        Args:
            config: checked.
            tasks: a stored task set, [n_tasks, task_dim], instead of the drawn one.
            num_envs: number of lanes; None: the configuration's.
        Raises:
            ValueError: from the environment's constructor.
        """
        util = config.util_params
        lanes, threads = num_envs or util.num_envs or 1, util.physics_threads or 1
        env = make_env(
            config.env_name, **config.env_params, num_envs=lanes, physics_threads=threads
        )
        if tasks is not None:
            env.set_tasks(tasks)
        return env

    def load(self, config: Config, env: MetaEnv, run_dir: Path, device: str) -> MetaPolicy:
        """Load the trained policy of a run folder; it acts in `env` and adapts.

        The default builds a complete experiment and loads its weights. Most algorithms override it,
        because they need less.

        Raises:
            UserError: weight files are missing, damaged or of the wrong size.
        """
        experiment = self.build(config, device, config.seed or 0, tasks=env.tasks)
        try:
            load_weights(run_dir, experiment.networks)
        finally:
            experiment.close()
        return experiment.policy

    def protocol(self, config: Config) -> EvaluationProtocol:
        """How `sim_policy.py` and videos evaluate a trained policy."""
        return EvaluationProtocol(2, 1, config.algo_params.max_path_length)

    def requirements(self, config: Config) -> Requirements | None:
        """Estimate the cost of a run; None: not estimated."""
        return None

    def iteration_seconds(self, config: Config, device: str) -> float | None:
        """Estimate the seconds per iteration from a few timed steps; None: not estimated."""
        return None

    def comparable_settings(self, variant: Mapping[str, Any]) -> dict[str, Any]:
        """Settings that distinguish runs in plots: flattened, without seed, machine and length.

        Args:
            variant: a variant.json; keys that an earlier version lacked take current defaults.
        """
        defaults = recorded_settings({**config_lib.to_dict(self.settings()), "env_params": {}})
        defaults.pop("env_params")
        return {**defaults, **recorded_settings(variant)}


def launcher_of(name: str) -> Launcher[ExperimentConfig]:
    """Import and instantiate the launcher of an algorithm.

    Args:
        name: a key of `ALGORITHMS`, or "module:Class" of your own launcher.
    Raises:
        ValueError: there is no such launcher; the message gives the reason.
    """
    classes = {known: row.launcher for known, row in ALGORITHMS.items()}
    return cast(Launcher[ExperimentConfig], import_class(name, classes, Launcher)())


def launcher_for(config: ExperimentConfig) -> Launcher[ExperimentConfig]:
    """The launcher of a checked configuration."""
    try:
        return launcher_of(config.algorithm)
    except ValueError as error:
        raise UserError(f'algorithm = "{config.algorithm}": {error}') from error
