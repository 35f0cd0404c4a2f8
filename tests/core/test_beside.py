"""Evaluation and saving during the next iteration: times, signals, errors, messages."""

import threading
import time

import pytest

from rlkit.core.errors import ResourceError, StopRequested
from rlkit.core.logger import Logger
from rlkit.core.outer_loop import Schedule
from rlkit.core.rl_algorithm import train
from tests.core.loop_toys import MemoryCheckpoint, RecordingDisplay, rows

SPENT = 0.05


class Toy:
    """Trains and evaluates slowly, and evaluates as its own `Beside`."""

    buffers, networks = {}, {}
    columns = ("Return", "Number of env steps total", "Epoch")

    def __init__(self, evaluating=lambda: time.sleep(SPENT), spent=SPENT):
        self.beside, self.evaluating, self.spent = self, evaluating, spent
        self.unusual, self.trained = "", 0

    def collect_data(self, iteration, loop):
        return {"Number of env steps total": iteration}

    def do_training(self, iteration, loop):
        loop.tick(0, 2)
        time.sleep(self.spent)
        loop.tick(1, 2)
        self.trained += 1
        return {}

    def begin(self, iteration):
        trained = self.trained

        def evaluate(loop):
            self.evaluating()
            loop.tick(1, 1, "evaluating")
            self.unusual = "2 episodes diverged" if iteration == 1 else ""
            return {"Return": float(trained)}, {"trials": [{"iteration": iteration}]}

        return evaluate

    def remark(self):
        said, self.unusual = self.unusual, ""
        return said

    def state_dict(self):
        return {"trained": self.trained}


def run(tmp_path, algorithm, iterations=3, **options):
    checkpoint, display = MemoryCheckpoint(), RecordingDisplay()
    options = {"display": display, **options}
    schedule = Schedule(iterations)
    try:
        train(algorithm, Logger(tmp_path), checkpoint, schedule, **options)
    finally:
        assert not [t for t in threading.enumerate() if t.name.startswith("beside")]
    return checkpoint, display


def test_rows_tables_and_checkpoints_are_those_of_the_end_of_their_iteration(tmp_path):
    checkpoint, display = run(tmp_path, Toy())
    assert [row["Return"] for row in rows(tmp_path)] == ["1.0", "2.0", "3.0"]
    assert [row["iteration"] for row in rows(tmp_path, "trials")] == ["0", "1", "2"]
    saved = [(i, state["algorithm"]["trained"]) for i, state in checkpoint.saved]
    assert saved == [(-1, 0), (0, 1), (1, 2), (2, 3)]
    assert [row["Epoch"] for row, _ in display.rows] == [0, 1, 2] and display.stopped
    assert not any(note for _, _, note in display.shown)  # of the training alone


def test_an_evaluation_is_timed_by_its_thread_and_the_total_by_the_wall(tmp_path):
    class Slow(MemoryCheckpoint):
        def save(self, iteration, state, buffers):
            super().save(iteration, state, buffers)
            time.sleep(SPENT if iteration >= 0 else 0)

    algorithm, display = Toy(spent=3 * SPENT), RecordingDisplay()
    train(algorithm, Logger(tmp_path), Slow(), Schedule(4), display=display)
    found = [{name: float(cell) for name, cell in row.items()} for row in rows(tmp_path)]
    before = [row["(Previous) Eval Time (s)"] for row in found]
    assert before[0] == 0 and all(seconds >= 2 * SPENT for seconds in before[1:])
    for row, seconds in zip(found, before, strict=True):
        spent = row["Train Time (s)"] + row["Sample Time (s)"]
        assert row["Epoch Time (s)"] == pytest.approx(spent + seconds)
    total = [row["Total Train Time (s)"] for row in found]
    # Less than the sum of its parts: all evaluations but the last overlapped with training.
    assert total == sorted(total) and total[-1] < sum(row["Epoch Time (s)"] for row in found)


def test_a_signal_in_the_next_iteration_leaves_row_and_checkpoint_of_the_one_before(tmp_path):
    stopping = threading.Event()

    class Stopped(RecordingDisplay):
        def progress(self, done, total, note):
            if self.iteration == 1:
                stopping.set()
                raise StopRequested(2)

    checkpoint = MemoryCheckpoint()
    with pytest.raises(StopRequested):
        train(
            Toy(lambda: stopping.wait(60)),
            Logger(tmp_path),
            checkpoint,
            Schedule(3),
            display=Stopped(),
        )
    assert [iteration for iteration, _ in checkpoint.saved] == [-1, 0]
    assert len(rows(tmp_path)) == 1


def test_what_fails_beside_the_training_stops_it_at_its_next_tick(tmp_path):
    def failing():
        raise ResourceError("the disk is full")

    class Patient(Toy):
        def do_training(self, iteration, loop):
            for _ in range(6000 * iteration):  # a minute at most
                loop.tick(0, 1)
                time.sleep(0.01)
            return super().do_training(iteration, loop)

    algorithm = Patient(failing)
    with pytest.raises(ResourceError, match="the disk is full"):
        run(tmp_path, algorithm, 100)
    assert algorithm.trained == 1
    assert rows(tmp_path) == []


def test_what_was_unusual_in_an_evaluation_is_said(tmp_path):
    said = []
    run(tmp_path, Toy(), say=said.append)
    assert said == ["iteration 1: 2 episodes diverged"]
