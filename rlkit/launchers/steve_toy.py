"""`rlkit steve toy`: value expansion on a toy chain, as a figure, CSV files and a table."""

from collections.abc import Mapping
from pathlib import Path

import click
import numpy as np

from rlkit.core.files import report_exhaustion
from rlkit.core.seeding import stream
from rlkit.launchers.exit_codes import exit_codes
from rlkit.torch.steve.toy import VARIANTS, learn

LABELS = {
    "baseline": ("Q-learning", "C7", "-"),
    "ensemble": ("Ensemble Q-learning", "C5", "-"),
    "mve_oracle": ("MVE, oracle", "C0", "-"),
    "mve_noisy": ("MVE, noisy", "C0", ":"),
    "steve_oracle": ("STEVE, oracle", "C1", "-"),
    "steve_noisy": ("STEVE, noisy", "C1", ":"),
}
ROWS = (1, 100, 500, 1000, 2000, 3000, 5000, 7500, 10_000)  # of the table


@click.command("toy", help="Run value expansion on a toy chain; write figure, CSV files and table.")
@click.option(
    "--steps",
    default=10_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Steps of learning per trial.",
)
@click.option(
    "--trials",
    default=10,
    show_default=True,
    type=click.IntRange(min=1),
    help="Independent trials of every method.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Seed of all random numbers.",
)
@click.option(
    "--every",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Write every N-th step to the CSV files.",
)
@click.option(
    "-o",
    "--output",
    default="steve-toy",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the files.",
)
def command(steps: int, trials: int, seed: int, every: int, output: Path) -> None:
    """Compute all curves and write them."""
    with exit_codes():
        errors: dict[str, np.ndarray] = {}
        uses: dict[str, np.ndarray] = {}
        for name, variant in VARIANTS.items():
            points = list(learn(variant, steps, trials, stream(seed, "toy", len(errors))))
            errors[name] = np.stack([point.errors for point in points])
            uses[name] = np.stack([point.model_use for point in points])
            click.echo(f"{LABELS[name][0]}: {errors[name][-1].mean():.3g} after {steps:,} steps")
        with report_exhaustion(f"cannot write to {output}"):
            output.mkdir(parents=True, exist_ok=True)
            for name, values in errors.items():
                (output / f"{name}.csv").write_text(as_csv(values, every))
            (output / "table.md").write_text(as_table(errors, uses))
            draw(errors, output / "toy.png")
        click.echo(f"wrote {output}")


def as_csv(errors: np.ndarray, every: int) -> str:
    """One row per step and trial: step, step, step, error; no header, as in the reference."""
    steps = range(0, len(errors), every)
    lines = (f"{t},{t},{t},{e:.9g}\n" for t in steps for e in errors[t].tolist())
    return "".join(lines)


def as_table(errors: Mapping[str, np.ndarray], uses: Mapping[str, np.ndarray]) -> str:
    """Markdown table of the errors at some steps: mean ± standard deviation over trials.

    Its last rows give the mean step at which the error falls below 1, and the mean model use.
    """
    lines = [
        "| step | " + " | ".join(LABELS[name][0] for name in errors) + " |",
        "|---" * (len(errors) + 1) + "|",
    ]
    for step in (row for row in ROWS if row <= len(next(iter(errors.values())))):
        cells = [f"{e[step - 1].mean():.3g} ± {e[step - 1].std():.2g}" for e in errors.values()]
        lines.append(f"| {step:,} | " + " | ".join(cells) + " |")
    first = map(first_below, errors.values())
    lines.append(f"| first step with an error below 1 | {' | '.join(first)} |")
    shares = [f"{use.mean():.2f}" if use.any() else "–" for use in uses.values()]
    lines.append("| mean model use | " + " | ".join(shares) + " |")
    return "\n".join(lines) + "\n"


def first_below(errors: np.ndarray) -> str:
    """Mean step at which the error first falls below 1, over the trials that reach it."""
    below = errors < 1
    reached = np.any(below, axis=0)
    if not reached.any():
        return "never"
    mean = f"{below.argmax(axis=0)[reached].mean() + 1:,.0f}"
    return mean if reached.all() else f"{mean} ({reached.sum()} of {len(reached)} trials)"


def draw(errors: Mapping[str, np.ndarray], path: Path) -> None:
    """Plot all curves: mean and one standard deviation."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for name, values in errors.items():
        label, color, style = LABELS[name]
        mean, std, steps = values.mean(axis=1), values.std(axis=1), np.arange(1, len(values) + 1)
        axes.plot(steps, mean, color=color, linestyle=style, label=label)
        axes.fill_between(steps, mean - std, mean + std, color=color, alpha=0.2, linewidth=0)
    axes.set(xlabel="step", ylabel="squared error of Q", title="Value expansion on a chain")
    axes.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
