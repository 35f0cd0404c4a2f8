"""Return of a trained run by the context of its posterior, without further training.

Contexts differ in the number of rows, the number of trajectories that the rows come from, and the
exploration of these trajectories.

    python -m benchmarks.studies.adaptation_gap RUN_DIR FOLDER

Every context is collected with z from the prior. The return is that of one more trajectory, with z
from the posterior of the context, acting as in the evaluation. Contexts of one run of a task are
taken from the same ten trajectories, whose start states are the same for both kinds of exploration,
so that cells of the table differ only in what they name. For tasks whose trajectories last for the
whole horizon.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor

from benchmarks.studies.gap_table import Cell, draw_gap, markdown, standard_errors, write_cells
from benchmarks.studies.trained_run import TrainedRun, load_trained
from rlkit.core.errors import UserError
from rlkit.core.eval_util import evaluate_adaptation
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.launchers.exit_codes import exit_codes
from rlkit.samplers.in_place import with_contexts

ROWS = (20, 40, 64)
TRAJECTORIES = (1, 2, 10)
FRESH_TASKS = 600
RUNS = {"train": 25, "test": 100, "fresh": 2}  # of a task


class Trials:
    """Trajectories on some tasks, each task run several times; lane = task * runs + run."""

    def __init__(self, run: TrainedRun, split: str, runs: int, seed: int) -> None:
        self.run, self.split, self.runs, self.seed = run, split, runs, seed
        self.task_ids = list(run.splits[split])
        self.lanes = [(task_id, k) for task_id in self.task_ids for k in range(runs)]
        self.algo = run.config.algo_params

    def generators(self, purpose: str, *index: int) -> list[np.random.Generator]:
        """One generator per lane."""
        return [stream(self.seed, f"gap {purpose}", *lane, *index) for lane in self.lanes]

    def explore(self, deterministic: bool) -> Tensor:
        """Ten trajectories per lane with z from the prior, as context rows.

        Shape: [lanes, 10, horizon, context_dim].
        """
        trajectories = [
            self._sample(self.generators("exploration", n), None, deterministic)
            for n in range(max(TRAJECTORIES))
        ]
        whole = Paths.concatenate(trajectories)
        if not whole.mask.all():
            raise UserError(
                f"{self.run.config.env_name}: its trajectories can end early; "
                "expected a task whose trajectories last for the whole horizon"
            )
        rows = self.run.experiment.policy.context_of_paths(whole)
        return rows.reshape(len(trajectories), len(self.lanes), *rows.shape[1:]).transpose(0, 1)

    def returns(self, contexts: Sequence[Tensor] | None) -> np.ndarray:
        """Return of a trajectory with z from each lane's posterior, [num_tasks, runs].

        With context None, z is from the prior. Start states and the noise of z do not depend on
        the context.
        """
        paths = self._sample(self.generators("judged"), contexts, self.algo.eval_deterministic)
        return paths.returns(self.algo.sparse_rewards).reshape(-1, self.runs)

    def online(self) -> np.ndarray:
        """Return after 0, 1, ... trajectories of the meta-test, [n, num_tasks, runs]."""
        adaptation = evaluate_adaptation(
            self.run.experiment.env,
            self.run.experiment.policy,
            self.task_ids,
            num_runs=self.runs,
            num_steps=(1 + max(TRAJECTORIES)) * self.algo.max_path_length,
            max_path_length=self.algo.max_path_length,
            streams=lambda index, k, n: stream(
                self.seed, "gap on-line", self.task_ids[index], k, n
            ),
            deterministic=self.algo.eval_deterministic,
        )
        return adaptation.returns(self.algo.sparse_rewards)

    @torch.no_grad()
    def belief(self, contexts: Sequence[Tensor]) -> tuple[float, float]:
        """Width of the belief, and spread of its mean over contexts of one task (see `Cell`)."""
        means, variances = self.run.experiment.policy.posterior(torch.stack(list(contexts)))
        spread = means.reshape(-1, self.runs, means.shape[-1]).var(dim=1).mean().sqrt()
        return float(variances.mean().sqrt()), float(spread)

    def _sample(
        self,
        generators: Sequence[np.random.Generator],
        contexts: Sequence[Tensor] | None,
        deterministic: bool,
    ) -> Paths:
        experiment = self.run.experiment
        return experiment.algorithm.collection.sampler.obtain_samples(
            [task_id for task_id, _ in self.lanes],
            generators,
            begin=None if contexts is None else with_contexts(experiment.policy, contexts),
            deterministic=deterministic,
        )


def drawn_rows(
    pool: Tensor, num_rows: int, generators: Sequence[np.random.Generator]
) -> list[Tensor]:
    """Draw from each lane's rows [lanes, n, context_dim], uniformly with replacement."""
    return [
        rows[g.integers(len(rows), size=num_rows)] for rows, g in zip(pool, generators, strict=True)
    ]


