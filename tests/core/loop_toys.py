"""A checkpoint in memory and a display without output, for tests of the outer loop."""

import copy
import csv
from contextlib import suppress


class MemoryCheckpoint:
    """Records what is saved."""

    def __init__(self):
        self.saved = []

    def save(self, iteration, state, buffers):
        self.saved.append((iteration, copy.deepcopy(state)))


class RecordingDisplay:
    """Records what it is shown; `stop_at` (iteration, done) raises an error there."""

    def __init__(self, stop_at=None, error=None):
        self.shown, self.rows, self.stopped = [], [], False
        self.stop_at, self.error = stop_at, error
        self.iteration = None

    def start(self, num_iterations, start_iteration):
        pass

    def phase(self, iteration, name):
        self.iteration = iteration

    def progress(self, done, total, note):
        self.shown.append((done, total, note))
        if self.stop_at == (self.iteration, done):
            raise self.error

    def iteration_done(self, iteration, row, seconds):
        self.rows.append((row, seconds))

    def stop(self):
        self.stopped = True


def rows(run_dir, name="progress"):
    """The rows of a table, as text."""
    with suppress(FileNotFoundError), open(run_dir / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))
    return []
