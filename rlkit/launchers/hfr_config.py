"""The settings of an HFR experiment: PEARL's plus HFR's own, and the tasks they support."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from rlkit.core.config import Relation
from rlkit.envs import env_class
from rlkit.launchers.pearl_config import PEARLExperiment
from rlkit.torch.hfr.config import HFRSettings
from rlkit.torch.sac.config import PEARLConfig

# Names that mean different tasks in oyster and in HFR, and how to choose between the two.
CHANGED_TASKS = {
    "ant-goal": "ant-goal-ring for HFR's tasks, or env_params.task_seed = 1337 for oyster's",
    "cheetah-vel": "env_params.task_seed to be set: 3 for HFR's tasks, 1337 for oyster's",
    "point-robot": "env_params.task_seed to be set: 2 for HFR's tasks, 1337 for oyster's",
}


@dataclass(frozen=True)
class HFRConfig(HFRSettings, PEARLConfig):
    """`algo_params` of HFR: PEARL's settings, then its own."""

    relabeler: str = "hindsight"  # HFR's, configured by `relabel_method` and HFR's other settings

    def relations(self) -> Iterator[Relation]:
        """Yield the violated relations between fields."""
        yield from super().relations()
        yield from self.relabeling_relations()
        if self.relabel_method != "none" and self.takes_episodes:
            expected = '"mlp" (and recurrent false): relabeled contexts are single rows'
            yield Relation(("encoder", "recurrent", "relabel_method"), expected)
        if self.relabel_method == "hipi" and (
            self.rl_batch_sampling == "trajectories" or self.context_trajectories is not None
        ):
            expected = (
                '"transitions" and null: hipi chooses a task for each transition, so that no '
                "trajectory stays whole"
            )
            yield Relation(
                ("rl_batch_sampling", "context_trajectories", "relabel_method"), expected
            )
        if self.use_learned_reward and self.sparse_rewards:
            yield Relation(
                ("use_learned_reward", "sparse_rewards"),
                "at most one of them to be true: the network predicts a single reward",
            )
        if (
            self.relabel_method.startswith("hfr-")
            and self.replay_buffer_size < self.max_path_length
        ):
            expected = "room for a whole trajectory, whose first observation serves as start state"
            yield Relation(("replay_buffer_size", "max_path_length", "relabel_method"), expected)

    def cut_for_debug(self) -> Self:
        """As PEARL's, with few contexts for log Z."""
        return replace(
            super().cut_for_debug(), num_partition_samples=min(self.num_partition_samples, 2)
        )


@dataclass(frozen=True)
class HFRExperiment(PEARLExperiment):
    """Settings of one HFR experiment."""

    relabelers: ClassVar[Mapping[str, str]] = {
        "hindsight": "rlkit.launchers.hfr:hindsight_relabeler"
    }

    algo_params: HFRConfig = field(default_factory=HFRConfig)
    algorithm: str = "hfr"

    def relations(self) -> Iterator[Relation]:
        """Yield the violated relations between fields."""
        yield from super().relations()
        if self.obs_mode == "image":
            yield Relation(("obs_mode", "algorithm"), '"state": the relabeling works on states')
        if self.env_name in CHANGED_TASKS and "task_seed" not in self.env_params:
            yield Relation(("env_name",), CHANGED_TASKS[self.env_name])
        if self.algo_params.relabel_method != "none" and not _relabelable(self.env_name):
            expected = (
                "a MetaEnv with tasks that differ in their rewards alone, not in dynamics; "
                "or relabel_method none"
            )
            yield Relation(("env_name", "algo_params.relabel_method"), expected)


def _relabelable(env_name: str) -> bool:
    """Whether trajectories can be relabeled with other tasks.

    True for unknown names, which are reported elsewhere.
    """
    try:
        return env_class(env_name).relabelable
    except ValueError:
        return True
