"""The settings of HFR in addition to PEARL's, with meaning, unit and range."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rlkit.core.config import Relation
from rlkit.core.settings import Count, Positive, PositiveCount, Probability

Method = Literal["none", "random", "return", "hipi", "hfr-q", "hfr-bellman"]


@dataclass(frozen=True)
class HFRSettings:
    """What is relabeled and how the task is chosen; defaults are those of HFR's code."""

    relabel_method: Method = (
        "hfr-q"  # how the task of a trajectory is chosen; none: store it as PEARL does
    )
    relabel_prob: Probability | None = (
        None  # of relabeling a group of trajectories; null: 1 for random, 0.5 for the others
    )
    relabel_start_iteration: Count = 0  # before this, every trajectory keeps its label
    relabel_temperature: Positive = 1.0  # beta: logits (U - log Z) / beta
    use_softmax: bool = True  # draw the task from the softmax of the logits; false: argmax
    use_partition: bool = True  # subtract log Z; false: logits U / beta
    num_partition_samples: PositiveCount = 20  # K, contexts per task for the estimate of log Z
    partition_contexts: Literal["rows", "paths"] = (
        "rows"  # each of them is a horizon of rows drawn singly, or one stored trajectory
    )
    partition_when: Literal["after_collection", "before_collection"] = (
        "after_collection"  # when log Z is estimated, once per iteration
    )
    utility_batch_size: PositiveCount = (
        64  # start states (bellman: transitions) over which a utility is averaged
    )
    utility_z_samples: PositiveCount = 1  # z drawn per utility
    utility_entropy: bool = False  # hfr-q: add the policy's entropy, -log pi(a | s, z)
    use_learned_reward: bool = (
        False  # hfr-q: predict rewards of other tasks with a network trained on stored rows
    )
    rf_lr: Positive = 1e-3  # its Adam step size
    cut_at_terminal: bool = False  # end a relabeled trajectory where its new task first terminates
    relabel_chunk_rows: PositiveCount = (
        2048  # rows that a network processes at a time; affects rounding only
    )
    log_success_rate: bool = False  # write the columns of success rates

    @property
    def probability(self) -> float:
        """The probability that a group of trajectories is relabeled."""
        if self.relabel_prob is not None:
            return self.relabel_prob
        return {"none": 0.0, "random": 1.0}.get(self.relabel_method, 0.5)

    @property
    def first_iteration(self) -> int:
        """The first iteration that relabels; with a learned reward, at least iteration 1."""
        return max(self.relabel_start_iteration, int(self.use_learned_reward))

    def relabeling_relations(self) -> Iterator[Relation]:
        """Yield the violated relations between these fields."""
        if not self.use_softmax and self.relabel_method in ("none", "random"):
            yield Relation(
                ("use_softmax", "relabel_method"),
                "a method that has logits: return, hipi, hfr-q or hfr-bellman",
            )
        if self.use_learned_reward and self.relabel_method != "hfr-q":
            yield Relation(
                ("use_learned_reward", "relabel_method"),
                '"hfr-q", the only method that supports a learned reward',
            )
        if self.cut_at_terminal and self.relabel_method == "hipi":
            expected = (
                "a method that gives a trajectory one task: random, return, hfr-q or hfr-bellman"
            )
            yield Relation(("cut_at_terminal", "relabel_method"), expected)
        if self.utility_entropy and self.relabel_method != "hfr-q":
            yield Relation(
                ("utility_entropy", "relabel_method"), '"hfr-q", the only one that draws actions'
            )
