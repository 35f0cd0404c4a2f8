"""The runs of a sweep: names, rejected plans, and the scripts."""

import json
import os
import subprocess
from pathlib import Path
from shutil import which

import pytest
from click.testing import CliRunner

from rlkit.core.errors import UserError
from rlkit.launchers.cli import main
from rlkit.launchers.sweep_plan import alternatives, parse_seeds, plan, run_name
from rlkit.launchers.sweep_scripts import shell_lines, slurm_script
from tests.tiny_runs import TINY, files_below, launch

CONFIG = Path("tiny.json")


def sweep(*arguments):
    result = CliRunner().invoke(main, ["sweep", *map(str, arguments)], prog_name="rlkit")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_seeds_are_numbers_and_ranges():
    assert parse_seeds("1-5") == [1, 2, 3, 4, 5]
    assert parse_seeds("7, 1-2") == [7, 1, 2]


@pytest.mark.parametrize("text", ["", "one", "5-1", "1,,2", "1-3,2", "-1", "4294967296"])
def test_other_seeds_are_refused(text):
    with pytest.raises(UserError, match="--seeds"):
        parse_seeds(text)


def test_commas_separate_values_outside_of_json():
    assert alternatives("a.b=0.1,1") == ("a.b", ["0.1", "1"])
    assert alternatives('a={"x": [1, 2], "y": "3,4"},null') == (
        "a",
        ['{"x": [1, 2], "y": "3,4"}', "null"],
    )


def test_a_run_is_named_after_what_tells_it_apart():
    chosen = {"algo_params.kl_lambda": "0.5", "env_name": "point-robot"}
    assert run_name("quick", chosen, 2) == "quick-kl_lambda=0.5-env_name=point-robot-seed=2"
    assert run_name("quick", {"a.x": "1", "b.x": "2"}, None) == "quick-a.x=1-b.x=2"
    long = run_name("quick", {"a.x": "1" * 300}, 3)
    assert len(long) < 140 and long.endswith("-seed=3")
    assert long != run_name("quick", {"a.x": "1" * 299}, 3)


def test_a_sweep_is_configurations_times_settings_times_seeds(here):
    Path("other.json").write_text(json.dumps({**TINY, "latent_size": 3}))
    settings = ["algo_params.kl_lambda=0.1,1", "net_size=6", "util_params.base_log_dir=runs"]
    runs = plan([CONFIG, Path("other.json")], settings, [1, 2])
    assert len(runs) == len({run.name for run in runs}) == 8
    first = runs[0]
    assert first.name == "tiny-kl_lambda=0.1-net_size=6-seed=1"
    assert first.folder == Path("runs/point-robot") / first.name
    config = first.config
    assert (config.seed, config.net_size, config.algo_params.kl_lambda) == (1, 6, 0.1)


