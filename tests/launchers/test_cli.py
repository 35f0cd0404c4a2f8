"""The console command `rlkit`: its lists, where it finds configurations, algorithms' commands."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import rlkit
from rlkit.core.errors import UserError
from rlkit.launchers import ALGORITHMS, Algorithm, cli
from rlkit.launchers.load_config import load_config
from rlkit.launchers.shipped import find_config, shipped_configs
from tests.tiny_runs import ROOT, TINY


@click.command()
@click.argument("word")
def echo(word):
    """Say a word."""
    click.echo(word)


def rlkit_command(*arguments, group=cli.main):
    result = CliRunner().invoke(group, [str(argument) for argument in arguments], prog_name="rlkit")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def in_a_process(folder, *arguments):
    command = [sys.executable, "-m", "rlkit.launchers.cli", *map(str, arguments)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_help_lists_the_commands_without_importing_torch_numpy_or_matplotlib(tmp_path):
    code = """
import sys
from rlkit.launchers.cli import main
try:
    main(["--help"], prog_name="rlkit")
finally:
    print("imported:", {"torch", "numpy", "mujoco", "matplotlib", "pydantic"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "imported: set()" in done.stdout
    for name in ("train", "sweep", "sim", "plot", "report", "list"):
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("name", ["train", "sweep", "sim", "plot", "report", "list"])
def test_each_command_has_its_help(name):
    for option in ("-h", "--help"):
        assert f"Usage: rlkit {name} " in rlkit_command(name, option).output


def test_an_unknown_command_is_refused_and_the_version_known():
    assert "No such command 'trian'" in rlkit_command("trian").output
    assert rlkit_command("--version").output == f"rlkit, version {rlkit.__version__}\n"


def test_list_names_environments_algorithms_and_configurations():
    text = rlkit_command("list").output
    for name in ("  cheetah-vel\n", "  hfr\n", "  quick/point-robot\n", "  hfr/four-corners\n"):
        assert name in text
    names = rlkit_command("list", "configurations").output.splitlines()
    assert names == list(shipped_configs())
    assert set(names) == {
        str(path.relative_to(ROOT / "configs").with_suffix(""))
        for path in (ROOT / "configs").rglob("*.json")
    }


@pytest.mark.parametrize(
    "name", ["quick/point-robot", "quick/point-robot.json", "configs/quick/point-robot.json"]
)
def test_a_shipped_configuration_is_found_from_any_folder(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert load_config(name) == load_config(ROOT / "configs" / "quick" / "point-robot.json")
    result = rlkit_command("train", name, "--print-config")
    assert json.loads(result.stdout)["env_name"] == "point-robot"


def test_a_local_file_wins_over_a_shipped_one_but_a_folder_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("cheetah-vel").mkdir()
    assert find_config("cheetah-vel") == ROOT / "configs" / "cheetah-vel.json"
    Path("cheetah-vel.json").write_text(json.dumps(TINY))
    for name in ("cheetah-vel", "cheetah-vel.json"):
        assert find_config(name) == Path("cheetah-vel.json")
    result = rlkit_command("train", "cheetah-vel", "--print-config")
    assert json.loads(result.stdout)["env_name"] == "point-robot"


def test_a_mistyped_name_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="the nearest is cheetah-vel"):
        find_config("cheeta-vel")
    with pytest.raises(UserError, match="the nearest is quick/point-robot"):
        find_config("quick/pointrobot.json")
    assert find_config("/nowhere/cheetah-vel") == Path("/nowhere/cheetah-vel")


def test_a_run_of_the_command_is_resumed_by_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.json").write_text(json.dumps(TINY))
    monkeypatch.setattr(
        "rlkit.torch.sac.meta_rl_algorithm.MetaRLAlgorithm.do_training", lambda *_: {"Loss": 1e999}
    )
    result = rlkit_command("train", "tiny")
    (run_dir,) = Path("output/point-robot").iterdir()
    assert result.exit_code == 3
    assert f"to resume: rlkit train --resume {run_dir}" in result.stderr


def test_an_algorithm_brings_commands_by_its_row_alone(monkeypatch):
    row = Algorithm("tests.toy_algorithms:OnPolicy", {"echo": f"{__name__}:echo"})
    monkeypatch.setitem(ALGORITHMS, "toy", row)
    group = cli.LazyGroup(cli.command_rows(), name="rlkit", help="")
    assert (
        "  toy     Commands specific to toy: echo." in rlkit_command("--help", group=group).output
    )
    assert "Say a word." in rlkit_command("toy", "--help", group=group).output
    assert rlkit_command("toy", "echo", "yes", group=group).output == "yes\n"


def test_a_row_with_a_command_that_is_not_there_is_refused_in_one_line(monkeypatch):
    row = Algorithm("tests.toy_algorithms:OnPolicy", {"echo": f"{__name__}:ecko"})
    monkeypatch.setitem(ALGORITHMS, "toy", row)
    group = cli.LazyGroup(cli.command_rows(), name="rlkit", help="")
    result = rlkit_command("toy", "echo", group=group)
    assert result.exit_code == 1 and "has no class 'ecko'" in result.output
    row = Algorithm("tests.toy_algorithms:OnPolicy", {"echo": "json:dumps"})
    monkeypatch.setitem(ALGORITHMS, "toy", row)
    group = cli.LazyGroup(cli.command_rows(), name="rlkit", help="")
    assert "json:dumps is not a click command" in rlkit_command("toy", "echo", group=group).output


def test_the_package_lists_from_another_folder(tmp_path):
    done = in_a_process(tmp_path, "list", "algorithms")
    assert done.stdout.splitlines() == list(ALGORITHMS), done.stderr
