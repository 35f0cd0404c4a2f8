"""Evaluates a trained policy on held-out tasks, trajectory by trajectory; draws or films it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from rich.console import Console

from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.launchers.arguments import UserPath
from rlkit.launchers.exit_codes import exit_codes
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.load_config import refused_if_new
from rlkit.launchers.run_config import read_run_config
from rlkit.launchers.simulation import Simulation, simulate
from rlkit.visualization.adaptation import print_rows, write_rows
from rlkit.visualization.trajectories import plot_trajectories

if TYPE_CHECKING:
    from rlkit.visualization.video import FilmedEnv

FILMED_TASKS = 3


def draw(simulation: Simulation, config: ExperimentConfig, path: Path) -> None:
    """Draw the trajectories of a point robot to an image file."""
    env, task_ids = simulation.env, simulation.task_ids
    explored = simulation.protocol.num_explored
    plot_trajectories(
        path,
        env.tasks[task_ids],
        task_ids,
        [positions(env, paths) for paths in simulation.trajectories],
        goal_radius=env.goal_radius,
        sparse=simulation.protocol.sparse,
        title=f"{config.env_name}: z from the prior up to trajectory {explored}, then from the posterior",
    )


def in_the_plane(env: MetaEnv) -> bool:
    """Whether a task is a place in the plane and trajectories run there, so that they can be drawn."""
    return env.task_dim == 2 and (
        env.obs_dim == 2 or (env.obs_dim != env.recorded_dim and env.outcome_dim == 2)
    )


def positions(env: MetaEnv, paths: Paths) -> Paths:
    """The trajectories with positions as observations; of pictures those that followed the steps, which the outcomes are."""
    if env.obs_dim == 2:
        return paths
    return replace(paths, obs=np.concatenate([paths.outcomes[:, :1], paths.outcomes], axis=1))


def film(
    simulation: Simulation, env: "FilmedEnv", config: ExperimentConfig, path: Path, quality: str
) -> None:
    """Film all trajectories of a few held-out tasks, one task after the other."""
    task_ids, num_trajs = simulation.task_ids, len(simulation.trajectories)

    def captions(index: int, n: int) -> Sequence[str]:
        explores, latent = n < simulation.protocol.num_explored, simulation.protocol.latent
        seen = f"{n} trajector{'y' if n == 1 else 'ies'}"
        if explores:
            what = "exploration, z ~ prior" if latent else "exploration"
        else:
            what = f"adapted, z ~ posterior of {seen}" if latent else f"adapted to {seen}"
        return [
            f"{config.env_name}, task {task_ids[index]}: {env.describe_task(task_ids[index])}",
            f"trajectory {n + 1} of {num_trajs}: {what}",
        ]

    filmed = np.unique(np.linspace(0, len(task_ids) - 1, FILMED_TASKS).round().astype(int)).tolist()
    env.film(
        path,
        task_ids,
        filmed,
        simulation.trajectories,
        captions,
        sparse=simulation.protocol.sparse,
        quality=quality,
    )


@click.command()
@click.argument("paths", nargs=-1, type=UserPath(), metavar="[CONFIG] RUN_DIR")
@click.option(
    "--num_trajs",
    type=click.IntRange(min=1),
    help="Trajectories per task; default: num_exp_traj_eval + 2.",
)
@click.option(
    "--deterministic/--stochastic",
    default=True,
    show_default=True,
    help="Act with the policy's mean, or sample.",
)
@click.option(
    "--video", is_flag=True, help="Film three held-out tasks to RUN_DIR/video.mp4 (MuJoCo tasks)."
)
@click.option(
    "--quality",
    type=click.Choice(["fast", "high"]),
    default="fast",
    show_default=True,
    help="Of the film; high has shadows.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), help="Seed of the evaluation; default: the run's own."
)
def main(
    paths: tuple[Path, ...],
    num_trajs: int | None,
    deterministic: bool,
    video: bool,
    quality: str,
    seed: int | None,
) -> None:
    """Evaluate the policy in RUN_DIR on the run's held-out tasks: return of the first trajectory, the second, and so on.

    CONFIG, the experiment's JSON, is needed only for a folder without variant.json; otherwise the run's own settings count.
    """
    if not 1 <= len(paths) <= 2:
        raise click.UsageError(f"expected [CONFIG] RUN_DIR, got {len(paths)} paths")
    run_dir = paths[-1]
    with exit_codes():
        config, differences = read_run_config(run_dir, paths[0] if len(paths) == 2 else None)
        if differences:
            click.echo(
                f"{paths[0]} differs from the run, whose settings are used: {'; '.join(differences)}",
                err=True,
            )
        for line in refused_if_new(config):
            click.echo(line, err=True)
        simulation = simulate(
            config,
            run_dir,
            num_trajs=num_trajs,
            deterministic=deterministic,
            record=video,
            seed=(config.seed or 0) if seed is None else seed,
        )
        # The table comes first, so that it is there whatever happens to the picture.
        table = run_dir / "sim_policy.csv"
        write_rows(table, simulation.rows)
        title = (
            f"{config.env_name}, {len(simulation.task_ids)} held-out tasks: return by trajectory"
        )
        print_rows(simulation.rows, title, Console())
        click.echo(f"wrote {table}")
        if text := simulation.env.divergence_message():
            click.echo(text, err=True)
        if simulation.filmed is not None:
            film(simulation, simulation.filmed, config, run_dir / "video.mp4", quality)
            click.echo(f"wrote {run_dir / 'video.mp4'}")
        elif video:
            click.echo(f"no film: {config.env_name} has no MuJoCo model", err=True)
        if in_the_plane(simulation.env):
            draw(simulation, config, run_dir / "trajectories.png")
            click.echo(f"wrote {run_dir / 'trajectories.png'}")
        simulation.env.close()


if __name__ == "__main__":
    main()
