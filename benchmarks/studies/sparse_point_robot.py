"""Figures of a trained sparse point robot: exploration, adaptation and belief.

    python -m benchmarks.studies.sparse_point_robot RUN_DIR [--output FOLDER]

Writes prior.png, adaptation.png, belief.png and belief.csv. Trajectories are run again with the
weights of RUN_DIR, as in the evaluation. `--epoch N` instead reads those of iteration N of a run
with `dump_eval_paths`, without a belief. `notebooks/sparse-point-robot-vis.ipynb` shows the same
figures.

Source: the first two are those of the notebook of that name in katerakelly/oyster.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch

from benchmarks.studies.trained_run import TrainedRun, load_trained
from rlkit.core.errors import UserError
from rlkit.core.eval_util import evaluate_adaptation
from rlkit.core.seeding import stream
from rlkit.data_management.path_files import load_paths
from rlkit.data_management.paths import Paths
from rlkit.launchers.exit_codes import exit_codes
from rlkit.samplers.in_place import with_contexts
from rlkit.visualization.adaptation import write_rows
from rlkit.visualization.belief import Beliefs, plot_belief
from rlkit.visualization.sparse_point_robot import LIMITS, plot_prior
from rlkit.visualization.trajectories import plot_trajectories

NUM_PRIOR = 20
COUNTS = (0, 1, 2, 5, 10)  # numbers of trajectories in a context; also one with all
NUM_SAMPLES = 50  # of z from each belief
SHOWN = 4  # tasks with a row of half circles


@dataclass(frozen=True)
class Shown:
    """Data of the figures.

    Attributes:
        run: the trained run.
        prior: trajectories with z from the prior.
        trajectories: the meta-test; entry n holds trajectory n of every test task.
    """

    run: TrainedRun
    prior: Paths
    trajectories: list[Paths]

    @property
    def task_ids(self) -> list[int]:
        """The test tasks."""
        return list(self.run.splits["test"])

    @property
    def goals(self) -> np.ndarray:
        """Their goals, [num_tasks, 2]."""
        return np.asarray(self.run.experiment.env.tasks[self.task_ids])

    @property
    def goal_radius(self) -> float:
        """Distance within which a goal counts as reached."""
        return float(self.run.experiment.env.goal_radius)  # type: ignore[attr-defined]


def load(run_dir: Path) -> TrainedRun:
    """Load a run.

    Raises:
        UserError: it cannot be loaded, or is of another environment.
    """
    run = load_trained(run_dir)
    if run.config.env_name != "sparse-point-robot":
        raise UserError(
            f"{run_dir} is a run of {run.config.env_name}; these figures are of sparse-point-robot"
        )
    return run


def run_trajectories(
    run: TrainedRun, *, num_trajs: int | None = None, num_prior: int = NUM_PRIOR, seed: int = 0
) -> Shown:
    """Run the prior and the meta-test again.

    By default with as many trajectories per task as the evaluation.
    """
    algo, experiment = run.config.algo_params, run.experiment
    task_ids = list(run.splits["test"])
    prior = experiment.algorithm.collection.sampler.obtain_samples(
        task_ids[:1] * num_prior,
        [stream(seed, "prior figure", n) for n in range(num_prior)],
        deterministic=True,
    )
    adaptation = evaluate_adaptation(
        experiment.env,
        experiment.policy,
        task_ids,
        num_runs=1,
        num_steps=(num_trajs or math.ceil(algo.num_steps_per_eval / algo.max_path_length))
        * algo.max_path_length,
        max_path_length=algo.max_path_length,
        streams=lambda index, k, n: stream(seed, "adaptation figure", task_ids[index], n),
    )
    return Shown(run, prior, adaptation.trajectories)


def read_trajectories(run: TrainedRun, run_dir: Path, epoch: int) -> Shown:
    """Read what a run with `dump_eval_paths` wrote in one iteration.

    Raises:
        UserError: a file is missing, or holds no trajectories.
    """
    folder = run_dir / "eval_trajectories"
    names = [
        f"prior-epoch{epoch}.npz",
        *(f"task{task_id}-epoch{epoch}-run0.npz" for task_id in run.splits["test"]),
    ]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{folder}: {missing[0]} is missing; "
            "expected a run with algo_params.dump_eval_paths = true"
        )
    try:
        prior, *tasks = (load_paths(folder / name) for name in names)
    except ValueError as error:
        raise UserError(str(error)) from error
    count = min(paths.num_paths for paths in tasks)
    return Shown(
        run,
        prior,
        [Paths.concatenate([paths.select([n]) for paths in tasks]) for n in range(count)],
    )


@torch.no_grad()
def infer_beliefs(shown: Shown, *, num_samples: int = NUM_SAMPLES, seed: int = 0) -> Beliefs:
    """Infer the belief from the first n trajectories of every task, and run trajectories from it.

    A task's samples use the same noise for every n, so that they differ only in the belief.
    """
    experiment, task_ids = shown.run.experiment, shown.task_ids
    agent, sampler = experiment.policy, experiment.algorithm.collection.sampler
    lanes = [(index, k) for index in range(len(task_ids)) for k in range(num_samples)]
    counts = [count for count in COUNTS if count < len(shown.trajectories)] + [
        len(shown.trajectories)
    ]
    deviations, ends = [], []
    for count in counts:
        begin = None
        deviation = np.full(len(task_ids), float(agent.use_information_bottleneck))
        if count:
            rows = torch.cat(
                [agent.context_of_paths(paths) for paths in shown.trajectories[:count]], dim=1
            )
            deviation = agent.posterior(rows)[1].mean(dim=1).sqrt().numpy()
            begin = with_contexts(agent, [rows[index] for index, _ in lanes])
        generators = [stream(seed, "belief figure", task_ids[index], k) for index, k in lanes]
        paths = sampler.obtain_samples(
            [task_ids[index] for index, _ in lanes],
            generators,
            begin=begin,
            deterministic=True,
        )
        deviations.append(deviation)
        ends.append(
            paths.obs[np.arange(len(lanes)), paths.lengths].reshape(len(task_ids), num_samples, 2)
        )
    return Beliefs(counts, np.stack(deviations), np.stack(ends))


def draw_prior(shown: Shown, path: Path) -> None:
    """Figure 1: trajectories of the prior."""
    plot_prior(
        path,
        shown.goals,
        shown.goal_radius,
        shown.prior,
        title=f"{shown.prior.num_paths} trajectories with z from the prior",
    )


def draw_adaptation(shown: Shown, path: Path) -> None:
    """Figure 2: the meta-test, a panel per task."""
    explored = shown.run.config.algo_params.num_exp_traj_eval
    title = (
        f"z from the prior up to trajectory {explored}, then from the posterior; "
        "return of the last trajectory"
    )
    plot_trajectories(
        path,
        shown.goals,
        shown.task_ids,
        shown.trajectories,
        goal_radius=shown.goal_radius,
        sparse=True,
        title=title,
        limits=LIMITS,
    )


def draw_belief(shown: Shown, beliefs: Beliefs, path: Path) -> None:
    """Figure 3: the belief, of tasks whose goals are spread over the half circle, and its curves
    over all test tasks.
    """
    by_angle = np.argsort(np.arctan2(shown.goals[:, 1], shown.goals[:, 0]))
    middles = (np.arange(min(SHOWN, len(by_angle))) + 0.5) / min(SHOWN, len(by_angle))
    plot_belief(
        path,
        shown.goals,
        shown.goal_radius,
        shown.task_ids,
        shown.trajectories,
        beliefs,
        shown=by_angle[(middles * len(by_angle)).astype(int)].tolist(),
        num_exploration=shown.run.config.algo_params.num_exp_traj_eval,
        title=f"where {beliefs.ends.shape[2]} draws of z from the belief lead, "
        "as trajectories are added to the context",
    )


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path), help="Folder of the figures; default: RUN_DIR."
)
@click.option(
    "--num_trajs",
    type=click.IntRange(min=1),
    help="Trajectories per task; default: as many as the evaluation has.",
)
@click.option(
    "--epoch", type=click.IntRange(min=0), help="Draw what the run itself saved in this iteration."
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of the trajectories."
)
def main(
    run_dir: Path, output: Path | None, num_trajs: int | None, epoch: int | None, seed: int
) -> None:
    """Draw the sparse point robot in RUN_DIR."""
    with exit_codes():
        torch.set_num_threads(1)  # the products are small
        run, folder = load(run_dir), output or run_dir
        folder.mkdir(parents=True, exist_ok=True)
        if epoch is None:
            shown = run_trajectories(run, num_trajs=num_trajs, seed=seed)
        else:
            shown = read_trajectories(run, run_dir, epoch)
        draw_prior(shown, folder / "prior.png")
        draw_adaptation(shown, folder / "adaptation.png")
        if epoch is None:
            beliefs = infer_beliefs(shown, seed=seed)
            draw_belief(shown, beliefs, folder / "belief.png")
            write_rows(folder / "belief.csv", beliefs.rows(shown.goals, shown.goal_radius))
    click.echo(f"wrote the figures to {folder}")


if __name__ == "__main__":
    main()
