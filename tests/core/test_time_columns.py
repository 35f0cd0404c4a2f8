"""The columns of times mean the same as in the published code."""

import time

from tests.core.loop_toys import MemoryCheckpoint, RecordingDisplay
from tests.core.test_loop import Walk, start


def test_the_previous_evaluation_contains_saving_and_the_total_is_all_time(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    class Timed(Walk):
        def collect_data(self, iteration, loop):
            now[0] += 1
            return {"Number of env steps total": 0}

        def do_training(self, iteration, loop):
            now[0] += 10
            return {}

        def evaluate(self, iteration, loop):
            now[0] += 100
            return {}

    class Slow(MemoryCheckpoint):
        def save(self, iteration, state, buffers):
            super().save(iteration, state, buffers)
            now[0] += 1000

    checkpoint, display = Slow(), RecordingDisplay()
    start(tmp_path, Timed(), 2, checkpoint=checkpoint, display=display)
    first, second = (row for row, _ in display.rows)
    assert [row["(Previous) Eval Time (s)"] for row in (first, second)] == [0, 1100]
    assert [row["Epoch Time (s)"] for row in (first, second)] == [11, 1111]
    # One checkpoint before the first iteration, one after each.
    assert [row["Total Train Time (s)"] for row in (first, second)] == [1111, 2222]
    assert [state["clock"]["total"] for _, state in checkpoint.saved] == [0, 1111, 2222]
