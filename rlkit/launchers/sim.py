"""The sim command: evaluates a trained policy on held-out tasks; plots and videos."""

import errno
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from rich.console import Console

from rlkit.core.errors import UserError
from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.launchers.arguments import UserPath
from rlkit.launchers.chosen_tasks import choose_tasks
from rlkit.launchers.exit_codes import exit_codes
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.load_config import refused_if_new
from rlkit.launchers.record import other_versions
from rlkit.launchers.run_config import read_run_config
from rlkit.launchers.simulation import Simulation, simulate
from rlkit.launchers.work_display import WorkDisplay
from rlkit.policies.base import LatentPolicy
from rlkit.visualization.adaptation import print_by_task, print_rows, write_rows
from rlkit.visualization.latents import infer_latents, plot_latents
from rlkit.visualization.trajectories import plot_trajectories

if TYPE_CHECKING:
    from rlkit.visualization.video import RecordedEnv

NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


def draw(simulation: Simulation, config: ExperimentConfig, path: Path) -> None:
    """Plot the trajectories of a point robot to an image file."""
    env, task_ids = simulation.env, simulation.task_ids
    explored = simulation.protocol.num_explored
    phases = f"exploration up to trajectory {explored}, then adapted"
    if simulation.protocol.latent:
        phases = f"z from the prior up to trajectory {explored}, then from the posterior"
    plot_trajectories(
        path,
        env.tasks[task_ids],
        task_ids,
        [positions(env, paths) for paths in simulation.trajectories],
        goal_radius=env.goal_radius,
        sparse=simulation.protocol.sparse,
        title=f"{config.env_name}: {phases}",
    )


def in_the_plane(env: MetaEnv) -> bool:
    """Whether tasks are goals in the plane of the trajectories, so that they can be plotted."""
    return env.task_dim == 2 and (
        env.obs_dim == 2 or (env.obs_dim != env.recorded_dim and env.outcome_dim == 2)
    )


def positions(env: MetaEnv, paths: Paths) -> Paths:
    """The trajectories with positions as observations.

    With image observations these are the outcomes: the positions after each step.
    """
    if env.obs_dim == 2:
        return paths
    return replace(paths, obs=np.concatenate([paths.outcomes[:, :1], paths.outcomes], axis=1))


def film(
    simulation: Simulation, env: "RecordedEnv", config: ExperimentConfig, path: Path, quality: str
) -> None:
    """Record a video of all trajectories of a few held-out tasks, task by task."""
    task_ids, num_trajs = simulation.task_ids, len(simulation.trajectories)
    display = WorkDisplay("frame")

    def captions(index: int, n: int) -> Sequence[str]:
        explores, latent = n < simulation.protocol.num_explored, simulation.protocol.latent
        seen = f"{n} trajector{'y' if n == 1 else 'ies'}"
        if explores:
            what = "exploration, z ~ prior" if latent else "exploration"
        else:
            what = f"adapted, z ~ posterior of {seen}" if latent else f"adapted to {seen}"
        task_id = task_ids[index]
        task = f"task {task_id}: {env.describe_task(task_id)}".removesuffix(": ")
        if n == 0:
            place = simulation.filmed.index(index) + 1
            display.line(f"filming {task} ({place} of {len(simulation.filmed)})")
        return [
            f"{config.env_name}, {task}",
            f"trajectory {n + 1} of {num_trajs}: {what}",
        ]

    with display:
        env.film(
            path,
            task_ids,
            simulation.filmed,
            simulation.trajectories,
            captions,
            sparse=simulation.protocol.sparse,
            quality=quality,
            report=display.progress,
        )


def write_latents(simulation: Simulation, config: ExperimentConfig, table: Path) -> None:
    """Write the posterior of z on every task as a CSV table and as an image next to it."""
    env, task_ids, policy = simulation.env, simulation.task_ids, simulation.policy
    assert isinstance(policy, LatentPolicy)  # checked by `simulate`
    total, explored = len(simulation.trajectories), simulation.protocol.num_explored
    counts = sorted({0, min(explored, total), total})
    latents = infer_latents(policy, simulation.trajectories, counts)
    write_rows(table, latents.rows(task_ids, [env.describe_task(i) for i in task_ids]))
    picture = table.with_suffix(".png")
    title = f"{config.env_name}: posterior of z on {len(task_ids)} tasks"
    plot_latents(picture, latents, env.tasks[task_ids], env.task_names, title=title)
    click.echo(f"wrote {table}\nwrote {picture}")


