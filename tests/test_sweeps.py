"""Whole sweeps: killed runs, a killed master, a Ray cluster; results equal those of single runs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tiny_runs import ROOT, launch, rows, same_weights

pytestmark = pytest.mark.slow
FOLDER = Path("output/point-robot")
LONG = ("--set", "algo_params.num_iterations=12")
SWEEP = ("tiny.json", "--seeds", "1-3", "--set", "algo_params.kl_lambda=0.1,1", *LONG)


def started(*arguments):
    command = [sys.executable, "-m", "rlkit.launchers.cli", "sweep", *SWEEP, "--jobs", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen([*command, *arguments], env=environment, text=True, **pipes)


def children_of(process):
    """Process ids of the runs that are watched by a process, or by any."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"rlkit.launchers.sweep_process" in words:
            watcher = words[words.index(b"rlkit.launchers.sweep_process") + 1]
            if process is None or int(watcher) == process.pid:
                place = os.readlink(folder / "cwd") if (folder / "cwd").exists() else ""
                if place == os.getcwd():
                    found.append(int(folder.name))
    return found


def wait_for_rows(master, count):
    while len([path for path in FOLDER.glob("*/progress.csv") if rows(path.parent)]) < count:
        assert master.poll() is None, master.stdout.read()
        time.sleep(0.05)


def check_the_six_runs():
    for value in ("0.1", "1"):
        for seed in (1, 2, 3):
            run_dir = FOLDER / f"tiny-kl_lambda={value}-seed={seed}"
            alone = FOLDER / f"alone-{value}-{seed}"
            settings = ("--set", f"algo_params.kl_lambda={value}", "--seed", seed, *LONG)
            assert launch("tiny.json", "--name", alone.name, *settings).exit_code == 0
            assert rows(run_dir) == rows(alone) and len(rows(alone)) == 12
            assert same_weights(run_dir, alone)


def test_a_sweep_survives_a_killed_run_and_a_killed_master(here):
    master = started()
    wait_for_rows(master, 2)
    os.kill(children_of(master)[0], signal.SIGKILL)
    wait_for_rows(master, 3)
    master.kill()
    text = master.communicate()[0]
    assert "killed by SIGKILL" in text
    again = started()
    text = again.communicate(timeout=600)[0]
    assert again.returncode == 0, text
    assert "6 runs: 6 complete" in text
    skipped = started()
    assert "6 runs, 6 of them already complete" in skipped.communicate(timeout=60)[0]
    check_the_six_runs()


def test_a_sweep_on_ray_survives_a_killed_worker_and_a_killed_master(here):
    pytest.importorskip("ray")
    master = started("--engine", "ray")
    wait_for_rows(master, 2)
    run = children_of(None)[0]
    worker = int(Path(f"/proc/{run}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(worker, signal.SIGKILL)
    wait_for_rows(master, 3)
    master.kill()
    master.communicate()
    again = started("--engine", "ray")
    text = again.communicate(timeout=600)[0]
    assert again.returncode == 0, text
    assert "6 runs: 6 complete" in text
    check_the_six_runs()
