"""What an algorithm's verbs may ask of the loop that calls them.

Progress, checkpoints inside and after a verb, nested times.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

Save = Literal["due", "now", "after"]


class Loop(Protocol):
    """The outer loop as seen from inside `collect_data`, `do_training` and `evaluate`."""

    def tick(self, done: int, total: int, note: str = "", save: Save | None = None) -> None:
        """Report progress between two gradient steps, rollouts or steps of a trial.

        Signals are served here. A checkpoint written here is resumed here: the loop calls the same
        verb again, and the algorithm's `state_dict` must say how far the verb had come.

        Args:
            done: steps of this verb that are done.
            total: steps that it will take.
            note: a few words for the display, such as "return so far 41".
            save: "now" writes a checkpoint; "due" writes one if `util_params.checkpoint_minutes`
                have passed since the last; "after" writes one when the verb has returned, if one is
                due or this is iteration 0. Then a resumed run does not call the verb again, so
                `state_dict` must hold what the next verb needs. None writes none.
        """

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Time a block under its own name; the phase around it is paused meanwhile."""


class NoLoop:
    """Stands in for the loop where a verb is called on its own, as tests and benchmarks do."""

    def tick(self, done: int, total: int, note: str = "", save: Save | None = None) -> None:
        """Report to nobody."""

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Time nothing."""
        return nullcontext()
