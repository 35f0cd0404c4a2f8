"""Table and figure of `benchmarks.studies.adaptation_gap`."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

HEADINGS = {"train": "train tasks", "test": "test tasks", "fresh": "new tasks"}


@dataclass(frozen=True)
class Cell:
    """One line of gap.csv.

    Attributes:
        tasks: "train", "test" (the run's own) or "fresh" (new draws from the same distribution).
        context: "drawn" (rows drawn with replacement, as in training), "whole" (every row once),
            "on-line" (the meta-test, where z comes from the posterior from the second trajectory
            on), "buffer" (the run's encoder buffer) or "prior".
        exploration: "deterministic" or "stochastic"; empty for the prior.
        trajectories: that the rows were taken from.
        rows: of the context.
        mean: return of the trajectory after it.
        error: standard error of the mean over these tasks.
        error_tasks: standard error of the mean as an estimate for all tasks of the distribution.
        z_std: standard deviation of the belief, root mean square over tasks and dimensions; nan
            where it is not measured.
        z_spread: the same for the belief's mean, over contexts of the same task; about z_std or
            less for a calibrated belief.
        num_tasks, runs: number of tasks, and of contexts for each.
    """

    tasks: str
    context: str
    exploration: str
    trajectories: int
    rows: int
    mean: float
    error: float
    error_tasks: float
    z_std: float
    z_spread: float
    num_tasks: int
    runs: int


def standard_errors(returns: np.ndarray) -> tuple[float, float]:
    """Standard errors of the mean of returns [num_tasks, runs].

    For these tasks, and for all tasks of the distribution.
    """
    num_tasks, runs = returns.shape
    these = np.sqrt((returns.var(axis=1, ddof=1) / runs).sum()) / num_tasks
    return float(these), float(returns.mean(axis=1).std(ddof=1) / np.sqrt(num_tasks))


def write_cells(path: Path, cells: Sequence[Cell]) -> None:
    """Write the table as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(cells[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(c).items()}
            for c in cells
        )


def markdown(cells: Sequence[Cell]) -> str:
    """The same table in Markdown: a row per context, a column per set of tasks.

    Errors are those for these tasks.
    """
    splits = dict.fromkeys(c.tasks for c in cells)
    lines = [
        "| context | trajectories | rows | exploration | "
        f"{' | '.join(HEADINGS[split] for split in splits)} |",
        "|---|---|---|---|" + "---|" * len(splits),
    ]
    order = {"prior": 0, "drawn": 1, "whole": 2, "buffer": 3, "on-line": 4}
    kinds = sorted(
        {(order[c.context], c.exploration, c.trajectories, c.rows, c.context) for c in cells}
    )
    for _, exploration, trajectories, rows, context in kinds:
        found = {
            c.tasks: c
            for c in cells
            if (c.context, c.exploration, c.trajectories, c.rows)
            == (context, exploration, trajectories, rows)
        }
        values = [
            f"{found[split].mean:.2f} ± {found[split].error:.2f}" if split in found else "–"
            for split in splits
        ]
        lines.append(
            f"| {context} | {trajectories} | {rows} | {exploration} | {' | '.join(values)} |"
        )
    return "\n".join(lines) + "\n"


def draw_gap(cells: Sequence[Cell], path: Path) -> None:
    """Draw the return over the number of trajectories of a context, a panel per set of tasks."""
    splits = list(dict.fromkeys(c.tasks for c in cells))
    figure = Figure(figsize=(3.3 * len(splits) + 2.3, 3.6), layout="constrained")
    panels = figure.subplots(1, len(splits), sharey=True, squeeze=False)[0]
    for axes, split in zip(panels, splits, strict=True):
        _draw_panel(axes, [c for c in cells if c.tasks == split])
        axes.set_title(
            f"{HEADINGS[split]} ({next(c.num_tasks for c in cells if c.tasks == split)})",
            fontsize="medium",
        )
    panels[0].set_ylabel("return of the next trajectory")
    handles = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside right center",
        frameon=False,
        fontsize="small",
    )
    figure.savefig(path, dpi=130)


def _draw_panel(axes: Axes, cells: Sequence[Cell]) -> None:
    numbers = sorted({c.trajectories for c in cells if c.context == "drawn"})
    drawn = [c for c in cells if c.context == "drawn"]
    row_counts = sorted({c.rows for c in drawn})
    for color, rows in zip(("tab:orange", "tab:red", "tab:purple"), row_counts, strict=False):
        for exploration, style in (("deterministic", "--"), ("stochastic", "-")):
            line = sorted(
                (c.trajectories, c.mean, c.error)
                for c in drawn
                if (c.rows, c.exploration) == (rows, exploration)
            )
            places = [numbers.index(number) for number, _, _ in line]
            axes.errorbar(
                places,
                [v for _, v, _ in line],
                [e for _, _, e in line],
                color=color,
                linestyle=style,
                linewidth=1.3,
                elinewidth=0.8,
                capsize=2,
                label=f"{rows} rows, {exploration}",
            )
    online = [c for c in cells if c.context == "on-line"]
    axes.plot(
        [numbers.index(c.trajectories) for c in online],
        [c.mean for c in online],
        "kx",
        label="on-line (the evaluation)",
    )
    for context, color, label in (
        ("buffer", "tab:green", "encoder buffer of the run"),
        ("prior", "0.6", "z from the prior"),
    ):
        for c in cells:
            if c.context == context:
                axes.axhline(c.mean, color=color, linewidth=1.0, linestyle=":", label=label)
    axes.set_xticks(range(len(numbers)), [str(number) for number in numbers])
    axes.set_xlabel("trajectories that the rows are from")
    axes.set_xlim(-0.3, len(numbers) - 0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
