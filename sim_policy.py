"""Shows how a trained policy adapts: evaluates it on the run's held-out tasks, trajectory by trajectory; draws or films it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click
import numpy as np
import torch
from rich.console import Console

from rlkit.core.errors import UserError
from rlkit.core.eval_util import Adaptation, evaluate_adaptation
from rlkit.core.seeding import stream
from rlkit.envs.base import MetaEnv
from rlkit.launchers.exit_codes import exit_codes
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.pearl import build_agent, build_env, build_networks
from rlkit.launchers.run_folder import load_tasks, load_weights, read_run_config
from rlkit.visualization.adaptation import adaptation_rows, print_rows, write_rows
from rlkit.visualization.trajectories import plot_trajectories

FILMED_TASKS = 3
MAX_LANES = 128


def sim_policy(
    config: ExperimentConfig,
    run_dir: Path,
    *,
    num_trajs: int,
    deterministic: bool = True,
    save_video: bool = False,
    seed: int = 0,
) -> tuple[list[dict[str, Any]], list[Path]]:
    """Evaluate the weights of a run folder on the run's held-out tasks.

    Args:
        config: what the run was trained with.
        run_dir: holds the weights and, if we wrote it, the task set.
        num_trajs: trajectories per task; z of the first `num_exp_traj_eval` comes from the prior, later from the posterior.
        deterministic: no action noise.
        save_video: film a few tasks (MuJoCo tasks only).
        seed: of the trajectories' random numbers.
    Returns:
        The table, one row per trajectory, and the files written to the run folder: `sim_policy.csv`, `trajectories.png` for
        a point robot, `video.mp4` if wanted.
    Raises:
        UserError: files are missing, damaged or of another environment, no film can be made, or nothing can be written.
    """
    algo = config.algo_params
    try:
        env = build_env(config, load_tasks(run_dir), num_envs=min(config.n_eval_tasks, MAX_LANES))
        is_body, camera = hasattr(env, "simulation"), None
        if save_video and is_body:
            from rlkit.visualization.video import FilmedEnv  # only a film needs an OpenGL library

            camera = FilmedEnv(env)
    except ValueError as error:
        raise UserError(f"{run_dir}: {error}") from error
    networks = build_networks(config, env, torch.Generator())
    load_weights(run_dir, {"context_encoder": networks.context_encoder, "policy": networks.policy})
    task_ids = list(range(len(env.tasks) - config.n_eval_tasks, len(env.tasks)))
    evaluated = evaluate_adaptation(
        cast(MetaEnv, camera or env),
        build_agent(config, networks),
        task_ids,
        num_runs=1,
        num_steps=(num_trajs - 1) * algo.max_path_length + 1,
        max_path_length=algo.max_path_length,
        streams=lambda index, run, n: stream(seed, "simulation", task_ids[index], run, n),
        deterministic=deterministic,
    )
    trajectories = evaluated.trajectories[:num_trajs]  # where episodes end early, there are more than were asked for
    rows = adaptation_rows(
        Adaptation(len(task_ids), 1, trajectories), task_ids, algo.num_exp_traj_eval, sparse=algo.sparse_rewards
    )
    written = [run_dir / "sim_policy.csv"]
    write_rows(written[0], rows)
    if not is_body:
        written.append(run_dir / "trajectories.png")
        plot_trajectories(
            written[-1],
            env.tasks[task_ids],
            task_ids,
            trajectories,
            goal_radius=getattr(env, "goal_radius", None),
            sparse=algo.sparse_rewards,
            title=f"{config.env_name}: z from the prior up to trajectory {algo.num_exp_traj_eval}, then from the posterior",
        )
    elif camera is not None:
        filmed = np.unique(np.linspace(0, len(task_ids) - 1, FILMED_TASKS).round().astype(int)).tolist()
        tasks = [np.array2string(task, precision=2) for task in env.tasks[task_ids]]

        def captions(index: int, n: int) -> Sequence[str]:
            return [
                f"{config.env_name}, task {task_ids[index]} {tasks[index]}",
                f"trajectory {n + 1} of {num_trajs}, z from the {rows[n]['z']}",
            ]

        written.append(run_dir / "video.mp4")
        camera.film(written[-1], task_ids, filmed, trajectories, captions, sparse=algo.sparse_rewards)
    (camera or env).close()
    return rows, written


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[CONFIG] RUN_DIR")
@click.option("--num_trajs", type=click.IntRange(min=1), help="Trajectories per task; default: num_exp_traj_eval + 2.")
@click.option("--deterministic/--stochastic", default=True, show_default=True, help="Act with the policy's mean, or sample.")
@click.option("--video", is_flag=True, help="Film three held-out tasks to RUN_DIR/video.mp4 (MuJoCo tasks).")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the evaluation; default: the run's own.")
def main(paths: tuple[Path, ...], num_trajs: int | None, deterministic: bool, video: bool, seed: int | None) -> None:
    """Evaluate the policy in RUN_DIR on the run's held-out tasks: return of the first trajectory, the second, and so on.

    CONFIG, the experiment's JSON, is needed only for a folder without variant.json; otherwise the run's own settings count.
    """
    if not 1 <= len(paths) <= 2:
        raise click.UsageError(f"expected [CONFIG] RUN_DIR, got {len(paths)} paths")
    run_dir = paths[-1]
    with exit_codes():
        config, differences = read_run_config(run_dir, paths[0] if len(paths) == 2 else None)
        if differences:
            click.echo(f"{paths[0]} differs from the run, whose settings are used: {'; '.join(differences)}", err=True)
        rows, written = sim_policy(
            config,
            run_dir,
            num_trajs=num_trajs or config.algo_params.num_exp_traj_eval + 2,
            deterministic=deterministic,
            save_video=video,
            seed=(config.seed or 0) if seed is None else seed,
        )
        print_rows(rows, f"{config.env_name}, {config.n_eval_tasks} held-out tasks: return by trajectory", Console())
        click.echo(f"wrote {', '.join(map(str, written))}")


if __name__ == "__main__":
    main()
