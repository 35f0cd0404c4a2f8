"""Lines for logs, a live table for terminals."""

import io

import pytest
from rich.console import Console

from rlkit.launchers import display as display_module
from rlkit.launchers.display import LineDisplay, duration
from rlkit.launchers.live_display import LiveDisplay, make_display
from rlkit.launchers.pearl import PEARL

HEADLINE = PEARL.headline
ROW = {
    "Number of env steps total": 12000,
    "AverageReturn_all_train_tasks": -20.123,
    "AverageReturn_all_test_tasks": -21.5,
    "AverageReturn_prior_test_tasks": float("nan"),
}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59, "59 s"), (59.7, "1 min 00 s"), (200, "3 min 20 s"), (3900, "1 h 05 min")],
)
def test_durations_are_written_in_words(seconds, text):
    assert duration(seconds) == text


def test_a_line_tells_iteration_env_steps_returns_and_time_left():
    lines: list[str] = []
    display = LineDisplay(lines.append, HEADLINE)
    display.start(10, 0)
    display.iteration_done(0, ROW, 30.0)
    assert lines == [
        "iterations 0 to 9",
        "iteration 0 | env steps 12,000 | return: train -20.12, test -21.50, "
        "test before adaptation not evaluated | 30 s | left 4 min 30 s",
    ]


def test_a_line_says_when_an_iteration_was_not_evaluated():
    lines: list[str] = []
    display = LineDisplay(lines.append, HEADLINE)
    display.start(10, 0)
    display.iteration_done(0, {"Number of env steps total": 12000}, 30.0)
    assert "| return: not evaluated |" in lines[-1]


def test_the_first_iteration_is_left_out_of_the_estimate_once_there_is_another():
    display = LineDisplay(lambda line: None, HEADLINE)
    display.start(4, 0)
    assert display.time_left == "unknown"
    for iteration, seconds in enumerate((100.0, 10.0, 20.0)):
        display.iteration_done(iteration, ROW, seconds)
    assert display.time_left == "15 s"


def test_a_resumed_run_counts_from_where_it_goes_on():
    display = LineDisplay(lambda line: None, HEADLINE)
    display.start(20, 15)
    display.iteration_done(15, ROW, 5.0)
    assert display.time_left == "20 s"


def test_a_terminal_gets_a_live_table_and_the_log_its_lines():
    screen, logged = io.StringIO(), []
    console = Console(file=screen, force_terminal=True, width=120)
    display = make_display(console, "output/run", HEADLINE, pytest.fail, logged.append)
    assert isinstance(display, LiveDisplay)
    display.start(2, 0)
    display.phase(0, "training")
    display.iteration_done(0, ROW, 30.0)
    display.stop()
    for text in (
        "output/run",
        "12,000",
        "-21.50",
        "1 of 2 iterations, left 30 s",
        "iteration 0: training",
    ):
        assert text in screen.getvalue()
    assert len(logged) == 2


def test_elsewhere_lines_are_said():
    said: list[str] = []
    display = make_display(
        Console(file=io.StringIO()), "output/run", HEADLINE, said.append, pytest.fail
    )
    display.start(2, 0)
    display.stop()
    assert said == ["iterations 0 to 1"]


def test_a_long_iteration_gets_a_line_of_progress_a_minute(monkeypatch):
    lines: list[str] = []
    clock = [0.0]
    monkeypatch.setattr(display_module, "monotonic", lambda: clock[0])
    display = LineDisplay(lines.append, HEADLINE)
    display.start(10, 0)
    display.phase(0, "training")
    for done in range(1, 301):
        clock[0] += 0.5
        display.progress(done, 1000, "")
    assert lines[1:] == [
        "iteration 0: training 120 of 1,000, 7 min 20 s left",
        "iteration 0: training 240 of 1,000, 6 min 20 s left",
    ]


def test_a_note_stands_behind_the_progress_on_a_terminal_at_once():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=160)
    display = make_display(console, "output/run", HEADLINE, pytest.fail, lambda line: None)
    display.start(2, 0)
    display.phase(0, "collecting")
    display.progress(12, 200, "return so far 41")
    display.stop()
    assert "iteration 0: collecting 12 of 200" in screen.getvalue()
    assert "return so far 41" in screen.getvalue()
