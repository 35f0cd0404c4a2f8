"""How far a verb has come, counted in steps of its budget."""

from rlkit.core.loop import Loop, Save


class Progress:
    """Adds up what a verb has done and reports it to the loop.

    Args:
        loop: is ticked after each addition.
        total: what the verb will do in all.
        done: what an earlier process has done of it.
    """

    def __init__(self, loop: Loop, total: int, done: int = 0) -> None:
        self.loop, self.total, self.done = loop, total, done

    def add(self, amount: int, note: str = "") -> None:
        """Report that `amount` more has been done."""
        self.done += amount
        self.loop.tick(self.done, self.total, note)

    def offer(self, save: Save, note: str = "") -> None:
        """Say that the state is whole here, so that a checkpoint may be written."""
        self.loop.tick(self.done, self.total, note, save)
