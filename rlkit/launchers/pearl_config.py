"""The settings of a PEARL experiment: oyster's JSON files, complete and checked."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from rlkit.core.config import Problem, Relation, relation_problem, to_dict
from rlkit.core.names import as_expected, import_named
from rlkit.core.settings import PositiveCount
from rlkit.envs import ENVS, env_class, make_env, names_with_sparse_rewards
from rlkit.envs.base import MetaEnv
from rlkit.envs.class_lanes import ClassEnv
from rlkit.envs.pixels import check_drawable
from rlkit.launchers.experiment_config import ExperimentConfig, Index, TaskSetExperiment, UtilConfig
from rlkit.launchers.routes import Matmul, RolloutDevice
from rlkit.torch.sac.config import PEARLConfig


@dataclass(frozen=True)
class PEARLUtil(UtilConfig):
    """The section `util_params` of PEARL: how its networks and buffers use the machine."""

    matmul: Matmul = "auto"  # route of exact matrix products on the CPU
    slice_rows: Index | None = None  # rows multiplied at a time on the CPU; 0: all
    precision: Literal["float32", "tf32", "bf16"] = "float32"  # of products in the updates
    rollout_device: RolloutDevice = (
        "auto"  # device of the acting policy; cpu: with a copy of the weights
    )
    cuda_graph: bool = True  # on a GPU: capture the gradient step once and replay it
    branches: bool = True  # of a captured step: run independent parts concurrently
    replay_reserve: PositiveCount | None = (
        None  # rows reserved for RL data; null: as many as the run fills
    )


@dataclass(frozen=True)
class PEARLExperiment(TaskSetExperiment):
    """Settings of one PEARL experiment.

    Names and defaults are oyster's (its configs/default.py).
    """

    # Names of relabelers in addition to "module:Class"; each is called with a BuildContext.
    relabelers: ClassVar[Mapping[str, str]] = {"original": "rlkit.launchers.pearl:original_labels"}

    latent_size: PositiveCount = 5  # dimension of z
    net_size: PositiveCount = 300  # width of the hidden layers of policy, Q and V (three each)
    obs_mode: Literal["state", "image"] = "state"  # observations: states, or stacks of images
    image_size: Annotated[int, Field(ge=16)] = 64  # height and width of an image in pixels
    image_frames: PositiveCount = 3  # images per stack: the newest and those before it
    algo_params: PEARLConfig = field(default_factory=PEARLConfig)
    util_params: PEARLUtil = field(default_factory=PEARLUtil)

    def relations(self) -> Iterator[Relation]:
        """Yield the violated relations between fields."""
        try:
            import_named(self.algo_params.relabeler, self.relabelers)
        except ValueError as error:
            yield Relation(("algo_params.relabeler",), as_expected(error))
        yield from super().relations()

    def _task_counts(self, n_tasks: int, source: tuple[str, ...]) -> Iterator[Relation]:
        """Yield the conflicts of the numbers of train and test tasks with the size of the set.

        Args:
            n_tasks: size of the task set.
            source: the key that sets this size; empty if the class fixes it.
        """
        train, test = self.n_train_tasks, self.n_eval_tasks
        for key, count in (("n_train_tasks", train), ("n_eval_tasks", test)):
            if count > n_tasks:
                tasks = "the one task" if n_tasks == 1 else f"the {n_tasks} tasks"
                yield Relation((key, *source), f"at most {tasks} of the set")
        if max(train, test) <= n_tasks < train + test and not train == test == n_tasks:
            size = "n_tasks" if source else f"the {n_tasks} tasks of the set"
            expected = f"their sum ({train + test}) to be at most {size}, or both to equal it"
            keys = ("n_train_tasks", "n_eval_tasks", *source)
            yield Relation(keys, f"{expected} (one set for both)")

    def env_problems(self, env: MetaEnv) -> Iterator[Problem]:
        """Yield conflicts between these settings and the environment built from them."""
        yield from super().env_problems(env)
        try:
            if self.obs_mode == "image":
                check_drawable(env)
        except ValueError as error:
            yield Problem(("obs_mode",), f'obs_mode = "image": {error}')

    def new_run_problems(self, env: MetaEnv) -> Iterator[Problem]:
        """Yield settings that make a run meaningless.

        With them all rewards are zero, or no posterior is evaluated.
        """
        yield from super().new_run_problems(env)
        algo = self.algo_params
        relations = [
            Relation(tuple(f"algo_params.{key}" for key in keys), expected)
            for keys, expected in algo.new_run_relations()
        ]
        if algo.sparse_rewards and env.sparse_form() is False:
            known = ", ".join(names_with_sparse_rewards())
            expected = f"false: {self.env_name} has no sparse reward; these have one: {known}"
            relations.append(Relation(("algo_params.sparse_rewards",), expected))
        yield from (relation_problem(to_dict(self), relation) for relation in relations)

    def side_by_side(self) -> Self | str:
        """As for every experiment. The policy acts on the CPU, so precision affects updates only.

        Threads are ruled out for a user's own classes, which may share generators; for images,
        which only the thread that loaded OpenGL can render; and for mujoco-py, whose handler of
        warnings is global.
        """
        algo, util = self.algo_params, self.util_params
        if self.algorithm != ExperimentConfig.algorithm:
            return super().side_by_side()
        if self.env_name not in ENVS or ":" in algo.relabeler + algo.encoder:
            return "a class of your own may not be thread-safe"
        if self.obs_mode == "image":
            return 'obs_mode is "image", and only one thread can render images'
        if self.env_params.get("backend") == "mujoco-py":
            return "mujoco-py is not thread-safe"
        if util.rollout_device == "gpu":
            return 'util_params.rollout_device is "gpu"'
        return replace(self, util_params=replace(util, rollout_device="cpu"))

    def cut_for_debug(self) -> Self:
        """Reduce the counts for a smoke run, with at most 3 test tasks.

        If train and test tasks are the same, all of them remain.
        """
        one_set = self.n_train_tasks == self.n_eval_tasks == self._num_tasks()
        tested = self.n_eval_tasks if one_set else min(self.n_eval_tasks, 3)
        return replace(super().cut_for_debug(), n_eval_tasks=tested)

    def _num_tasks(self) -> int:
        """Size of the task set, from the settings or from an instance of the class."""
        if isinstance(given := self.env_params.get("n_tasks"), int):
            return given
        with closing(make_env(self.env_name, **self.env_params)) as env:
            return env.n_tasks


def undeclared_sparse_rewards(config: PEARLExperiment) -> list[str]:
    """Warn if sparse rewards are set but the task's class does not declare whether it has them."""
    if not config.algo_params.sparse_rewards:
        return []
    task = env_class(config.env_name)
    if task.has_sparse_rewards is not None or issubclass(task, ClassEnv):
        return []
    declare = "declare has_sparse_rewards in the class"
    without = f"if {config.env_name} has no sparse rewards, all rewards are 0"
    return [f"sparse_rewards: {without}; {declare}"]