def write_files(
    simulation: Simulation,
    config: ExperimentConfig,
    folder: Path,
    prefix: str,
    quality: str,
    latents: bool,
) -> None:
    """Write the table, the video and the plot, as far as the environment allows.

    Args:
        simulation: the evaluation.
        config: of the run.
        folder: where to write; created if needed.
        prefix: prepended to the file names.
        quality: of the video, "fast" or "high".
        latents: also write and plot the posteriors of z.
    Raises:
        UserError: the folder cannot be written to; its `__cause__` may be an OSError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be created ({error.strerror})") from error
    table, video_file = folder / f"{prefix}sim_policy.csv", folder / f"{prefix}video.mp4"
    write_rows(table, simulation.rows)
    click.echo(f"wrote {table}")
    if simulation.recorded is not None:
        film(simulation, simulation.recorded, config, video_file, quality)
        click.echo(f"wrote {video_file}")
    if latents:
        write_latents(simulation, config, folder / f"{prefix}latents.csv")
    if in_the_plane(simulation.env):
        picture = folder / f"{prefix}trajectories.png"
        draw(simulation, config, picture)
        click.echo(f"wrote {picture}")


def is_refused(error: UserError) -> bool:
    """Whether a file could not be written because the folder is read-only."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in NOT_ALLOWED


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, type=UserPath(), metavar="[CONFIG] RUN_DIR")
@click.option(
    "--num_trajs",
    type=click.IntRange(min=1),
    help="Trajectories per task; default: the algorithm's, for PEARL num_exp_traj_eval + 2.",
)
@click.option(
    "--deterministic/--stochastic",
    default=True,
    show_default=True,
    help="Take the policy's mean action, or sample actions.",
)
@click.option(
    "--video",
    is_flag=True,
    help="Record three held-out tasks to video.mp4, if they can be rendered.",
)
@click.option(
    "--latents",
    is_flag=True,
    help="Plot the posterior of z on every task, coloured by task, to latents.png.",
)
@click.option(
    "--quality",
    type=click.Choice(["fast", "high"]),
    default="fast",
    show_default=True,
    help="Video quality; high adds shadows.",
)
@click.option(
    "--output",
    type=UserPath(),
    metavar="DIR",
    help="Folder for the table, images and video; default: RUN_DIR.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), help="Seed of the evaluation; default: the run's own."
)
@click.option(
    "--task",
    "task_texts",
    multiple=True,
    metavar="KEY=VALUE",
    help="Evaluate on this task instead, such as velocity=3.5 or goal_x=1,goal_y=0. Repeatable.",
)
@click.option(
    "--tasks",
    "tasks_file",
    type=UserPath(),
    metavar="FILE",
    help='Evaluate on the tasks in a JSON file, {"tasks": [{"velocity": 3.5}]}, or an NPZ file.',
)
def main(
    paths: tuple[Path, ...],
    num_trajs: int | None,
    deterministic: bool,
    video: bool,
    latents: bool,
    quality: str,
    output: Path | None,
    seed: int | None,
    task_texts: tuple[str, ...],
    tasks_file: Path | None,
) -> None:
    """Evaluate the policy in RUN_DIR on the run's held-out tasks, and report the return of the
    first trajectory on a task, the second, and so on.

    CONFIG, the experiment's JSON, is needed only for a folder without variant.json; otherwise the
    run's own settings are used.
    """
    if not 1 <= len(paths) <= 2:
        raise click.UsageError(f"expected [CONFIG] RUN_DIR, got {len(paths)} paths")
    run_dir, chosen = paths[-1], bool(task_texts or tasks_file)
    kind, prefix = ("chosen", "chosen_") if chosen else ("held-out", "")
    with exit_codes():
        config, differences = read_run_config(run_dir, paths[0] if len(paths) == 2 else None)
        if differences:
            click.echo(
                f"{paths[0]} differs from the run, whose settings are used: "
                f"{'; '.join(differences)}",
                err=True,
            )
        for refusal in refused_if_new(config):
            click.echo(refusal, err=True)
        if line := other_versions(run_dir):
            click.echo(line, err=True)
        with WorkDisplay("evaluation step") as display:
            simulation = simulate(
                config,
                run_dir,
                num_trajs=num_trajs,
                deterministic=deterministic,
                record=video,
                latents=latents,
                seed=(config.seed or 0) if seed is None else seed,
                choose=partial(choose_tasks, texts=task_texts, file=tasks_file) if chosen else None,
                report=display.progress,
            )
        # The table is printed first, so that it is not lost if writing files fails.
        title = f"{config.env_name}, {len(simulation.task_ids)} {kind} tasks: return by trajectory"
        print_rows(simulation.rows, title, Console())
        if chosen:
            described = {i: simulation.env.describe_task(i) for i in simulation.task_ids}
            print_by_task(simulation.rows, described, Console())
        if text := simulation.env.divergence_message():
            click.echo(text, err=True)
        try:
            write_files(simulation, config, output or run_dir, prefix, quality, latents)
        except UserError as error:
            if output is not None or not is_refused(error):
                raise
            click.echo(f"{error}; --output DIR writes to another folder", err=True)
        simulation.env.close()


if __name__ == "__main__":
    main()
