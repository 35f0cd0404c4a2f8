"""Times and progress of an iteration: nested phases, and the progress of a verb."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rlkit.core.algorithm import Loop, Save


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


class Timer:
    """Seconds spent in each phase since the last `reset`.

    Phases nest: an inner phase pauses the outer one, so that the phases of an iteration add up to
    its wall-clock time.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._running: list[str] = []  # the phases that are open, innermost last
        self._since = 0.0  # when the innermost one began or was resumed

    def reset(self, seconds: dict[str, float] | None = None) -> None:
        """Forget all phases, or start from the seconds of an earlier process."""
        self.seconds = dict(seconds or {})

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the wall-clock time of the block to a phase, and none to the phase around it."""
        self._charge()
        self._running.append(name)
        try:
            yield
        finally:
            self._charge()
            self._running.pop()

    def so_far(self) -> dict[str, float]:
        """Seconds of every phase up to now, those that are still open included."""
        self._charge()
        return dict(self.seconds)

    def _charge(self) -> None:
        """Add the time since the last call to the innermost open phase."""
        now = time.perf_counter()
        if self._running:
            name = self._running[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now
