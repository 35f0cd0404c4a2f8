"""The interface between the outer loop and an algorithm."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol

from rlkit.core.logger import Table
from rlkit.core.saving import Networks
from rlkit.data_management.saved_rows import SavedRows

Save = Literal["due", "now", "after"]
Statistics = dict[str, float]


class Loop(Protocol):
    """The outer loop as seen from inside `collect_data`, `do_training` and `evaluate`."""

    def tick(self, done: int, total: int, note: str = "", save: Save | None = None) -> None:
        """Report progress between two gradient steps, rollouts or steps of a trial.

        Signals are handled here. A run resumed from a checkpoint written here calls the same verb
        again, so the algorithm's `state_dict` must record how far the verb had got.

        Args:
            done: steps that this verb has completed.
            total: steps that it will take in total.
            note: short text for the display, such as "return so far 41".
            save: "now" writes a checkpoint; "due" writes one if `util_params.checkpoint_minutes`
                have passed since the last; "after" writes one when the verb has returned, if one is
                due or this is iteration 0. Then a resumed run does not call the verb again, so
                `state_dict` must hold what the next verb needs. None writes none.
        """

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Time a block under its own name; the enclosing phase is paused."""


class NoLoop:
    """Replaces the loop when a verb is called on its own, as in tests and benchmarks."""

    def tick(self, done: int, total: int, note: str = "", save: Save | None = None) -> None:
        """Do nothing."""

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Return a context that does nothing."""
        return nullcontext()


class RLAlgorithm(Protocol):
    """An algorithm: the verbs collect, train and evaluate, and a state that can be saved.

    The loop joins the statistics that the verbs return into one row of progress.csv.
    """

    @property
    def columns(self) -> Sequence[str]:
        """The first columns of progress.csv, in order; a cell that no verb fills is `nan`.

        Other statistics follow in the order training, evaluation, collection, times.
        """

    @property
    def networks(self) -> Networks:
        """Networks by the names of their weight files."""

    @property
    def buffers(self) -> Mapping[str, SavedRows]:
        """Replay data that a checkpoint stores incrementally, by name."""

    def collect_data(self, iteration: int, loop: Loop) -> Statistics:
        """Collect experience. Every algorithm reports `Number of env steps total`."""

    def do_training(self, iteration: int, loop: Loop) -> Statistics:
        """Update the networks.

        A non-finite statistic with "Loss" in its name stops the run.
        """

    def evaluate(self, iteration: int, loop: Loop) -> Statistics:
        """Measure returns; called every `eval_every` iterations and in the last one."""

    def tables(self, iteration: int) -> Mapping[str, Table]:
        """Rows of further CSV files, by file name without suffix; read after each evaluation."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on, except the rows of the buffers."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state."""


class Beside(Protocol):
    """The evaluation of an algorithm, split so that it can run during the next iteration.

    An algorithm that supports this has one as its attribute `beside`, and the loop calls that
    instead of `evaluate` and `tables`. The numbers must be the same.
    """

    def begin(self, iteration: int) -> "Callable[[Loop], tuple[Statistics, Mapping[str, Table]]]":
        """Copy everything the evaluation needs before the algorithm continues learning.

        Returns:
            A function that evaluates in another thread and returns statistics and tables. The loop
            it is given shows nothing, serves no signal and writes no checkpoint.
        """

    def remark(self) -> str:
        """A line on what was unusual in the evaluation; "" if nothing was."""


class Display(Protocol):
    """Shows the progress of a run."""

    def start(self, num_iterations: int, start_iteration: int) -> None:
        """Called when the run begins."""

    def phase(self, iteration: int, name: str) -> None:
        """Called when a phase of an iteration begins."""

    def progress(self, done: int, total: int, note: str) -> None:
        """Called as often as the algorithm ticks."""

    def iteration_done(self, iteration: int, row: Statistics, seconds: float) -> None:
        """Called when a row has been written."""

    def stop(self) -> None:
        """Called when the run ends."""
