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
        "test before adaptation not evaluated | 30 s | time left 4 min 30 s",
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
        "1 of 2 iterations, time left 30 s",
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


def ticked(monkeypatch, count, total, seconds_each, before=0, **options):
    """Lines of a display whose clock moves on before each tick."""
    lines: list[str] = []
    clock = [0.0]
    monkeypatch.setattr(display_module, "monotonic", lambda: clock[0])
    display = LineDisplay(lines.append, HEADLINE, PEARL.units, **options)
    display.start(10, 0)
    display.phase(0, "training")
    for done in range(before + 1, before + count + 1):
        clock[0] += seconds_each
        display.progress(done, total, "")
    return lines[1:]


def test_a_long_iteration_gets_a_line_after_5_seconds_and_one_a_minute(monkeypatch):
    assert ticked(monkeypatch, 300, 1000, 0.5) == [
        "iteration 0: gradient step 10 of 1,000, 8 min 15 s left",
        "iteration 0: gradient step 130 of 1,000, 7 min 15 s left",
        "iteration 0: gradient step 250 of 1,000, 6 min 15 s left",
    ]


def test_the_time_left_counts_what_an_earlier_process_did_as_done(monkeypatch):
    (line,) = ticked(monkeypatch, 100, 1000, 0.5, before=500)
    assert line == "iteration 0: gradient step 510 of 1,000, 4 min 05 s left"


def test_a_phase_without_a_unit_is_shown_by_its_name(monkeypatch):
    monkeypatch.setattr(PEARL, "units", {})
    assert ticked(monkeypatch, 100, 1000, 0.5) == [
        "iteration 0: training 10 of 1,000, 8 min 15 s left"
    ]


def test_after_a_minute_the_hours_of_the_run_are_told_once(monkeypatch):
    asked = []
    lines = ticked(monkeypatch, 400, 1000, 0.5, iteration_seconds=lambda: asked.append(1) or 3600.0)
    assert asked == [1]
    told = [line for line in lines if "the run will take" in line]
    assert told == ["the run will take about 10 h 00 min, estimated from a short iteration"]


def test_a_terminal_tells_the_hours_after_a_minute_until_an_iteration_is_done(monkeypatch):
    screen, clock = io.StringIO(), [0.0]
    monkeypatch.setattr(display_module, "monotonic", lambda: clock[0])
    console = Console(file=screen, force_terminal=True, width=160)
    display = LiveDisplay(lambda line: None, HEADLINE, console, "", None, lambda: 3600.0)
    display.start(10, 0)
    display.phase(0, "collecting")
    assert display.time_left == "unknown"
    clock[0] = 61.0
    display.progress(12, 200, "")
    display.stop()
    assert "0 of 10 iterations, time left about 10 h 00 min | iteration 0" in screen.getvalue()
    display.iteration_done(0, ROW, 60.0)
    assert display.time_left == "9 min 00 s"


def test_a_run_whose_first_iteration_is_done_within_a_minute_is_not_judged_otherwise():
    display = LineDisplay(lambda line: None, HEADLINE, {}, pytest.fail)
    display.start(10, 0)
    display.iteration_done(0, ROW, 30.0)
    display._began -= 100
    display.progress(1, 10, "")


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
