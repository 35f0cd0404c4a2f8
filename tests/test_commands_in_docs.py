"""Commands in the shell blocks of the documents have known options, files and settings."""

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

import click
import pytest

from rlkit.core.errors import UserError
from rlkit.launchers import cli
from rlkit.launchers.load_config import load_config

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^ *```bash\n(.*?)^ *```$", re.M | re.S)
SCRIPTS = {"launch_experiment.py": "train", "sim_policy.py": "sim"}
MODULES = {"rlkit.visualization.plot": "plot"}


def command_lines() -> list[tuple[str, str]]:
    """(page, command) for each command of this package that is shown in a shell block."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [
        (str(page.relative_to(ROOT)), shown)
        for page in pages
        for block in BLOCK.findall(page.read_text())
        for line in block.replace("\\\n", " ").splitlines()
        for shown in map(str.strip, line.split("&&"))
        if shown.startswith(("rlkit ", "python -m rlkit.", *(f"python {s}" for s in SCRIPTS)))
    ]


def parsed(line: str) -> dict:
    """Options of a subcommand of `rlkit`, without conversion of their values.

    Raises:
        click.UsageError: a subcommand or an option does not exist.
    """
    words = shlex.split(line, comments=True)
    words = words[: words.index(">")] if ">" in words else words
    if words[0] == "python":
        name = MODULES[words[2]] if words[1] == "-m" else SCRIPTS[words[1]]
        words = ["rlkit", name, *words[3 if words[1] == "-m" else 2 :]]
    command: click.Command = cli.main
    words = words[1:]
    while isinstance(command, click.Group):
        _, command, words = command.resolve_command(click.Context(command), words)
    context = click.Context(command, **command.context_settings)
    options, left, _ = command.make_parser(context).parse_args(list(words))
    assert not left or context.ignore_unknown_options, f"{line}: {left} is not expected"
    return {name: value for name, value in options.items() if isinstance(value, str | list)}


def test_the_documents_show_commands():
    lines = [line for _, line in command_lines()]
    assert len(lines) > 40
    assert {words[0] for words in map(str.split, lines)} == {"python", "rlkit"}


@pytest.mark.parametrize("page", sorted({page for page, _ in command_lines()}))
def test_options_exist_and_shipped_configurations_take_the_settings(page):
    for line in (line for other, line in command_lines() if other == page):
        options = parsed(line)
        config = options.get("config", "")
        if isinstance(config, str) and config.startswith("configs/"):
            check_settings(ROOT / config, options.get("settings", ()))


def check_settings(path: Path, settings: Iterable[str]) -> None:
    try:
        load_config(path, list(settings))
    except UserError as error:
        if "mujoco_py cannot be imported" not in str(error):  # the backend is optional
            raise


def test_the_check_notices_a_file_or_setting_that_does_not_exist():
    options = parsed("python launch_experiment.py configs/ant-dir.json --set algo_params.lr=1")
    with pytest.raises(UserError, match="algo_params.lr"):
        check_settings(ROOT / options["config"], options["settings"])
    with pytest.raises(UserError):
        check_settings(ROOT / "configs" / "no-such.json", ())


@pytest.mark.parametrize(
    "line",
    ["python launch_experiment.py --no-such-option", "rlkit no-such-command", "rlkit plot -z"],
)
def test_the_check_notices_commands_that_do_not_exist(line):
    with pytest.raises(click.UsageError):
        parsed(line)
