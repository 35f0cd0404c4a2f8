"""The settings that every experiment has, as frozen dataclasses.

Each algorithm subclasses them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from rlkit.core.config import Problem, Relation, relation_problem
from rlkit.core.settings import AlgorithmSettings, Positive, PositiveCount
from rlkit.core.user_paths import PathSetting
from rlkit.envs.base import MetaEnv

Index = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


@dataclass(frozen=True)
class UtilConfig:
    """Output folder and use of the machine.

    null means "choose at start"; variant.json holds the choice.
    """

    base_log_dir: PathSetting = "output"  # run folders are <base_log_dir>/<env_name>/<time>
    use_gpu: bool = True  # train on a GPU if there is one
    gpu_id: Index = 0  # index of that GPU
    debug: bool = False  # smoke run: same networks and tasks, smallest counts, folder "debug"
    docker: bool = False  # accepted for oyster's files; no effect
    num_envs: PositiveCount | None = None  # environments that step together
    torch_threads: PositiveCount | None = None  # threads of PyTorch on the CPU
    physics_threads: PositiveCount | None = None  # threads that step the physics
    checkpoint_every: PositiveCount = 1  # iterations between two checkpoints
    checkpoint_minutes: Positive = 10.0  # minutes between checkpoints inside an iteration
    trackers: list[Literal["tensorboard", "wandb"]] | None = None  # also receive the logged rows
    save_every: PositiveCount | None = None  # iterations between kept weights; null: only the last


@dataclass(frozen=True)
class ExperimentConfig:
    """Settings of one experiment; names and defaults are oyster's (its configs/default.py)."""

    env_name: str = "cheetah-dir"  # a key of rlkit.envs.ENVS, or "module:Class"
    path_to_weights: PathSetting | None = None  # a run folder whose weights are loaded at the start
    env_params: dict[str, Any] = field(default_factory=dict)  # arguments of the environment
    algo_params: AlgorithmSettings = field(default_factory=AlgorithmSettings)
    util_params: UtilConfig = field(default_factory=UtilConfig)
    algorithm: str = "pearl"  # a key of rlkit.launchers.ALGORITHMS, or "module:Class"
    seed: Seed | None = None  # for everything but the task set; null: drawn at start

    def relations(self) -> Iterator[Relation]:
        """Yield the violated relations between fields."""
        yield from ()

    def env_problems(self, env: MetaEnv) -> Iterator[Problem]:
        """Yield conflicts between these settings and the environment built from them."""
        yield from ()

    def new_run_problems(self, env: MetaEnv) -> Iterator[Problem]:
        """Yield problems that only prevent a new run, not the use of an existing one.

        Raises:
            ValueError: the environment's class fails when it is tried out.
        """
        yield from ()

    def side_by_side(self) -> Self | str:
        """Adapt the settings to several seeds that train at the same time, in threads on one GPU.

        Returns:
            Settings with which the runs leave alone what the threads of a process share; or, if
            there are none, the reason. Then the seeds train one after another.
        """
        return f'"{self.algorithm}" has not been tested in threads'

    def cut_for_debug(self) -> Self:
        """Reduce the counts for a smoke run; networks and tasks stay the same."""
        return replace(
            self,
            algo_params=self.algo_params.cut_for_debug(),
            util_params=replace(self.util_params, debug=True),
        )


@dataclass(frozen=True)
class TaskSetExperiment(ExperimentConfig):
    """Settings of one experiment that trains and tests on tasks of one set."""

    n_train_tasks: PositiveCount = 2  # train on the first tasks of the set
    n_eval_tasks: PositiveCount = 2  # test on the last tasks of the set

    def relations(self) -> Iterator[Relation]:
        """Yield the violated relations between fields."""
        yield from super().relations()
        n_tasks = self.env_params.get("n_tasks")
        # Invalid values are reported with the environment's settings.
        if type(n_tasks) is int and n_tasks >= 1:
            yield from self._task_counts(n_tasks, ("env_params.n_tasks",))

    def _task_counts(self, n_tasks: int, source: tuple[str, ...]) -> Iterator[Relation]:
        """Yield the conflicts of the numbers of train and test tasks with the size of the set.

        Args:
            n_tasks: size of the task set.
            source: the key that sets this size; empty if the class fixes it.
        """
        yield from ()

    def env_problems(self, env: MetaEnv) -> Iterator[Problem]:
        """Yield conflicts between these settings and the environment built from them."""
        yield from super().env_problems(env)
        if "n_tasks" not in self.env_params:
            counts = {"n_train_tasks": self.n_train_tasks, "n_eval_tasks": self.n_eval_tasks}
            for relation in self._task_counts(env.n_tasks, ()):
                yield relation_problem(counts, relation)
