"""What ends a run early, with which exit code, and what it leaves.

Numbers not finite, a full disk, signals.
"""

import errno
import os
import resource
import signal
import time
from pathlib import Path

import pytest

from tests.tiny_runs import launch, process, rows, run, same_weights


def test_a_loss_that_is_not_finite_ends_the_run_with_code_3_and_keeps_the_checkpoint(here):
    result = launch("tiny.json", "--set", "algo_params.qf_lr=1e30")
    assert result.exit_code == 3
    assert "iteration 0: " in result.stderr
    assert "Loss" in result.stderr
    (run_dir,) = Path("output").glob("*/*")
    assert f"--resume {run_dir}" in result.stderr
    assert (run_dir / "checkpoint" / "manifest.json").exists()


@pytest.mark.parametrize("rate", ["policy_lr", "vf_lr", "context_lr"])
def test_weights_that_are_not_finite_after_the_last_step_end_the_run_with_code_3(here, rate):
    result = launch(
        "tiny.json",
        "--set",
        f"algo_params.{rate}=1e300",
        "--set",
        "algo_params.num_train_steps_per_itr=1",
    )
    assert result.exit_code == 3
    assert "iteration 0: weights" in result.stderr
    (run_dir,) = Path("output").glob("*/*")
    assert not (run_dir / "progress.csv").exists()


def test_an_exhausted_disk_ends_the_run_with_code_4_and_the_old_checkpoint_serves(here):
    whole, parted = run(), run("--set", "algo_params.num_iterations=1")

    def limit_file_size() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    full = process(
        "--resume", parted, "--set", "algo_params.num_iterations=3", preexec_fn=limit_file_size
    )
    _, stderr = full.communicate(timeout=120)
    assert (full.returncode, "Traceback" in stderr) == (4, False), stderr
    assert launch("--resume", parted, "--set", "algo_params.num_iterations=3").exit_code == 0
    assert rows(parted) == rows(whole)


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (4, errno.EROFS),
        (12, errno.EROFS),
        (15, errno.EIO),
        (18, errno.ESTALE),
        (20, errno.ENOTCONN),
        (22, errno.ENOENT),  # the folder is no longer there
    ],
)
def test_a_disk_that_is_lost_in_mid_run_ends_it_with_code_4_and_nothing_is_lost(
    here, monkeypatch, at, code
):
    """From the at-th file on that is opened for writing, every one fails."""
    whole, opened, opens = run(), [], Path.open

    def refusing(path: Path, mode: str = "r", *arguments, **options):
        if mode[0] in "wa" and "point-robot" in path.parts:
            opened.append(path)
            if len(opened) > at:
                raise OSError(code, os.strerror(code), str(path))
        return opens(path, mode, *arguments, **options)

    before = set(Path("output").glob("*/*"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refusing)
        stopped = launch("tiny.json")
    assert (stopped.exit_code, "Traceback" in stopped.stderr) == (4, False), stopped.stderr
    assert os.strerror(code) in stopped.stderr
    (run_dir,) = set(Path("output").glob("*/*")) - before
    assert f"to resume: python launch_experiment.py --resume {run_dir}" in stopped.stderr
    assert launch("--resume", run_dir).exit_code == 0
    assert rows(run_dir) == rows(whole)
    assert same_weights(run_dir, whole)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_a_run_that_then_goes_on_as_if_nothing_had_happened(here, signum, code):
    running = process("tiny.json", "--set", "algo_params.num_iterations=100000")
    deadline = time.monotonic() + 100
    while (
        not (lines := list(Path("output").glob("*/*/progress.csv")))
        or len(lines[0].read_text().splitlines()) < 3
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(signum)
    _, stderr = running.communicate(timeout=60)
    run_dir = lines[0].parent
    assert running.returncode == code, stderr
    assert stderr.splitlines() == [
        f"stopped by {signum.name}",
        f"to resume: python launch_experiment.py --resume {run_dir}",
    ]
    length = len(rows(run_dir)) + 2
    assert (
        launch("--resume", run_dir, "--set", f"algo_params.num_iterations={length}").exit_code == 0
    )
    assert rows(run_dir) == rows(run("--set", f"algo_params.num_iterations={length}"))


@pytest.mark.parametrize("stderr", ["open", "closed as well"])
def test_a_closed_standard_output_stops_a_run_as_a_signal_does(here, stderr):
    running = process("tiny.json", "--set", "algo_params.num_iterations=100000")
    assert running.stdout is not None and running.stderr is not None
    while not running.stdout.readline().startswith("iteration 1 |"):
        assert running.poll() is None
    running.stdout.close()
    if stderr == "closed as well":
        running.stderr.close()
    assert running.wait(timeout=60) == 141
    (run_dir,) = Path("output").glob("*/*")
    hint = f"to resume: python launch_experiment.py --resume {run_dir}"
    log = (run_dir / "debug.log").read_text().splitlines()
    assert log[-2].endswith("| stopped by SIGPIPE")
    assert log[-1].endswith(f"| {hint}")
    if stderr == "open":
        assert running.stderr.read().splitlines() == ["stopped by SIGPIPE", hint]
        running.stderr.close()
    length = ("--set", f"algo_params.num_iterations={len(rows(run_dir)) + 1}")
    assert launch("--resume", run_dir, *length).exit_code == 0
    assert rows(run_dir) == rows(run(*length))


@pytest.mark.parametrize(("handler", "code"), [(signal.SIG_DFL, 129), (signal.SIG_IGN, 143)])
def test_a_hangup_stops_a_run_unless_nohup_ignores_it(here, handler, code):
    running = process(
        "tiny.json",
        "--set",
        "algo_params.num_iterations=100000",
        preexec_fn=lambda: signal.signal(signal.SIGHUP, handler),
    )
    assert running.stdout is not None
    while "run folder" not in running.stdout.readline():
        assert running.poll() is None
    running.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    if code == 143:
        assert running.poll() is None
        running.send_signal(signal.SIGTERM)
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == code, stderr
    assert "Traceback" not in stderr
