"""Times of phases, on a clock that the test controls."""

import pytest

from rlkit.core import loop as timer_module
from rlkit.core.loop import Timer


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timer_module.time, "perf_counter", clock)
    return clock


def test_a_phase_that_is_entered_twice_adds_up(clock):
    timer = Timer()
    for seconds in (2.0, 3.0):
        with timer.phase("train"):
            clock.now += seconds
        clock.now += 10
    assert timer.seconds == {"train": 5.0}


def test_an_inner_phase_pauses_the_outer_one_so_that_phases_add_up_to_the_whole(clock):
    timer = Timer()
    with timer.phase("train"):
        clock.now += 1
        with timer.phase("sample"):
            clock.now += 20
            with timer.phase("save"):
                clock.now += 300
            clock.now += 20
        clock.now += 1
        with timer.phase("train"):
            clock.now += 4000
    assert timer.seconds == {"train": 4002, "sample": 40, "save": 300}
    assert sum(timer.seconds.values()) == clock.now - 100


def test_a_phase_that_fails_is_timed_too_and_the_outer_one_goes_on(clock):
    timer = Timer()
    with timer.phase("train"):
        with pytest.raises(RuntimeError), timer.phase("sample"):
            clock.now += 5
            raise RuntimeError
        clock.now += 7
    assert timer.seconds == {"sample": 5, "train": 7}


def test_open_phases_are_told_up_to_now(clock):
    timer = Timer()
    with timer.phase("train"):
        clock.now += 5
        assert timer.so_far() == {"train": 5}
        clock.now += 2
    assert timer.seconds == {"train": 7}


def test_a_reset_forgets_or_starts_from_the_seconds_of_an_earlier_process(clock):
    timer, earlier = Timer(), {"train": 3.0}
    with timer.phase("save"):
        clock.now += 1
    timer.reset(earlier)
    with timer.phase("train"):
        clock.now += 1
    assert timer.seconds == {"train": 4} and earlier == {"train": 3.0}
    timer.reset()
    assert timer.seconds == {}
