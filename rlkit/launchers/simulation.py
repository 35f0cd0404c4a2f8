"""Evaluates the trained policy of a run folder on held-out tasks, by trajectory."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rlkit.core.config import read_json
from rlkit.core.errors import UserError
from rlkit.core.eval_util import Adaptation, evaluate_adaptation
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.identity import check_tasks
from rlkit.launchers.launcher import EvaluationProtocol, launcher_for
from rlkit.launchers.trained import run_env
from rlkit.policies.base import LatentPolicy, MetaPolicy
from rlkit.visualization.adaptation import adaptation_rows

if TYPE_CHECKING:
    from rlkit.visualization.video import RecordedEnv

MAX_LANES = 128
FILMED_TASKS = 3


@dataclass(frozen=True)
class Simulation:
    """A finished evaluation of a trained policy.

    Attributes:
        env: the environment.
        protocol: of the evaluation, with the actual number of trajectories.
        task_ids: the evaluated tasks, held-out or chosen.
        trajectories: entry n holds trajectory n of every task.
        rows: the table, one row per trajectory.
        policy: the acting policy.
        recorded: the same environment, if a video was requested.
    """

    env: MetaEnv
    protocol: EvaluationProtocol
    task_ids: list[int]
    trajectories: list[Paths]
    rows: list[dict[str, Any]]
    policy: MetaPolicy
    recorded: "RecordedEnv | None" = None

    @property
    def filmed(self) -> list[int]:
        """Indices into `task_ids` of the tasks in the video."""
        return indices_of_film(len(self.task_ids))


def indices_of_film(num_tasks: int) -> list[int]:
    """Indices of the tasks that a video shows, spread evenly over those evaluated."""
    return np.unique(np.linspace(0, num_tasks - 1, FILMED_TASKS).round().astype(int)).tolist()


def added_up(report: Callable[[int, int], None], total: int) -> Callable[[int], None]:
    """Make a function that adds up the steps of its calls and reports the sum and the total."""
    done = 0

    def add(steps: int) -> None:
        nonlocal done
        done += steps
        report(done, total)

    return add


def simulate(
    config: ExperimentConfig,
    run_dir: Path,
    *,
    num_trajs: int | None = None,
    deterministic: bool = True,
    record: bool = False,
    latents: bool = False,
    seed: int = 0,
    choose: Callable[[MetaEnv], list[int]] | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Simulation:
    """Evaluate the weights of a run folder on the run's held-out tasks, or on chosen ones.

    Args:
        config: of the run.
        run_dir: has the weights and, unless it is oyster's, the task set.
        num_trajs: trajectories per task; None: as in the algorithm's protocol.
        deterministic: act without noise.
        record: record states or images for a video.
        latents: the policy must act on a latent z.
        seed: of the trajectories' random numbers.
        choose: sets other tasks in the environment and returns their indices.
        report: called during the evaluation with the number of steps so far and in total.
    Raises:
        UserError: files are missing, damaged or of another environment; a requested video cannot
            be rendered; or latents are requested of a policy that has none.
    """
    launcher = launcher_for(config)
    protocol = launcher.protocol(config)
    protocol = protocol._replace(num_trajectories=num_trajs or protocol.num_trajectories)
    lanes = None if protocol.num_tasks is None else min(protocol.num_tasks, MAX_LANES)
    env = run_env(launcher, config, run_dir, lanes)
    if (run_dir / "variant.json").exists():
        check_tasks(read_json(run_dir / "variant.json"), run_dir)
    first = 0 if protocol.num_tasks is None else len(env.tasks) - protocol.num_tasks
    task_ids = list(range(first, len(env.tasks))) if choose is None else choose(env)
    recorded_env = None
    if record:
        from rlkit.visualization.pictured import recorded  # imports mujoco and imageio

        shown = [task_ids[index] for index in indices_of_film(len(task_ids))]
        env = recorded_env = recorded(env, shown)
    policy = launcher.load(config, env, run_dir, "cpu")
    if latents and not isinstance(policy, LatentPolicy):
        raise UserError(f'--latents: "{config.algorithm}" has no latent z; expected a PEARL agent')
    num_steps = (protocol.num_trajectories - 1) * protocol.horizon + 1
    evaluated = evaluate_adaptation(
        env,
        policy,
        task_ids,
        num_runs=1,
        num_steps=num_steps,
        max_path_length=protocol.horizon,
        streams=lambda index, run, n: stream(seed, "simulation", task_ids[index], run, n),
        deterministic=deterministic,
        num_stochastic=protocol.num_stochastic,
        report=added_up(report, len(task_ids) * num_steps),
    )
    # If episodes end early, there are more trajectories than requested.
    trajectories = evaluated.trajectories[: protocol.num_trajectories]
    rows = adaptation_rows(
        Adaptation(len(task_ids), 1, trajectories),
        task_ids,
        protocol.num_explored,
        sparse=protocol.sparse,
        latent=protocol.latent,
    )
    return Simulation(env, protocol, task_ids, trajectories, rows, policy, recorded_env)