def test_a_run_has_one_thread_unless_told_otherwise(here):
    open_util = {"use_gpu": False, "physics_threads": 3}
    Path("open.json").write_text(json.dumps({**TINY, "util_params": open_util}))
    (run,) = plan([Path("open.json")], [], [None])
    assert "util_params.torch_threads=1" in run.arguments
    assert not any("physics_threads" in argument for argument in run.arguments)
    (run,) = plan([Path("open.json")], ["util_params.torch_threads=2"], [None], threads=4)
    assert "util_params.torch_threads=4" not in run.arguments
    assert run.config.util_params.torch_threads == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tiny.json", "--set", "algo_params.kl_lamda=0.1,1"], "algo_params.kl_lambda"),
        (["tiny.json", "--set", "algo_params.batch_size=8,none"], "expected an integer"),
        (["tiny.json", "--set", "algo_params.kl_lambda"], "expected key=value"),
        (["tiny.json", "--set", "algo_params.kl_lambda=1,1"], "a value is given twice"),
        (["tiny.json", "--set", "algo_params.kl_lambda=1,1.0"], "would be run twice"),
        (["tiny.json", "tiny.json"], "would be run twice"),
        (["tiny.json", "absent.json"], "absent.json: cannot be read"),
        (["tiny.json", "--seeds", "5-1"], "--seeds 5-1"),
        (["tiny.json", "--address", "127.0.0.1:1"], "--address needs --engine ray"),
        (["tiny.json", "--name", "a/b"], "--name a/b"),
        (["tiny.json", "--gpu", "0", "--cpu"], "exclude each other"),
    ],
)
def test_bad_input_gets_one_message_before_the_first_run_begins(here, arguments, message):
    before = files_below(here)
    result = sweep(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert files_below(here) == before


def test_every_combination_that_is_wrong_is_named_at_once(here):
    result = sweep("tiny.json", "--set", "net_size=-1,0,8", "--set", "latent_size=0,2")
    for text in ("net_size = -1", "net_size = 0", "latent_size = 0"):
        assert text in result.stderr


def test_a_name_taken_by_another_run_is_refused_and_its_own_is_not(here):
    assert launch("tiny.json", "--name", "tiny-seed=1", "--seed", 1).exit_code == 0
    (run,) = plan([CONFIG], [], [1])
    assert run.is_complete
    (longer,) = plan([CONFIG], ["algo_params.num_iterations=5"], [1])
    assert longer.folder == run.folder and not longer.is_complete
    config = json.loads(CONFIG.read_text())
    CONFIG.write_text(json.dumps({**config, "latent_size": 3}))
    with pytest.raises(UserError, match=r"latent_size = 3 \(run: 2\)"):
        plan([CONFIG], [], [1])


def test_shell_lines_are_what_a_user_would_type(here):
    runs = plan([CONFIG], ['env_params={"n_tasks": 5}'], [4])
    assert shell_lines(runs) == [
        "rlkit train tiny.json --name tiny-env_params=n_tasks-5-seed=4 --start-or-resume "
        """--set 'env_params={"n_tasks": 5}' --seed 4"""
    ]
    assert sweep("tiny.json", "--seeds", "4-5", "--print", "shell").stdout.count("\n") == 2


def test_the_array_script_is_bash_and_each_index_reaches_its_run(here, monkeypatch):
    runs = plan([CONFIG], ["algo_params.kl_lambda=0.1,1"], [1, 2, 3])
    script = here / "array.sh"
    script.write_text(slurm_script(runs, num_jobs=2, threads=3, gpu=True))
    subprocess.run(["bash", "-n", script], check=True)
    if which("shellcheck"):
        subprocess.run(["shellcheck", script], check=True)
    text = script.read_text()
    for option in ("array=0-5%2", "cpus-per-task=3", "gpus-per-task=1", "requeue"):
        assert f"\n#SBATCH --{option}\n" in text
    programs = here / "bin"
    programs.mkdir()
    for name, body in (
        ("srun", 'exec "$@"'),
        ("rlkit", 'echo "$*"; exit "$CODE"'),
        ("scontrol", 'echo "scontrol $*"'),
    ):
        (programs / name).write_text(f"#!/bin/bash\n{body}\n")
        (programs / name).chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"

    def call(index, code=0):
        variables = {"SLURM_ARRAY_TASK_ID": str(index), "SLURM_ARRAY_JOB_ID": "17"}
        environment = {"PATH": path, "CODE": str(code), **variables}
        return subprocess.run(["bash", script], env=environment, capture_output=True, text=True)

    for index, run in enumerate(runs):
        done = call(index)
        assert (done.returncode, done.stdout.split()) == (0, ["train", *run.arguments])
    assert call(6).returncode == 2 and "no run with index 6" in call(6).stderr
    preempted = call(4, code=143)
    assert preempted.returncode == 143 and "scontrol requeue 17_4" in preempted.stdout
    assert "scontrol" not in call(4, code=3).stdout
