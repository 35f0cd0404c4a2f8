"""Shows how a trained policy adapts: evaluates it on the run's held-out tasks, trajectory by trajectory; draws or films it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import torch
from rich.console import Console

from rlkit.core.errors import UserError
from rlkit.core.eval_util import Adaptation, evaluate_adaptation
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.launchers.exit_codes import exit_codes
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.pearl import ACTING, build_agent, build_env, build_networks
from rlkit.launchers.run_folder import load_tasks, load_weights, read_run_config
from rlkit.visualization.adaptation import adaptation_rows, print_rows, write_rows
from rlkit.visualization.trajectories import plot_trajectories

if TYPE_CHECKING:
    from rlkit.visualization.video import FilmedEnv

FILMED_TASKS = 3
MAX_LANES = 128


@dataclass(frozen=True)
class Simulation:
    """An evaluation.

    Attributes:
        env: the environment it ran in.
        task_ids: the held-out tasks.
        trajectories: the n-th holds the n-th trajectory of every task.
        rows: the table, one row per trajectory.
        filmed: the same environment, where a film was asked for and can be made.
    """

    env: MetaEnv
    task_ids: list[int]
    trajectories: list[Paths]
    rows: list[dict[str, Any]]
    filmed: "FilmedEnv | None" = None


def simulate(
    config: ExperimentConfig,
    run_dir: Path,
    *,
    num_trajs: int,
    deterministic: bool = True,
    record: bool = False,
    seed: int = 0,
) -> Simulation:
    """Evaluate the weights of a run folder on the run's held-out tasks.

    Args:
        config: what the run was trained with.
        run_dir: holds the weights and, if we wrote it, the task set.
        num_trajs: trajectories per task; z of the first `num_exp_traj_eval` comes from the prior, later from the posterior.
        deterministic: no action noise.
        record: remember the states, so that a film can be made (MuJoCo tasks only).
        seed: of the trajectories' random numbers.
    Raises:
        UserError: files are missing, damaged or of another environment.
    """
    algo = config.algo_params
    try:
        env = build_env(config, load_tasks(run_dir), num_envs=min(config.n_eval_tasks, MAX_LANES))
    except ValueError as error:
        raise UserError(f"{run_dir}: {error}") from error
    filmed = None
    if record and env.has_simulation:
        # Only when asked, because it imports mujoco and imageio.
        from rlkit.visualization.video import FilmedEnv

        env = filmed = FilmedEnv(env)
    networks = build_networks(config, env, torch.Generator())
    load_weights(
        run_dir, {name: network for name, network in networks.named().items() if name in ACTING}
    )
    task_ids = list(range(len(env.tasks) - config.n_eval_tasks, len(env.tasks)))
    evaluated = evaluate_adaptation(
        env,
        build_agent(config, networks),
        task_ids,
        num_runs=1,
        num_steps=(num_trajs - 1) * algo.max_path_length + 1,
        max_path_length=algo.max_path_length,
        streams=lambda index, run, n: stream(seed, "simulation", task_ids[index], run, n),
        deterministic=deterministic,
        num_stochastic=algo.num_exp_traj_eval if algo.eval_exploration == "stochastic" else 0,
    )
    trajectories = evaluated.trajectories[
        :num_trajs
    ]  # where episodes end early, there are more than were asked for
    adaptation = Adaptation(len(task_ids), 1, trajectories)
    rows = adaptation_rows(adaptation, task_ids, algo.num_exp_traj_eval, sparse=algo.sparse_rewards)
    return Simulation(env, task_ids, trajectories, rows, filmed)


def draw(simulation: Simulation, config: ExperimentConfig, path: Path) -> None:
    """Draw the trajectories of a point robot to an image file."""
    env, task_ids = simulation.env, simulation.task_ids
    explored = config.algo_params.num_exp_traj_eval
    plot_trajectories(
        path,
        env.tasks[task_ids],
        task_ids,
        [positions(env, paths) for paths in simulation.trajectories],
        goal_radius=env.goal_radius,
        sparse=config.algo_params.sparse_rewards,
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
        explores = n < config.algo_params.num_exp_traj_eval
        plural = "y" if n == 1 else "ies"
        what = (
            "exploration, z ~ prior"
            if explores
            else f"adapted, z ~ posterior of {n} trajector{plural}"
        )
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
        sparse=config.algo_params.sparse_rewards,
        quality=quality,
    )


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[CONFIG] RUN_DIR")
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
        simulation = simulate(
            config,
            run_dir,
            num_trajs=num_trajs or config.algo_params.num_exp_traj_eval + 2,
            deterministic=deterministic,
            record=video,
            seed=(config.seed or 0) if seed is None else seed,
        )
        # The table comes first, so that it is there whatever happens to the picture.
        table = run_dir / "sim_policy.csv"
        write_rows(table, simulation.rows)
        title = f"{config.env_name}, {config.n_eval_tasks} held-out tasks: return by trajectory"
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
