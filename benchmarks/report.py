"""Write docs/benchmarks.md from the results in benchmarks/results, all machines side by side.

python -m benchmarks.report
"""

import ast
import json
import re
import string
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.machine import RESULTS
from benchmarks.prose import wrapped

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
PACKAGES = ("python", "mujoco", "gymnasium", "numpy", "torch")
INTRODUCTION = """\
# Benchmarks

Written by `python -m benchmarks.report` from the files in `benchmarks/results`, one for each
benchmark and machine; do not edit this page. To add a machine, run a benchmark's command there and
then this one.

*Busy* is the mean number of cores used by other processes during the measurement. On a busy machine
wall-clock figures, marked "busy", say little. Figures per CPU second suffer less, and ratios least,
because both sides were measured in turns.
"""

# What only a GPU can show, until a result of that benchmark exists: benchmark, what, predicted for
# an H100 and the most that it may be (each in float32 and tf32), stage of benchmarks/gpu.sh.
ON_A_GPU = (
    ("gpu_checks_weights", "weights after 500 captured steps, branches against in line",
     "equal", "equal", "equal", "equal", "weights"),
    ("gpu_checks_step", "a captured step, ms", "1.31", "1.6", "0.82", "0.95", "step"),
    ("gpu_checks_seeds", "a step of five seeds at the same time, ms",
     "5.2", "8", "2.8", "–", "seeds"),
    ("gpu_checks_rollouts", "a tick of 15 lanes of cheetah-vel, ms", "0.69", "–", "0.69", "–",
     "rollouts"),
    ("gpu_checks_step", "an iteration of cheetah-vel, evaluation beside training, s",
     "2.9 to 3.3", "3.4", "2.0 to 2.2", "2.3", "iteration"),
    ("gpu_checks_step", "an iteration of five seeds, s", "10.9", "–", "6.2", "8", "many"),
)  # fmt: skip


def load_results(folder: Path) -> list[dict[str, Any]]:
    """Read all results, sorted by benchmark and machine."""
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return sorted(results, key=lambda result: (result["benchmark"], machine_name(result)))


def machine_name(result: Mapping[str, Any]) -> str:
    """Name a machine in words."""
    on = result["machine"]
    return ", ".join([on["cpu"], f"{on['cpus']} CPUs", *([on["gpu"]] if on["gpu"] else [])])


def page(results: Sequence[Mapping[str, Any]], folder: Path = ROOT / "benchmarks") -> str:
    """Compose the page from the results and the docstrings of the benchmarks below `folder`."""
    names = sorted({machine_name(result) for result in results})
    letters = dict(zip(names, string.ascii_uppercase, strict=False))
    parts = [INTRODUCTION, machines_table(results, letters)]
    for benchmark in sorted({result["benchmark"] for result in results}):
        own = [result for result in results if result["benchmark"] == benchmark]
        (module,) = folder.rglob(f"{benchmark}.py")
        docstring = ast.get_docstring(ast.parse(module.read_text())) or ""
        parts.append(f"## {benchmark}\n\n{with_code_blocks(docstring)}\n")
        for title in dict.fromkeys(table["title"] for result in own for table in result["tables"]):
            parts.append(merged_table(title, own, letters))
    return "\n".join([*parts, *not_measured({result["benchmark"] for result in results})])


def not_measured(benchmarks: Collection[str]) -> list[str]:
    """The table of predictions for a GPU that no result of these benchmarks has checked."""
    missing = [row([*entry[1:6], f"`bash benchmarks/gpu.sh {entry[6]}`"])
               for entry in ON_A_GPU if entry[0] not in benchmarks]  # fmt: skip
    if not missing:
        return []
    precisions = ("float32", "at most", "tf32", "at most")
    header = row(["predicted for an H100", *precisions, "command"])
    lines = [header, row(["---", *["---:"] * 4, "---"]), *missing]
    title = "## Not measured\n\nThe present code on a GPU.\n"
    return [title, "\n".join(lines) + "\n"]


def with_code_blocks(text: str) -> str:
    """Turn the command lines of a docstring into Markdown code blocks."""
    return re.sub(r"^ *(python -m .*(?:\n +.*)*)$", r"```\n\1\n```", text, flags=re.M)


def machines_table(results: Sequence[Mapping[str, Any]], letters: Mapping[str, str]) -> str:
    """Describe the machine, versions and load of every result."""
    lines = [
        row(["", "machine", "benchmark", "versions", "commit", "load before, after", "busy"]),
        row(["---"] * 7),
    ]
    for result in sorted(results, key=lambda result: (machine_name(result), result["benchmark"])):
        found = result["versions"]
        others = "?" if result["others_cores"] is None else f"{result['others_cores']:.1f}"
        versions = ", ".join(f"{name} {found[name]}" for name in PACKAGES if found.get(name))
        commit = (found.get("commit") or "")[:10] + (
            "-dirty" if str(found.get("commit")).endswith("-dirty") else ""
        )
        load = f"{result['load_before']}, {result['load_after']}"
        name = machine_name(result)
        lines.append(
            row([letters[name], name, f"`{result['command']}`", versions, commit, load, others])
        )
    return "\n".join(lines) + "\n"


def merged_table(
    title: str, results: Sequence[Mapping[str, Any]], letters: Mapping[str, str]
) -> str:
    """Join the tables of one title on their labels, the columns of every machine side by side."""
    having = [
        (result, table)
        for result in results
        for table in result["tables"]
        if table["title"] == title
    ]
    labels = having[0][1]["labels"]
    cells: dict[tuple, list[str]] = {
        tuple(line[: len(labels)]): [] for _, table in having for line in table["rows"]
    }
    header = list(labels)
    for result, table in having:
        suffix = f", {letters[machine_name(result)]}" if len(letters) > 1 else ""
        busy = [" (busy)" if result["busy"] and value["wall"] else "" for value in table["values"]]
        header += [
            f"{value['name']}{suffix}{mark}"
            for value, mark in zip(table["values"], busy, strict=True)
        ]
        figures = {tuple(line[: len(labels)]): line[len(labels) :] for line in table["rows"]}
        for key, line in cells.items():
            given = figures.get(key, [None] * len(table["values"]))
            line += [
                shown(figure, value["digits"])
                for figure, value in zip(given, table["values"], strict=True)
            ]
    lines = [f"### {title}", ""]
    lines += [
        line
        for note in dict.fromkeys(table["note"] for _, table in having if table["note"])
        for line in (wrapped(note), "")
    ]
    lines += [row(header), row(["---"] * len(labels) + ["---:"] * (len(header) - len(labels)))]
    lines += [row([*map(str, key), *line]) for key, line in cells.items()]
    return "\n".join(lines) + "\n"


def shown(figure: float | str | None, digits: int) -> str:
    """Format a value for the page."""
    if figure is None:
        return "–"
    return figure if isinstance(figure, str) else f"{figure:,.{digits}f}"


def row(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


@click.command()
@click.option(
    "--results",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=RESULTS,
    help="Result files.",
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), default=PAGE, help="Page to write."
)
def main(results: Path, output: Path) -> None:
    """Write the page of all benchmarks."""
    output.write_text(page(load_results(results)))
    click.echo(f"wrote {output}")


if __name__ == "__main__":
    main()
