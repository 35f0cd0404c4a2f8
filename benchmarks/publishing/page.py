"""Text of a published page: table, figure, and how its runs were made, read from the runs."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.prose import wrapped
from rlkit.visualization.runs import Run

TRAIN_STEPS = "Number of train steps total"
MEASURES = ("mean", "std", "min", "max")  # columns of sim_policy.csv that the page shows


def wall_minutes(run: Run) -> float:
    """Minutes of collection, training, evaluation (but the last one) and checkpoints."""
    return float(
        (
            run.columns["Epoch Time (s)"].sum()
            + run.columns.get("(Previous) Save Time (s)", np.zeros(1)).sum()
        )
        / 60
    )


def iterations(run: Run) -> int:
    """Number of completed iterations of a run."""
    return len(next(iter(run.columns.values())))


def stopped(runs: Sequence[Run], variants: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line about runs with fewer iterations than configured, if there are any."""
    wanted = [variant["algo_params"].get("num_iterations", 0) for variant in variants]
    short = [
        f"{run.path.name} after {iterations(run)} of {total}"
        for run, total in zip(runs, wanted, strict=True)
        if iterations(run) < total
    ]
    return (
        [f"- Stopped before the configured number of iterations: {', '.join(short)}."]
        if short
        else []
    )


def gradient_steps(runs: Sequence[Run]) -> str:
    """How many gradient steps each run took, once where all took the same number."""
    steps = [
        f"{run.columns[TRAIN_STEPS][-1]:,.0f}" if TRAIN_STEPS in run.columns else "not counted"
        for run in runs
    ]
    return f"{steps[0]} per run" if len(steps) > len(set(steps)) == 1 else ", ".join(steps)


def meta_test(run_dir: Path) -> list[str]:
    """Table of trajectories and plot that `sim_policy.py` wrote to a run's folder, if any."""
    table, lines = run_dir / "sim_policy.csv", list[str]()
    if table.exists():
        with table.open(newline="") as file:
            rows = list(csv.DictReader(file))
        names = [name for name in MEASURES if name in rows[0]]
        lines += ["", f"Meta-test of {run_dir.name} (`sim_policy.py`), return by trajectory:", ""]
        lines += [f"| trajectory | source of z | {' | '.join(names)} |"]
        lines += ["|---:|---|" + "---:|" * len(names)]
        for row in rows:
            values = " | ".join(f"{float(row[name]):.2f}" for name in names)
            lines.append(f"| {row['trajectory']} | {row['z']} | {values} |")
    if (run_dir / "trajectories.png").exists():
        lines += ["", f"![trajectories]({run_dir.name}/trajectories.png)"]
    return lines


def threads_of(variants: Sequence[Mapping[str, Any]]) -> str:
    """The number of threads that the runs used, in words."""
    counts = sorted({variant["util_params"]["torch_threads"] for variant in variants})
    return "one thread" if counts == [1] else f"{' or '.join(map(str, counts))} threads"


def page(
    title: str,
    runs: Sequence[Run],
    variants: Sequence[Mapping[str, Any]],
    *,
    table: str,
    command: str,
    judged: str,
    notes: str = "",
    alone: bool = False,
) -> str:
    """The text of the folder's README.md."""
    machines = {
        f"{m['cpu']}, {m['cpus']} CPUs, {m.get('gpu') or m['device']}"
        for m in (variant["machine"] for variant in variants)
    }
    versions = {
        ", ".join(f"{name} {version}" for name, version in sorted(v["versions"].items()))
        for v in variants
    }
    times = ", ".join(f"{wall_minutes(run):.0f}" for run in runs)
    threads = threads_of(variants)
    each_seed = ", once per seed" if "<seed>" in command else ""
    others = "" if alone else ", with other jobs on the machine"
    lines = [
        f"# {title}",
        "",
        "![curves](curves.png)",
        "",
        *([notes.strip(), ""] if notes else []),
        table,
    ]
    facts = [
        f"- Command{each_seed}: `{command}`; the complete settings are in the `variant.json` of"
        " each run.",
        "- Page, table and figure: `python -m benchmarks.publishing.runs` on the run folders."
        f" Returns are `{judged}`.",
        f"- Gradient steps: {gradient_steps(runs)}. Wall-clock minutes: {times}"
        f" ({threads}{others}).",
        *stopped(runs, variants),
        f"- Machine: {'; '.join(sorted(machines))}.",
        f"- Versions: {'; '.join(sorted(versions))}.",
    ]
    lines += map(wrapped, facts)
    for run in runs:
        lines += meta_test(run.path)
    return "\n".join(lines) + "\n"
