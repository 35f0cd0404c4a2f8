"""Record what MuJoCo 2.1.0 computes for each body, as the reference for `physics: "mujoco210"`.

Needs the backend "mujoco-py" (benchmarks/mujoco210/install.sh). Run from the repository:
`python -m benchmarks.mujoco210.record [FOLDER]`, by default tests/envs/data/mujoco210.
"""

from pathlib import Path
from typing import Any

import click
import numpy as np

from rlkit.envs import make_env
from rlkit.envs.mujoco_model import gymnasium_asset
from rlkit.envs.mujoco_pool import make_simulation
from rlkit.envs.mujoco_py_simulation import import_mujoco_py

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "envs" / "data" / "mujoco210"
BODIES = {
    "half_cheetah": "cheetah-vel",
    "ant": "ant-goal",
    "humanoid": "humanoid-dir",
    "hopper": "hopper-rand-params",
    "walker": "walker-rand-params",
}
MODEL_FIELDS = (
    "body_mass",
    "body_inertia",
    "body_ipos",
    "body_iquat",
    "body_subtreemass",
    "body_invweight0",
    "dof_invweight0",
)
NUM_TRAJECTORIES, NUM_STEPS = 4, 15
NUM_LANES, STEPS_PER_LANE, EPISODE = 20, 50, 25  # of the visited states
# Steps for which every second lane repeats an action; such bodies move further than trembling ones.
HOLD = 5


def reference_env(body: str, num_envs: int, backend: str = "mujoco-py") -> Any:
    """Make the task whose lanes are recorded: raw actions, float64.

    Bodies with random dynamics have the base model in lane 0.
    """
    env = make_env(
        BODIES[body],
        normalize=False,
        n_tasks=num_envs,
        num_envs=num_envs,
        dtype=np.float64,
        backend=backend,
    )
    if body in ("hopper", "walker"):
        env.set_tasks(np.concatenate([np.ones((1, env.task_dim)), env.tasks[1:]]))
    return env


def record_model(body: str) -> dict[str, np.ndarray]:
    """What MuJoCo 2.1.0 computes when it loads the body's file."""
    model = import_mujoco_py().load_model_from_path(
        str(gymnasium_asset(reference_env(body, 1).model_file))
    )
    return {f"model_{name}": getattr(model, name).copy() for name in MODEL_FIELDS}


def record_trajectories(body: str) -> dict[str, np.ndarray]:
    """Follow a few lanes from a reset under random actions.

    Returns:
        qpos and qvel [steps + 1, lanes, ...], from the reset on; actions, obs, reward and outcome
        [steps, lanes, ...]; the tasks.
    """
    env = reference_env(body, NUM_TRAJECTORIES)
    env.reset_task(range(NUM_TRAJECTORIES))
    env.reset([np.random.default_rng([0, lane]) for lane in range(NUM_TRAJECTORIES)])
    rows: dict[str, list[np.ndarray]] = {"qpos": [env.qpos], "qvel": [env.qvel]}
    rng = np.random.default_rng(1)
    for _ in range(NUM_STEPS):
        action = rng.uniform(env.action_low, env.action_high, (NUM_TRAJECTORIES, env.act_dim))
        obs, reward, _, _, info = env.step(action)
        values = {
            "actions": action,
            "obs": obs,
            "reward": reward,
            "outcome": info["outcome"],
            "qpos": env.qpos,
            "qvel": env.qvel,
        }
        for name, value in values.items():
            rows.setdefault(name, []).append(value)
    return {"tasks": env.tasks, **{name: np.array(values) for name, values in rows.items()}}


def record_steps(body: str) -> dict[str, np.ndarray]:
    """Step once from each of many states that random actions lead to, on the base model.

    An episode ends after `EPISODE` steps, or where the task ends it.

    Returns:
        before_qpos, before_qvel, before_qacc_warmstart, before_action, after_qpos and after_qvel,
        [1000, ...] each.
    """
    env = reference_env(body, NUM_LANES)
    env.simulation.close()
    env.simulation = make_simulation(
        env.model,
        NUM_LANES,
        env.frame_skip,
        fields=(*env.simulation.fields, "qacc_warmstart"),
        backend="mujoco-py",
        path=gymnasium_asset(env.model_file),
    )
    if body in ("hopper", "walker"):
        env.set_tasks(np.ones_like(env.tasks))
    env.reset_task(range(NUM_LANES))
    generators = [np.random.default_rng([2, lane]) for lane in range(NUM_LANES)]
    env.reset(generators)
    rng = np.random.default_rng(3)
    holds, action = np.arange(NUM_LANES) % 2 == 1, np.zeros((NUM_LANES, env.act_dim))
    rows: dict[str, list[np.ndarray]] = {}
    for step in range(STEPS_PER_LANE):
        fresh = rng.uniform(env.action_low, env.action_high, (NUM_LANES, env.act_dim))
        action = np.where((step % HOLD == 0) | ~holds[:, None], fresh, action)
        before = {
            "qpos": env.qpos,
            "qvel": env.qvel,
            "qacc_warmstart": env.simulation.fields["qacc_warmstart"].copy(),
        }
        terminated = env.step(action)[2]
        for name, value in {**before, "action": action}.items():
            rows.setdefault(f"before_{name}", []).append(value)
        for name, value in {"qpos": env.qpos, "qvel": env.qvel}.items():
            rows.setdefault(f"after_{name}", []).append(value)
        ended = np.flatnonzero(terminated | ((step + 1) % EPISODE == 0))
        if ended.size:
            env.reset([generators[lane] for lane in ended], ended)
    return {name: np.concatenate(values) for name, values in rows.items()}


def record(body: str) -> dict[str, np.ndarray]:
    """All data stored for a body."""
    return {**record_model(body), **record_trajectories(body), **record_steps(body)}


@click.command()
@click.argument("folder", default=FOLDER, type=click.Path(file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Write one file per body into FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    for body in BODIES:
        file = folder / f"{body}.npz"
        np.savez_compressed(file, **record(body))
        click.echo(f"{file}: {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
