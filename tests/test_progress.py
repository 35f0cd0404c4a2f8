"""Messages of a running run: choices made at the start, progress, duration."""

import json
import re

from rlkit.launchers import display
from tests.tiny_runs import TINY, launch, rows, run, same_weights


def test_what_the_start_decides_is_one_line(here):
    util = {"use_gpu": False, "torch_threads": 3}
    (here / "tiny.json").write_text(json.dumps({**TINY, "util_params": util}))
    result = launch("tiny.json", "--name", "mine")
    (line,) = [text for text in result.output.splitlines() if "chosen for this machine" in text]
    for text in ("device cpu, ", "physics_threads ", "matmul ", "slice_rows ", "num_envs "):
        assert text in line
    assert "torch_threads" not in line  # which the configuration says
    assert line in (here / "output/point-robot/mine/debug.log").read_text()


def test_timing_a_short_iteration_inside_of_a_run_changes_nothing_of_it(here, monkeypatch):
    quiet = run("--name", "quiet")
    monkeypatch.setattr(display, "SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(display, "SECONDS_TO_FIRST_LINE", 0.0)
    result = launch("tiny.json", "--name", "timed")
    assert "the run will take about " in result.output
    for unit in ("environment step", "gradient step", "evaluation step"):
        assert re.search(rf"^iteration 0: {unit} [0-9]+ of [0-9]+", result.output, re.M)
    timed = quiet.with_name("timed")
    assert rows(timed) == rows(quiet) and same_weights(timed, quiet)
