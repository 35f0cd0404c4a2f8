"""Parallel jobs of a sweep: failures, kills, signals; the processes are small stand-ins."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest
from rich.console import Console

from rlkit.core.errors import StopRequested, UserError
from rlkit.launchers import sweep_command, sweep_process
from rlkit.launchers.sweep_display import SweepDisplay
from rlkit.launchers.sweep_plan import plan
from rlkit.launchers.sweep_process import Job, wait_until_free
from rlkit.launchers.sweep_run import LocalEngine, RayEngine, check_answers, outcome_in_words
from tests.launchers.test_sweep_plan import CONFIG, sweep
from tests.tiny_runs import ROOT

WAITS = "import time; time.sleep(60)"


def job(name, code=""):
    return Job(name, name, (code,), f"{name}.log", ".")


@pytest.fixture
def scripts(monkeypatch, tmp_path):
    """Jobs whose process runs the Python code that is their only argument."""
    monkeypatch.chdir(tmp_path)

    def start(job):
        with open(job.log, "ab") as log:
            command = [sys.executable, "-c", job.arguments[0]]
            return subprocess.Popen(command, stdout=log, stderr=log, process_group=0)

    monkeypatch.setattr(sweep_process, "start", start)


class Events:
    def __init__(self):
        self.all = []

    def begun(self, job):
        self.all.append((job.name, "begins"))

    def ended(self, job, code):
        self.all.append((job.name, code))


def test_a_failed_run_takes_no_other_down(scripts):
    events = Events()
    jobs = [job("a", "exit(3)"), job("b", "print('done')"), job("c", "raise SystemExit(2)")]
    codes = LocalEngine(2).run(jobs, events.begun, events.ended)
    assert codes == {"a": 3, "b": 0, "c": 2}
    assert Path("b.log").read_text() == "done\n"
    assert sorted(events.all, key=str) == sorted(
        [(name, event) for name, code in codes.items() for event in ("begins", code)], key=str
    )


def test_no_more_run_at_a_time_than_were_asked_for(scripts):
    running, most = set(), [0]

    def begun(job):
        running.add(job.name)
        most[0] = max(most[0], len(running))

    def ended(job, code):
        running.discard(job.name)

    jobs = [job(str(n), "import time; time.sleep(0.05)") for n in range(6)]
    LocalEngine(2).run(jobs, begun, ended)
    assert most[0] == 2


def test_a_killed_run_is_resumed_once_and_then_given_up(scripts):
    once = (
        "import os, pathlib, signal\n"
        "mark = pathlib.Path('{}')\n"
        "if {} or not mark.exists():\n"
        "    mark.touch()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    jobs = [job("a", once.format("a.mark", False)), job("b", once.format("b.mark", True))]
    events = Events()
    codes = LocalEngine(1).run(jobs, events.begun, events.ended)
    assert codes == {"a": 0, "b": -signal.SIGKILL}
    assert [event for event in events.all if event[1] == "begins"] == [
        (name, "begins") for name in ("a", "a", "b", "b")
    ]


def test_a_signal_lets_runs_stop_once_and_begins_no_more(scripts):
    polite = (
        "import signal, time, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('stopped', flush=True), sys.exit(143)))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )

    def interrupt():
        while not all(Path(f"{n}.log").exists() and Path(f"{n}.log").read_text() for n in "ab"):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(StopRequested) as stopped:
        LocalEngine(2).run([job(n, polite) for n in "abc"], Events().begun, Events().ended)
    assert stopped.value.exit_code == 130
    assert Path("a.log").read_text() == Path("b.log").read_text() == "ready\nstopped\n"
    assert not Path("c.log").exists()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_run_ends_with_the_process_that_watches_it(tmp_path):
    child = (
        "import sys, time\n"
        "from rlkit.launchers.sweep_process import end_with\n"
        "end_with(int(sys.argv[1]))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = (
        "import os, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}, str(os.getpid())])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", parent]
    watcher = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    pid = int(watcher.stdout.readline())
    assert watcher.stdout.readline() == "ready\n"
    watcher.kill()
    assert watcher.stdout.read() == ""  # returns when the child, which has the pipe too, is gone
    watcher.wait()
    watcher.stdout.close()
    with pytest.raises(SystemExit) as ended:
        sweep_process.end_with(pid)  # which is no parent of this process
    assert ended.value.code == 143


def test_a_folder_that_is_left_soon_is_waited_for(tmp_path):
    holder = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from rlkit.launchers.folders import lock_run_folder\n"
        "with lock_run_folder(Path(sys.argv[1])):\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", holder, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        waiting = threading.Thread(target=wait_until_free, args=(tmp_path,))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        process.stdin.close()
        waiting.join(20)
        assert not waiting.is_alive()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nowhere", "host:x"])
def test_a_cluster_that_does_not_answer_is_refused_at_once(address):
    with pytest.raises(UserError, match=f"--address {address}: "):
        check_answers(address)


def test_an_address_is_tried_before_anything_is_written(here):
    pytest.importorskip("ray")
    result = sweep("tiny.json", "--engine", "ray", "--address", "127.0.0.1:1")
    assert result.exit_code == 2 and "no Ray cluster answers" in result.stderr
    assert not Path("output").exists()


def test_a_ray_that_does_not_start_is_not_blamed_on_an_address(monkeypatch):
    def init(**settings):
        raise RuntimeError("no redis")

    for name, attributes in (
        ("ray", {"init": init}),
        ("ray.util", {}),
        ("ray.util.joblib", {"register_ray": lambda: None}),
    ):
        module = types.ModuleType(name)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(UserError, match=r"^--engine ray: no Ray cluster answers \(no redis\)$"):
        RayEngine(1, None)


def test_each_job_on_ray_reports_the_end_of_each_of_its_processes_once():
    engine, events = RayEngine.__new__(RayEngine), Events()
    engine._ray = types.SimpleNamespace(shutdown=lambda: None)
    rounds = iter([{"a": 0, "b": -signal.SIGKILL}, {"b": 0}])
    engine._round = lambda jobs: next(rounds)
    assert engine.run([job("a"), job("b")], events.begun, events.ended) == {"a": 0, "b": 0}
    assert events.all == [("a", 0), ("b", -signal.SIGKILL), ("b", 0)]


def test_outcomes_are_told_in_words():
    assert outcome_in_words(-9) == "killed by SIGKILL"
    assert outcome_in_words(143) == "stopped by SIGTERM"
    assert outcome_in_words(4) == "exit code 4, disk or memory exhausted"
    assert outcome_in_words(7) == "exit code 7"


def test_failed_runs_are_named_at_the_end_with_their_logs(here, monkeypatch):
    codes = {"tiny-seed=1": 0, "tiny-seed=2": 3, "tiny-seed=3": -9}

    def run(self, jobs, begun, ended):
        for one in jobs:
            begun(one)
            ended(one, codes[one.name])
        return codes

    monkeypatch.setattr(LocalEngine, "run", run)
    result = sweep("tiny.json", "--seeds", "1-3", "--jobs", "2")
    assert result.exit_code == sweep_command.SOME_FAILED == 1
    assert "3 runs, 2 at a time" in result.stdout
    assert "3 runs: 2 failed, 1 complete" in result.stdout
    reason = "exit code 3, a loss or a weight became NaN or infinite"
    assert result.stderr.splitlines() == [
        f"tiny-seed=2: {reason}; log: output/point-robot/tiny-seed=2.log",
        "tiny-seed=3: killed by SIGKILL; log: output/point-robot/tiny-seed=3.log",
        "2 of 3 runs are not complete",
    ]


def test_a_terminal_gets_a_table_of_the_runs(here):
    runs = plan([CONFIG], [], [1, 2, 3])
    folder = runs[0].folder
    folder.mkdir(parents=True)
    column = "AverageReturn_all_test_tasks"
    (folder / "progress.csv").write_text(f"Epoch,{column}\n0,-21.5\n1,-11.25\n")
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    display = SweepDisplay(runs, console)
    with display.shown():
        display.begun(job("tiny-seed=1"))
        display.ended(job("tiny-seed=2"), 3)
    for text in ("3 runs: 1 running, 1 failed, 1 waiting", "2 of 3", "-11.25", "exit code 3"):
        assert text in screen.getvalue()