def measure(
    run: TrainedRun, split: str, runs: int, seed: int, tell: Callable[[Cell], None]
) -> list[Cell]:
    """Fill the table for one set of tasks, with the given number of contexts of every kind."""
    trials = Trials(run, split, runs, seed)
    algo, agent = run.config.algo_params, run.experiment.policy
    cells: list[Cell] = []

    def add(
        context: str,
        exploration: str,
        trajectories: int,
        rows: int,
        returns: np.ndarray,
        contexts=None,
    ) -> None:
        belief = (math.nan, math.nan) if contexts is None else trials.belief(contexts)
        numbers = float(returns.mean()), *standard_errors(returns), *belief
        cells.append(
            Cell(split, context, exploration, trajectories, rows, *numbers, *returns.shape)
        )
        tell(cells[-1])

    def judge(
        context: str, exploration: str, trajectories: int, contexts: Sequence[Tensor]
    ) -> None:
        add(
            context, exploration, trajectories, len(contexts[0]), trials.returns(contexts), contexts
        )

    add("prior", "", 0, 0, trials.returns(None))
    if split == "train":
        buffer, size = run.experiment.algorithm.encoder_buffer, algo.embedding_batch_size
        lanes = zip(trials.lanes, trials.generators("buffer"), strict=True)
        drawn = [agent.acting_context(buffer.draw(task_id, size, g)) for (task_id, _), g in lanes]
        judge("buffer", "stochastic", math.ceil(algo.num_steps_prior / algo.max_path_length), drawn)
    online = trials.online()
    for number in TRAJECTORIES:
        add("on-line", "deterministic", number, number * algo.max_path_length, online[number])
    for exploration in ("deterministic", "stochastic"):
        explored = trials.explore(exploration == "deterministic")
        for number in TRAJECTORIES:
            pool = explored[:, :number].flatten(1, 2)
            for rows in ROWS:
                judge(
                    "drawn",
                    exploration,
                    number,
                    drawn_rows(pool, rows, trials.generators("rows", number, rows)),
                )
            judge("whole", exploration, number, list(pool))
    return cells


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Of contexts and trajectories.",
)
def main(run_dir: Path, folder: Path, seed: int) -> None:
    """Measure the trained run RUN_DIR (with checkpoint); write gap.csv, .md and .png to FOLDER."""

    def tell(line: Cell) -> None:
        what = (
            f"{line.context} {line.exploration} {line.trajectories} trajectories, {line.rows} rows"
        )
        click.echo(
            f"{line.tasks}: {what}: {line.mean:.2f} ± {line.error:.2f} "
            f"({line.error_tasks:.2f} over tasks)"
        )

    with exit_codes():
        torch.set_num_threads(1)  # the products are small
        run = load_trained(run_dir, num_fresh_tasks=FRESH_TASKS, with_state=True)
        if run.experiment.policy.context_encoder.needs_sequences:
            raise UserError(
                f"{run_dir}: its encoder reads whole episodes; "
                "expected one that reads single transitions"
            )
        cells = [
            line for split, runs in RUNS.items() for line in measure(run, split, runs, seed, tell)
        ]
        folder.mkdir(parents=True, exist_ok=True)
        write_cells(folder / "gap.csv", cells)
        (folder / "gap.md").write_text(markdown(cells))
        draw_gap(cells, folder / "gap.png")
    click.echo(f"wrote gap.csv, gap.md and gap.png to {folder}")


if __name__ == "__main__":
    main()
