"""Runs with a name: their folder, names that are taken, and jobs that are queued again."""

import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import time
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest

from rlkit.launchers.folders import lock_run_folder
from tests.tiny_runs import ROOT, files_below, launch, process, rows, run, same_weights

NAMED = Path("output/point-robot/mine")
AGAIN = ("tiny.json", "--name", "mine", "--start-or-resume")


def test_a_name_is_the_folder_of_the_run_and_is_taken_once(here):
    assert run("--name", "mine") == NAMED
    before = files_below(here)
    again = launch("tiny.json", "--name", "mine")
    assert again.exit_code == 2
    assert f"--name mine: {NAMED} already exists; expected a new name, or" in again.stderr
    assert files_below(here) == before


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "-x", "a b", "debug", "debug-hfr"])
def test_a_name_that_is_none_for_a_folder_is_refused_before_anything_is_written(here, name):
    before = files_below(here)
    result = launch("tiny.json", f"--name={name}")
    assert result.exit_code == 2 and f"--name {name}: " in result.stderr
    assert files_below(here) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tiny.json", "--start-or-resume"], "--start-or-resume needs --name"),
        (["--resume", "x", "--name", "y"], "--name and --resume exclude each other"),
    ],
)
def test_options_that_do_not_go_together_are_refused(here, arguments, message):
    result = launch(*arguments)
    assert result.exit_code == 2 and message in result.stderr


def test_a_run_that_is_started_or_resumed_equals_one_that_is_not(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    settings = ("--set", "util_params.base_log_dir=~/runs", "--seed", "3")
    folder = here / "runs" / "point-robot" / "mine"
    short = (*AGAIN, *settings, "--set", "algo_params.num_iterations=1")
    assert launch(*short).exit_code == 0
    longer = (*AGAIN, *settings, "--set", "algo_params.num_iterations=3")
    result = launch(*longer)
    assert result.exit_code == 0 and "resumes at iteration 1" in result.output
    whole = run()
    assert rows(folder) == rows(whole) and len(rows(folder)) == 3
    assert same_weights(folder, whole)
    assert "is complete (3 iterations)" in launch(*longer).output


def test_a_longer_configuration_of_the_same_name_goes_on_further(here):
    run("--name", "mine")
    longer = json.loads(Path("tiny.json").read_text())
    longer["algo_params"]["num_iterations"] = 4
    longer["util_params"]["checkpoint_every"] = 2
    Path("tiny.json").write_text(json.dumps(longer))
    assert launch(*AGAIN).exit_code == 0
    assert len(rows(NAMED)) == 4


def test_another_configuration_under_the_same_name_is_refused(here):
    assert launch(*AGAIN, "--seed", 3).exit_code == 0
    result = launch(*AGAIN, "--seed", 4)
    assert result.exit_code == 2 and "seed = 4 (run: 3)" in result.stderr


def test_what_a_start_that_was_killed_has_left_is_begun_anew_and_anything_else_is_not(here):
    NAMED.mkdir(parents=True)
    (NAMED / "tasks.npz").write_bytes(b"torn")
    assert launch(*AGAIN).exit_code == 0
    assert len(rows(NAMED)) == 3
    other = NAMED.parent / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    result = launch("tiny.json", "--name", "other", "--start-or-resume")
    assert result.exit_code == 2 and "already exists" in result.stderr
    assert files_below(other) == {"notes.txt"}


def test_a_name_in_use_is_not_run_twice(here):
    run("--name", "mine", "--set", "algo_params.num_iterations=1")
    with lock_run_folder(NAMED):
        result = launch(*AGAIN)
    assert result.exit_code == 2 and "another process is running" in result.stderr


def test_the_command_that_resumes_is_one_line_on_a_narrow_terminal(here):
    name = "a-name-that-is-longer-than-the-terminal-is-wide"
    main_end, terminal = pty.openpty()
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TERM": "xterm"}
    for variable in ("COLUMNS", "LINES"):
        environment.pop(variable, None)
    command = [sys.executable, str(ROOT / "launch_experiment.py"), "tiny.json", "--name", name]
    command += ["--set", "algo_params.num_iterations=100000"]
    streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    running = subprocess.Popen(command, env=environment, **streams)
    os.close(terminal)
    text, stopped = b"", False
    with suppress(OSError):  # at the end, when the other side is closed
        while True:
            text += os.read(main_end, 65536)
            if not stopped and (Path("output/point-robot") / name / "progress.csv").exists():
                stopped = True
                running.send_signal(signal.SIGINT)
    os.close(main_end)
    assert running.wait(60) == 130
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode()).replace("\r", "").splitlines()
    hint = f"to resume: python launch_experiment.py --resume output/point-robot/{name}"
    assert hint in lines
    resumed = hint.removeprefix("to resume: ").replace("python launch_experiment.py ", "")
    done = launch(*resumed.split(), "--set", "algo_params.num_iterations=100000", "--print-config")
    assert json.loads(done.stdout)["algo_params"]["num_iterations"] == 100000


def test_a_queued_job_that_was_killed_goes_on(here):
    longer = ("--set", "algo_params.num_iterations=8")
    job = process(*AGAIN, *longer, cwd=here)
    while job.poll() is None and not (NAMED / "progress.csv").exists():
        time.sleep(0.005)
    job.kill()
    job.communicate()
    assert launch(*AGAIN, *longer).exit_code == 0
    whole = run(*longer)
    assert rows(NAMED) == rows(whole) and same_weights(NAMED, whole)
