"""The settings of one experiment: oyster's JSON files, complete and checked, as frozen dataclasses.

Only what is common to all algorithms stands here; `algo_params` is the algorithm's own dataclass, `env_params` the
keywords of the environment's constructor.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from rlkit.core.config import Relation
from rlkit.launchers import ALGORITHMS
from rlkit.launchers.calibrate import Matmul, RolloutDevice
from rlkit.torch.sac.config import PEARLConfig, PositiveCount

Index = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


@dataclass(frozen=True)
class UtilConfig:
    """Where a run is written and what it uses of the machine; null means "choose at start", variant.json holds the choice."""

    base_log_dir: str = "output"  # run folders are <base_log_dir>/<env_name>/<time>
    use_gpu: bool = True  # train on a GPU if there is one
    gpu_id: Index = 0  # which one
    debug: bool = (
        False  # a smoke run: same networks and tasks, counts cut to the smallest, folder "debug"
    )
    docker: bool = False  # accepted because oyster's files have it; without effect
    num_envs: PositiveCount | None = None  # environments that step together
    torch_threads: PositiveCount | None = None  # threads of PyTorch on the CPU
    physics_threads: PositiveCount | None = None  # threads that step the physics
    matmul: Matmul = "auto"  # route of exact matrix products on the CPU; auto: measured at start
    slice_rows: Index | None = (
        None  # rows that a network multiplies at a time on the CPU; 0: all; null: measured at start
    )
    precision: Literal["float32", "tf32", "bf16"] = (
        "float32"  # of the factors of products in the updates
    )
    rollout_device: RolloutDevice = (
        "auto"  # where the policy acts; cpu: with a copy of the weights; auto: measured at start
    )
    cuda_graph: bool = True  # on a GPU: capture the gradient step once and replay it
    replay_reserve: PositiveCount | None = (
        None  # rows reserved for the RL buffers; null: as many as the run will hold
    )
    checkpoint_every: PositiveCount = 1  # iterations between two checkpoints
    save_every: PositiveCount | None = (
        None  # keep the weights after the iterations that it divides; null: only the last
    )


@dataclass(frozen=True)
class ExperimentConfig:
    """Settings of one experiment; names and defaults are oyster's (its configs/default.py)."""

    env_name: str = "cheetah-dir"  # a name of rlkit.envs.ENVS
    n_train_tasks: PositiveCount = 2  # train on the first tasks of the set
    n_eval_tasks: PositiveCount = 2  # test on the last tasks of the set
    latent_size: PositiveCount = 5  # dimension of z
    net_size: PositiveCount = 300  # width of the hidden layers of policy, Q and V (three each)
    obs_mode: Literal["state", "image"] = (
        "state"  # what networks see: the state, or stacks of pictures by a convolutional net
    )
    image_size: Annotated[int, Field(ge=16)] = 64  # height and width of a picture in pixels
    image_frames: PositiveCount = (
        3  # pictures of a stack, the newest and those before it in its episode
    )
    path_to_weights: str | None = (
        None  # a run folder, ours or oyster's, whose weights are taken at the start
    )
    env_params: dict[str, Any] = field(
        default_factory=lambda: {"n_tasks": 2, "randomize_tasks": True}
    )
    algo_params: PEARLConfig = field(default_factory=PEARLConfig)
    util_params: UtilConfig = field(default_factory=UtilConfig)
    algorithm: str = "pearl"  # a name of rlkit.launchers.ALGORITHMS
    seed: Seed | None = (
        None  # of all random numbers but the task set's (env_params.task_seed); null: drawn at start
    )

    def relations(self) -> Iterator[Relation]:
        """Yield what does not hold between the fields."""
        if self.algorithm not in ALGORITHMS:
            yield Relation(("algorithm",), "one of " + ", ".join(sorted(ALGORITHMS)))
        if self.obs_mode == "image" and self.algorithm == "hfr":
            yield Relation(("obs_mode", "algorithm"), '"state": the relabeling works on states')
        n_tasks = self.env_params["n_tasks"]
        if type(n_tasks) is not int or n_tasks < 1:
            return  # reported with the environment's own parameters
        train, test = self.n_train_tasks, self.n_eval_tasks
        for key, count in (("n_train_tasks", train), ("n_eval_tasks", test)):
            if count > n_tasks:
                yield Relation(
                    (key, "env_params.n_tasks"), f"at most the {n_tasks} tasks of the set"
                )
        if max(train, test) <= n_tasks < train + test and not train == test == n_tasks:
            keys = ("n_train_tasks", "n_eval_tasks", "env_params.n_tasks")
            yield Relation(
                keys,
                f"their sum ({train + test}) to be at most n_tasks, or both to equal it (one set for both)",
            )

    def cut_for_debug(self) -> "ExperimentConfig":
        """Make the smoke run of this experiment: same networks and train tasks, smallest counts, at most 3 test tasks.

        Where one set serves for training and testing, all of it is tested.
        """
        one_set = self.n_train_tasks == self.n_eval_tasks == self.env_params["n_tasks"]
        return replace(
            self,
            n_eval_tasks=self.n_eval_tasks if one_set else min(self.n_eval_tasks, 3),
            algo_params=self.algo_params.cut_for_debug(),
            util_params=replace(self.util_params, debug=True),
        )
