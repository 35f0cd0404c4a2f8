"""Draw the pictures of docs/environments.md: three tasks per distribution after equal actions.

    python -m benchmarks.publishing.pictures [FOLDER]

MuJoCo tasks need an OpenGL library (`apt install libegl1`).
"""

from pathlib import Path

import click
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.sawyer_policies import runnable
from rlkit.envs import env_class, make_env
from rlkit.envs.base import MetaEnv
from rlkit.envs.mujoco_env import MujocoMetaEnv
from rlkit.envs.rendering import Renderer
from rlkit.visualization.video_file import captioned

SEED = 3
SET_SIZE, TASKS = 12, [1, 5, 7]  # tasks that differ visibly
# Steps after which a picture is taken; a body that falls is shown while falling.
STEPS = {
    "ant-dir": 20,
    "ant-goal": 20,
    "ant-goal-ring": 20,
    "ant-vel": 20,
    "ant-vel-sparse": 20,
    "cheetah-dir": 12,
    "cheetah-highdim": 12,
    "cheetah-run": 12,
    "cheetah-vel": 12,
    "cheetah-vel-sparse": 12,
    "four-corners": 20,
    "hopper-rand-params": 15,
    "humanoid-dir": 14,
    "pets-cartpole": 20,
    "pets-halfcheetah": 12,
    "pets-pusher": 20,
    "pets-reacher": 20,
    "point-maml": 20,
    "point-robot": 20,
    "sawyer-push": 20,
    "sawyer-reach": 20,
    "sparse-point-robot": 20,
    "walker-rand-params": 12,
}
WIDTH, HEIGHT = 320, 256  # of one task's picture [pixels]


def act(name: str) -> tuple[MetaEnv, np.ndarray, np.ndarray]:
    """Run a few tasks with the same start and the same random actions.

    Args:
        name: of the distribution.
    Returns:
        The environment, the start state of all lanes (qpos, or a point's position), and all
        observations, [steps + 1, num_tasks, obs_dim].
    """
    fixed = env_class(name).fixed_n_tasks
    n_tasks, task_ids = (fixed, list(range(fixed))) if fixed else (SET_SIZE, TASKS)
    env = make_env(name, n_tasks=n_tasks, num_envs=len(task_ids))
    body = env.unwrapped
    env.reset_task(task_ids)
    obs = [env.reset([np.random.default_rng(SEED) for _ in task_ids])]
    rng = np.random.default_rng(SEED)
    start = body.get_state(0)[0] if isinstance(body, MujocoMetaEnv) else obs[0][0]
    for _ in range(STEPS[name]):
        action = np.tile(rng.uniform(-1, 1, env.act_dim), (len(task_ids), 1))
        obs.append(env.step(action)[0])
    return env, start, np.array(obs)


def photograph(name: str, path: Path) -> None:
    """Draw a MuJoCo distribution: lanes next to each other, each with its task above it."""
    env, start, obs = act(name)
    body = env.unwrapped
    assert isinstance(body, MujocoMetaEnv)
    elapsed = body.dt * (len(obs) - 1)
    pictures = []
    with Renderer(env, WIDTH, HEIGHT, quality="high") as renderer:
        for lane, task_id in enumerate(env.task_ids.tolist()):
            picture = renderer.render_state(
                *body.get_state(lane), body.marker(task_id, start, elapsed)
            )
            pictures.append(captioned(picture, [f"task {task_id}: {env.describe_task(task_id)}"]))
    env.close()
    Image.fromarray(np.concatenate(pictures, axis=1)).save(path, quality=88)


def has_body(name: str) -> bool:
    """Whether a distribution has a MuJoCo model; if not, it is a point in the plane."""
    return env_class(name).has_simulation


def plot(name: str, path: Path) -> None:
    """Draw a point robot: reward by position, the goals of this and the other tasks, its path."""
    env, _, obs = act(name)
    sparse = "sparse" in name
    grid = np.linspace(-1.5, 1.5, 241)
    places = np.stack(np.meshgrid(grid, grid), axis=-1)
    figure = Figure(
        figsize=(9.6, 2.6 if sparse or len(env.task_ids) > 3 else 3.3), layout="constrained"
    )
    low, high = (0, 1) if sparse else (-3, 0)
    for lane, axes in enumerate(figure.subplots(1, len(env.task_ids), sharey=True)):
        task_id = env.task_ids[lane]
        reward = env.compute_reward(places, env.tasks[task_id])[1 if sparse else 0]
        shown = axes.imshow(
            reward,
            origin="lower",
            extent=(-1.5, 1.5, -1.5, 1.5),
            cmap="Greens",
            vmin=low,
            vmax=high,
        )
        axes.plot(*env.tasks.T, ".", color="0.45", markersize=4)
        axes.plot(*env.tasks[task_id], "*", color="tab:red", markersize=13)
        axes.plot(*obs[:, lane].T, color="tab:blue", linewidth=1.5, marker=".", markersize=4)
        axes.plot(*obs[0, lane], "o", color="tab:blue")
        axes.set(
            title=f"task {task_id}",
            aspect="equal",
            xlim=(-1.5, 1.5),
            ylim=(-0.5 if sparse else -1.5, 1.5),
        )
    figure.colorbar(shown, ax=figure.axes, label="sparse reward" if sparse else "reward")
    figure.savefig(path, dpi=100)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("docs/images"))
def main(folder: Path) -> None:
    """Write an image of each distribution to FOLDER (docs/images)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in runnable(STEPS):
        path = folder / (f"{name}.jpg" if has_body(name) else f"{name}.png")
        try:
            (photograph if has_body(name) else plot)(name, path)
        except ValueError as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"wrote {path}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
