"""Score trajectories of a trained HFR run: which would stay with their own task, and why.

    python -m benchmarks.studies.relabeling_probe RUN_DIR FOLDER [--trajectories 50]

On every train task, `--trajectories` trajectories are collected with z from the prior, and as many
with z from the posterior of stored rows, as in training. A *telling* row is one whose reward under
its own task differs from that under every other train task. *Best other* is the largest U - log Z
of the other tasks. The *share that stays* is the mean probability of the own task. Log Z is
estimated again, so that runs that relabeled nothing (`relabel_prob` 0) can be examined.
"""

import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from benchmarks.studies.trained_run import TrainedRun, load_trained
from rlkit.core.errors import UserError
from rlkit.core.eval_util import successes
from rlkit.core.seeding import stream
from rlkit.data_management.assignment import probabilities
from rlkit.data_management.labels import Labels, labels_of
from rlkit.launchers.exit_codes import exit_codes
from rlkit.samplers.in_place import with_contexts
from rlkit.torch.hfr.methods import ForesightOfTask
from rlkit.torch.hfr.relabelers import HindsightLabels

CLASSES = {
    "none": range(1),
    "1 or 2": range(1, 3),
    "3 and more": range(3, sys.maxsize),
}  # of telling rows


@dataclass(frozen=True)
class Judged:
    """One trajectory under its own task.

    Attributes:
        task: its own.
        z_from: "prior" or "posterior".
        steps: its length.
        success: whether it ends in success; None for tasks that do not report success.
        own_return: its return.
        telling_rows: see above.
        utility, log_z: U and log Z of the own task.
        best_other: the largest U - log Z of the other tasks.
        probability: of the own task.
    """

    task: int
    z_from: str
    steps: int
    success: bool | None
    own_return: float
    telling_rows: int
    utility: float
    log_z: float
    best_other: float
    probability: float


def telling_rows(labels: Labels, own: int) -> int:
    """How many rows have a reward under the own task that no other task gives."""
    others = np.delete(labels.rewards, own, axis=0)
    return int((others != labels.rewards[own]).all(axis=0).sum())


def judge(run: TrainedRun, per_kind: int, seed: int) -> list[Judged]:
    """Collect trajectories on every train task and score them as the run's relabeler would."""
    algorithm = run.experiment.algorithm
    relabeler: Any = algorithm.collection.relabeler
    foresight, settings = relabeler.method.foresight, relabeler.settings
    sampler_buffer = relabeler.sampler_buffer
    log_z = np.zeros(len(relabeler.tasks))
    if settings.use_partition:
        log_z = foresight.log_partition(sampler_buffer, stream(seed, "probe partition"))
    lanes = [
        (task_id, kind, k)
        for task_id in run.splits["train"]
        for kind in ("prior", "posterior")
        for k in range(per_kind)
    ]
    contexts = []
    for task_id, kind, k in lanes:
        drawn = sampler_buffer.draw(
            task_id,
            algorithm.trainer.config.embedding_batch_size,
            stream(seed, "probe context", task_id, k),
        )
        contexts.append(
            run.experiment.policy.acting_context(drawn) if kind == "posterior" else None
        )
    generators = [stream(seed, f"probe {kind}", task_id, k) for task_id, kind, k in lanes]
    paths = algorithm.collection.sampler.obtain_samples(
        [task_id for task_id, _, _ in lanes],
        generators,
        begin=with_contexts(run.experiment.policy, contexts),
    )
    reached = successes(run.experiment.env, paths)
    judged = []
    for i, (task_id, kind, k) in enumerate(lanes):
        path = paths.select([i])
        labels = labels_of(path, relabeler.tasks, run.experiment.env)
        utilities, _ = foresight.of_trajectory(
            path, labels, stream(seed, f"probe judgement {kind}", task_id, k)
        )
        surplus = utilities - log_z
        share = probabilities(
            surplus / settings.relabel_temperature, use_softmax=settings.use_softmax
        )[task_id]
        judged.append(
            Judged(
                task_id,
                kind,
                int(path.lengths[0]),
                None if reached is None else bool(reached[i]),
                float(labels.rewards[task_id].sum()),
                telling_rows(labels, task_id),
                float(utilities[task_id]),
                float(log_z[task_id]),
                float(np.delete(surplus, task_id).max()),
                float(share),
            )
        )
    return judged


def table(judged: Sequence[Judged]) -> str:
    """Means over successful and failed trajectories, by number of telling rows, as Markdown."""
    lines = [
        "| goal reached | telling rows | trajectories | steps | return | U | log Z | U − log Z "
        "| best other | share that stays |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for success in (True, False, None):
        for name, counts in CLASSES.items():
            group = [j for j in judged if j.success is success and j.telling_rows in counts]
            if group:
                numbers = np.array(
                    [
                        (j.steps, j.own_return, j.utility, j.log_z, j.best_other, j.probability)
                        for j in group
                    ]
                )
                steps, returns, utility, log_z, best_other, share = numbers.mean(axis=0)
                said = {True: "yes", False: "no", None: "–"}[success]
                values = f"{steps:.1f} | {returns:.1f} | {utility:.0f} | {log_z:.0f} | "
                values += f"{utility - log_z:.0f} | {best_other:.0f}"
                lines.append(f"| {said} | {name} | {len(group)} | {values} | {share:.2f} |")
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--trajectories",
    default=50,
    show_default=True,
    type=click.IntRange(min=1),
    help="Of either kind, on each task.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Of trajectories and judgements.",
)
def main(run_dir: Path, folder: Path, trajectories: int, seed: int) -> None:
    """Score trajectories of the run RUN_DIR (with checkpoint); write judged.csv, .md to FOLDER."""
    with exit_codes():
        torch.set_num_threads(1)
        run = load_trained(run_dir, with_state=True)
        relabeler = run.experiment.algorithm.collection.relabeler
        if not isinstance(relabeler, HindsightLabels) or not isinstance(
            relabeler.method, ForesightOfTask
        ):
            raise UserError(
                f"{run_dir}: relabels by no utility of trajectories; "
                "expected relabel_method hfr-q or hfr-bellman"
            )
        judged = judge(run, trajectories, seed)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "judged.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Judged)])
            writer.writeheader()
            writer.writerows(asdict(line) for line in judged)
        (folder / "judged.md").write_text(table(judged))
    click.echo(table(judged))
    click.echo(f"wrote judged.csv and judged.md to {folder}")


if __name__ == "__main__":
    main()
