"""The settings of an HFR experiment.

PEARL's and HFR's own, joined, and which tasks they go with.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from rlkit.core.config import Relation
from rlkit.envs import env_class
from rlkit.launchers.pearl_config import PEARLExperiment
from rlkit.torch.hfr.config import HFRSettings
from rlkit.torch.sac.config import PEARLConfig

# Names under which oyster and HFR have different tasks: what HFR's are called here.
CHANGED_TASKS = {
    "ant-goal": "ant-goal-ring, which is HFR's ant-goal; env_params.task_seed beside it (1337) means oyster's",
    "cheetah-vel": "env_params.task_seed beside it: 3 for HFR's tasks, 1337 for oyster's",
    "point-robot": "env_params.task_seed beside it: 2 for HFR's tasks, 1337 for oyster's",
}


@dataclass(frozen=True)
class HFRConfig(HFRSettings, PEARLConfig):
    """`algo_params` of HFR: PEARL's settings, then its own."""

    relabeler: str = "hindsight"  # HFR's, which `relabel_method` and the others describe

    def relations(self) -> Iterator[Relation]:
        """Yield the constraints between fields that are violated."""
        yield from super().relations()
        yield from self.relabeling_relations()
        if self.relabel_method != "none" and self.takes_episodes:
            expected = '"mlp" (and recurrent false): relabeled contexts are single rows'
            yield Relation(("encoder", "recurrent", "relabel_method"), expected)
        if self.relabel_method == "hipi" and (
            self.rl_batch_sampling == "trajectories" or self.context_trajectories is not None
        ):
            expected = '"transitions" and null: hipi gives each transition a task of its own, and no trajectory is left whole'
            yield Relation(
                ("rl_batch_sampling", "context_trajectories", "relabel_method"), expected
            )
        if self.use_learned_reward and self.sparse_rewards:
            yield Relation(
                ("use_learned_reward", "sparse_rewards"),
                "one of them: the network predicts one reward",
            )
        if (
            self.relabel_method.startswith("hfr-")
            and self.replay_buffer_size < self.max_path_length
        ):
            expected = "room for a whole trajectory, whose first observation is a start state"
            yield Relation(("replay_buffer_size", "max_path_length", "relabel_method"), expected)

    def cut_for_debug(self) -> Self:
        """As PEARL's, and with few contexts for log Z."""
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
        """Yield what does not hold between the fields."""
        yield from super().relations()
        if self.obs_mode == "image":
            yield Relation(("obs_mode", "algorithm"), '"state": the relabeling works on states')
        if self.env_name in CHANGED_TASKS and "task_seed" not in self.env_params:
            yield Relation(("env_name",), CHANGED_TASKS[self.env_name])
        if self.algo_params.relabel_method != "none" and not _relabelable(self.env_name):
            expected = "tasks that differ in their rewards alone, not in dynamics, computed by a MetaEnv; or relabel_method none"
            yield Relation(("env_name", "algo_params.relabel_method"), expected)


def _relabelable(env_name: str) -> bool:
    """Whether tasks can be exchanged in hindsight.

    True of a name that is reported as unknown anyway.
    """
    try:
        return env_class(env_name).relabelable
    except ValueError:
        return True
