"""Publish runs of STEVE and its baselines: curves by method and seed, a table, and a page.

    python -m benchmarks.publishing.steve_curves docs/results/steve/pendulum \\
        output/Pendulum-v1/<time> ... \\
        --title "..." --command "python launch_experiment.py ... --seed <seed>" --bar -200

Copies each run's evaluations to `<method>-seed<seed>.csv`. Everything on the page is read from the
runs, except for the folder's notes.md, which is put under the figure.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks.prose import wrapped

FRAMES, RETURN = "Number of env steps total", "AverageReturn"
COPIED = (FRAMES, RETURN, "MinReturn", "MaxReturn", "Model Use", "Train Time (s)")


class Curve(NamedTuple):
    """Evaluations of a run.

    Attributes:
        method: with "-tdk" where the trick is on.
        seed: of the run.
        rows: of progress.csv.
        variant: its variant.json.
    """

    method: str
    seed: int
    rows: list[dict[str, float]]
    variant: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.method}-seed{self.seed}"

    def column(self, name: str) -> list[float]:
        """Numbers of a column."""
        return [row[name] for row in self.rows]


def read(run_dir: Path) -> Curve:
    """Read a run folder."""
    variant = json.loads((run_dir / "variant.json").read_text())
    expansion = variant["algo_params"]["value_expansion"]
    method = expansion["method"] + ("-tdk" if expansion["tdk_trick"] else "")
    with (run_dir / "progress.csv").open(newline="") as file:
        rows = [
            {name: float(row.get(name, "nan")) for name in COPIED} for row in csv.DictReader(file)
        ]
    return Curve(method, variant["seed"], rows, variant)


def first_at(curve: Curve, bar: float) -> str:
    """Frames of the first evaluation that reaches the bar."""
    pairs = zip(curve.column(FRAMES), curve.column(RETURN), strict=True)
    return next((f"{frames:,.0f}" for frames, value in pairs if value >= bar), "not reached")


def table(curves: Sequence[Curve], bar: float) -> list[str]:
    """One row per run."""
    lines = [f"| method | seed | frames | first at {bar:g} | best | last | minutes |"]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for curve in curves:
        returns, minutes = curve.column(RETURN), sum(curve.column("Train Time (s)")) / 60
        lines.append(
            f"| {curve.method} | {curve.seed} | {curve.rows[-1][FRAMES]:,.0f} | "
            f"{first_at(curve, bar)} | {max(returns):.1f} | {returns[-1]:.1f} | {minutes:.0f} |"
        )
    return lines


def draw(curves: Sequence[Curve], path: Path, title: str, levels: dict[str, float]) -> None:
    """Draw a line per run and a colour per method."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    methods = list(dict.fromkeys(curve.method for curve in curves))
    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for curve in curves:
        number = methods.index(curve.method)
        first = next(other for other in curves if other.method == curve.method) is curve
        label = curve.method if first else None
        axes.plot(
            curve.column(FRAMES), curve.column(RETURN), color=f"C{number}", label=label, alpha=0.8
        )
    for name, level in levels.items():
        axes.axhline(level, color="0.5", linestyle=":", linewidth=1)
        axes.annotate(name, (axes.get_xlim()[0], level), fontsize=8, va="bottom")
    axes.set(xlabel="frames", ylabel="greedy return, mean", title=title)
    axes.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def page(title: str, curves: Sequence[Curve], bar: float, command: str, notes: str) -> str:
    """The text of README.md."""
    variants = [curve.variant for curve in curves]
    machines = {f"{v['machine']['cpu']}, {v['machine']['cpus']} CPUs" for v in variants}
    packages = {
        ", ".join(f"{k} {x}" for k, x in sorted(v["versions"].items()) if k != "commit")
        for v in variants
    }
    short = [
        curve.name
        for curve in curves
        if len(curve.rows) < curve.variant["algo_params"]["num_iterations"]
    ]
    lines = [f"# {title}", "", "![curves](curves.png)", "", *([notes.strip(), ""] if notes else [])]
    lines += [*table(curves, bar), ""]
    facts = [
        f"- Command, once per run: `{command}`.",
        "- Page, table and figure: `python -m benchmarks.publishing.steve_curves` "
        "on the run folders.",
        "- Minutes are those of updates and frames, on one thread, with other jobs on the machine.",
        *([f"- Stopped before their last iteration: {', '.join(short)}."] if short else []),
        f"- Machine: {'; '.join(sorted(machines))}.",
        f"- {'; '.join(sorted(packages))}.",
    ]
    return "\n".join([*lines, *map(wrapped, facts)]) + "\n"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("run_dirs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--title", required=True, help="Heading of the page.")
@click.option("--command", required=True, help="The command that made the runs.")
@click.option(
    "--bar",
    required=True,
    type=float,
    help="Threshold: the table has the first evaluation that reaches this return.",
)
@click.option(
    "--level", "levels", multiple=True, type=(str, float), help="A dotted line with its name."
)
def main(
    folder: Path,
    run_dirs: tuple[Path, ...],
    title: str,
    command: str,
    bar: float,
    levels: tuple[tuple[str, float], ...],
) -> None:
    """Copy the evaluations of RUN_DIRS to FOLDER and write its page and figure."""
    curves = sorted(map(read, run_dirs), key=lambda curve: (curve.method, curve.seed))
    folder.mkdir(parents=True, exist_ok=True)
    for curve in curves:
        with (folder / f"{curve.name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, COPIED, lineterminator="\n")
            writer.writeheader()
            writer.writerows(curve.rows)
    draw(curves, folder / "curves.png", title, dict(levels))
    notes = folder / "notes.md"
    text = page(title, curves, bar, command, notes.read_text() if notes.exists() else "")
    (folder / "README.md").write_text(text)
    click.echo(f"wrote {folder / 'README.md'}")


if __name__ == "__main__":
    main()
