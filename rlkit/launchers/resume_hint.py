"""The command that resumes a stopped run."""

import shlex
from pathlib import Path

import click


def resume_hint(run_dir: Path) -> str:
    """One line with the command that resumes a run, as it would be typed in this folder."""
    return f"to resume: {_program()} --resume {shlex.quote(str(run_dir))}"


def _program() -> str:
    """The command with its subcommand, or the script, that the user typed to start a run."""
    context = click.get_current_context(silent=True)
    subcommand = context is not None and context.parent is not None
    return context.command_path if context and subcommand else "python launch_experiment.py"
