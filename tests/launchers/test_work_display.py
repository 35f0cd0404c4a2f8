"""Progress of commands outside of a run."""

import io

from rich.console import Console

from rlkit.launchers import display as display_module
from rlkit.launchers.work_display import WorkDisplay


def shown(*, terminal: bool) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, force_terminal=terminal, width=60, highlight=False), text


def test_elsewhere_lines_are_whole_and_progress_is_one_line_per_minute(monkeypatch):
    clock = [0.0]
    for module in ("display", "work_display"):
        monkeypatch.setattr(f"rlkit.launchers.{module}.monotonic", lambda: clock[0])
    console, text = shown(terminal=False)
    long = "filming task [3]: " + "a word " * 20
    with WorkDisplay("frame", console) as display:
        display.line(long)
        for n in range(1, 141):
            clock[0] += 1.0
            display.progress(n, 200)
    assert display_module.SECONDS_BETWEEN_LINES == 60
    assert text.getvalue().splitlines() == [
        long,
        "frame 60 of 200, 2 min 20 s left",
        "frame 120 of 200, 1 min 20 s left",
    ]


def test_a_terminal_shows_progress_in_place_at_once_and_is_released():
    console, text = shown(terminal=True)
    with WorkDisplay("frame", console) as display:
        display.progress(3, 8, "of two films")
        console.print("above")
    display.line("after")
    out = text.getvalue()
    assert "frame 3 of 8, of two films" in out and "above" in out
    assert out.index("\x1b[?25l") < out.index("\x1b[?25h")  # the cursor is hidden, then shown
    assert out.endswith("after\n")


def test_an_error_releases_the_terminal():
    console, text = shown(terminal=True)
    try:
        with WorkDisplay("frame", console) as display:
            display.progress(3, 8)
            raise ValueError
    except ValueError:
        pass
    assert text.getvalue().rindex("\x1b[?25h") > text.getvalue().rindex("\x1b[?25l")
