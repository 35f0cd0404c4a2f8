"""The report command: an HTML report on runs."""

from collections.abc import Sequence
from pathlib import Path

import click

from rlkit.launchers.arguments import UserPath
from rlkit.launchers.exit_codes import exit_codes
from rlkit.launchers.plot import comparable_settings, main_result
from rlkit.visualization.html_report import write_report
from rlkit.visualization.runs import Run, find_runs, group_runs


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folders", nargs=-1, required=True, type=UserPath(), metavar="FOLDER...")
@click.option(
    "--output",
    "-o",
    default="report.html",
    show_default=True,
    type=UserPath(),
    help="HTML file.",
)
@click.option("--title", default=None, help="Title of the page; default: the folders.")
def main(folders: tuple[Path, ...], output: Path, title: str | None) -> None:
    """Write a report on the runs in (or below) FOLDERs: one HTML file that opens without a server.

    It shows learning curves with intervals over seeds, a table of final returns, the settings in
    which runs differ, and the videos and images in their folders.
    """
    with exit_codes():
        runs = find_runs(folders, comparable_settings)
        of_env: dict[str, list[Run]] = {}
        for run in runs:
            of_env.setdefault(str(run.config.get("env_name", "runs")), []).append(run)
        experiments = {name: group_runs(members) for name, members in of_env.items()}
        columns = {name: drawn_columns(members) for name, members in of_env.items()}
        write_report(title or ", ".join(map(str, folders)), experiments, columns, output)
    click.echo(f"wrote {output}")


def drawn_columns(runs: Sequence[Run]) -> list[str]:
    """The main result, then the algorithm's other headline columns that all runs have."""
    first = main_result(runs[0])
    names = dict.fromkeys([first, *runs[0].headline.values()])
    return [first] + [
        name for name in names if name != first and all(name in run.columns for run in runs)
    ]


if __name__ == "__main__":
    main()
