"""Meta-test evaluation: how well a meta-policy does on a task, trajectory by trajectory."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.policies.base import MetaPolicy
from rlkit.samplers.util import rollout


@dataclass(frozen=True)
class Adaptation:
    """The trajectories of a meta-test: every task, several independent runs, one trajectory after another.

    Attributes:
        num_tasks, num_runs: the lanes are task-major: lane = task * num_runs + run.
        trajectories: `trajectories[n]` holds the n-th trajectory of every lane (length 0 where the lane's budget was spent).
        counted: which of them the final return is made of, [num_trajectories, num_lanes] bool; None: the last of each lane.
    """

    num_tasks: int
    num_runs: int
    trajectories: list[Paths]
    counted: np.ndarray | None = None

    def num_trajectories(self) -> np.ndarray:
        """How many trajectories each lane ran, [num_tasks, num_runs]."""
        counts = np.sum([paths.lengths > 0 for paths in self.trajectories], axis=0)
        return counts.reshape(self.num_tasks, self.num_runs)

    def returns(self, sparse: bool) -> np.ndarray:
        """Return of every trajectory, [num_trajectories, num_tasks, num_runs]; nan where a lane ran fewer."""
        returns = np.stack([paths.returns(sparse) for paths in self.trajectories]).astype(float)
        returns[np.stack([paths.lengths == 0 for paths in self.trajectories])] = np.nan
        return returns.reshape(-1, self.num_tasks, self.num_runs)

    def final(self) -> np.ndarray:
        """Which trajectories the final return is made of, [num_trajectories, num_lanes] bool."""
        if self.counted is not None:
            return self.counted
        return np.arange(len(self.trajectories))[:, None] == self.num_trajectories().ravel() - 1

    def final_returns(self, sparse: bool) -> np.ndarray:
        """Return of the last trajectory of a run, averaged over runs, [num_tasks]. Source: oyster, `RLAlgorithm._do_eval`."""
        final = self.final().reshape(-1, self.num_tasks, self.num_runs)
        return np.where(final, self.returns(sparse), 0.0).sum(axis=(0, 2)) / final.sum(axis=(0, 2))

    def final_paths(self) -> Paths:
        """The trajectories that the final return is made of."""
        return Paths.concatenate(
            [
                paths.select(chosen)
                for paths, chosen in zip(self.trajectories, self.final(), strict=True)
            ]
        )

    def online_returns(self, sparse: bool) -> np.ndarray:
        """Return of the n-th trajectory of each task, averaged over runs, [num_common_trajectories, num_tasks].

        Cut to the number of trajectories that every run of every task has. Source: oyster, `RLAlgorithm._do_eval`.
        """
        return self.returns(sparse)[: self.num_trajectories().min()].mean(axis=-1)


def mean_speed(env: MetaEnv, paths: Paths) -> float:
    """Mean over all steps of the speed that the task asks for; nan where the task has none."""
    speed = env.speed(paths.outcomes, env.tasks[paths.task_ids][:, None])
    return math.nan if speed is None else float(speed[paths.mask].mean(dtype=np.float64))


def successes(env: MetaEnv, paths: Paths) -> np.ndarray | None:
    """Whether each trajectory's last step has reached what its task asks for, [num_paths]; None where the task does not say."""
    last = paths.outcomes[np.arange(paths.num_paths), np.maximum(paths.lengths, 1) - 1]
    return env.success(last, env.tasks[paths.task_ids])


def success_rate(env: MetaEnv, paths: Paths) -> float:
    """Share of trajectories that succeed; nan where the task does not say."""
    success = successes(env, paths)
    return math.nan if success is None else float(success.mean())


def success_shares(
    env: MetaEnv, adaptation: Adaptation, num_explored: int
) -> tuple[float, float, float]:
    """HFR's three success rates of a meta-test; a trajectory succeeds if its last step has reached what the task asks for.

    Args:
        env: says what success is; where it does not, all three are nan.
        adaptation: the meta-test.
        num_explored: trajectories of each run that do not count for the second and the third.
    Returns:
        The share of runs whose last trajectory succeeds, of trajectories from the num_explored-th on that do, and of runs
        with at least one such; nan where no trajectory counts. Source: HFR's code, columns in docs/hfr.md.
    """
    ran = np.stack([paths.lengths > 0 for paths in adaptation.trajectories])
    succeeded = np.zeros(ran.shape, bool)
    for n, paths in enumerate(adaptation.trajectories):
        success = successes(env, paths)
        if success is None:
            return math.nan, math.nan, math.nan
        succeeded[n] = success & ran[n]
    final = float(succeeded[adaptation.final()].mean())
    counting: np.ndarray = ran[num_explored:]
    counted: np.ndarray = succeeded[num_explored:]
    runs = np.flatnonzero(counting.any(axis=0))
    if not len(runs):
        return final, math.nan, math.nan
    return final, float(counted.sum() / counting.sum()), float(counted[:, runs].any(axis=0).mean())


def evaluate_adaptation(
    env: MetaEnv,
    policy: MetaPolicy,
    task_ids: Sequence[int],
    *,
    num_runs: int,
    num_steps: int,
    max_path_length: int,
    streams: Callable[[int, int, int], np.random.Generator],
    deterministic: bool = True,
    num_stochastic: int = 0,
    explored: Sequence[Paths] = (),
) -> Adaptation:
    """Run the meta-test procedure: a run starts from an empty belief, and adapts after each of its trajectories.

    A run lasts until it has `num_steps` transitions; its last trajectory is not cut at the budget. All runs of all tasks
    step together, in slices of the environment's lanes.

    Args:
        env: takes actions in [-1, 1].
        policy: any meta-policy.
        task_ids: the tasks, [num_tasks]; a task may stand more than once.
        num_runs: independent runs per task.
        num_steps: transitions of a run.
        max_path_length: horizon of a trajectory.
        streams: generator of a trajectory from (index into task_ids, run, trajectory).
        deterministic: no action noise, in exploration trajectories as well.
        num_stochastic: the first so many trajectories of a run have action noise in any case.
        explored: the first trajectories of every run, one entry each with all lanes in task-major order, where they have been
            run already (exploration trajectories do not depend on each other).
    Source: PEARL, algorithm 2; oyster, `RLAlgorithm.collect_paths`.
    """
    lanes = [(index, run) for index in range(len(task_ids)) for run in range(num_runs)]
    slices: list[list[Paths]] = []
    for start in range(0, len(lanes), env.num_envs):
        part = lanes[start : start + env.num_envs]
        given = [paths.select(np.arange(start, start + len(part))) for paths in explored]
        noisy = num_stochastic if deterministic else math.inf
        slices.append(
            _adapt_slice(
                env, policy, task_ids, part, num_steps, max_path_length, streams, noisy, given
            )
        )
    depth = max(len(trajectories) for trajectories in slices)
    padded = [s + [s[0].emptied()] * (depth - len(s)) for s in slices]
    trajectories = [Paths.concatenate(list(parts)) for parts in zip(*padded, strict=True)]
    return Adaptation(len(task_ids), num_runs, trajectories)


def _adapt_slice(
    env: MetaEnv,
    policy: MetaPolicy,
    task_ids: Sequence[int],
    lanes: Sequence[tuple[int, int]],
    num_steps: int,
    max_path_length: int,
    streams: Callable[[int, int, int], np.random.Generator],
    num_stochastic: float,
    explored: Sequence[Paths],
) -> list[Paths]:
    """The runs of at most num_envs lanes; lanes whose budget is spent get empty trajectories."""
    policy.reset_belief(len(lanes))
    ids = np.array([task_ids[index] for index, _ in lanes])
    steps = np.zeros(len(lanes), dtype=np.int64)
    trajectories: list[Paths] = []
    while (steps < num_steps).any():
        if len(trajectories) < len(explored):
            paths = explored[len(trajectories)]
        else:
            generators = [streams(index, run, len(trajectories)) for index, run in lanes]
            deterministic = len(trajectories) >= num_stochastic
            paths = rollout(
                env, policy, ids, generators, max_path_length, deterministic=deterministic
            )
        paths = paths.emptied(where=steps >= num_steps)
        policy.adapt(paths)
        steps += paths.lengths
        trajectories.append(paths)
    return trajectories
