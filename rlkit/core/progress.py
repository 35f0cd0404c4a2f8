"""How far a verb has come, counted in steps of its budget."""

from rlkit.core.loop import Loop


class Progress:
    """Adds up what a verb has done and reports it to the loop.

    Args:
        loop: is ticked after each addition.
        total: what the verb will do in all.
    """

    def __init__(self, loop: Loop, total: int) -> None:
        self.loop, self.total, self.done = loop, total, 0

    def add(self, amount: int, note: str = "") -> None:
        """Report that `amount` more has been done."""
        self.done += amount
        self.loop.tick(self.done, self.total, note)
