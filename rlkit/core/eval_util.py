"""Meta-test evaluation: how well a meta-policy does on a task, trajectory by trajectory."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.policies.base import MetaPolicy
from rlkit.samplers.util import rollout


@dataclass(frozen=True)
class Adaptation:
    """The trajectories of a meta-test: several independent runs of every task.

    Attributes:
        num_tasks, num_runs: the lanes are task-major: lane = task * num_runs + run.
        trajectories: `trajectories[n]` holds trajectory n of every lane (length 0 where the
            lane's budget was spent).
        counted: trajectories that enter the final return, [num_trajectories, num_lanes] bool; None:
            the last of each lane.
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
        """Return of every trajectory, [num_trajectories, num_tasks, num_runs].

        It is nan where a lane ran fewer trajectories.
        """
        returns = np.stack([paths.returns(sparse) for paths in self.trajectories]).astype(float)
        returns[np.stack([paths.lengths == 0 for paths in self.trajectories])] = np.nan
        return returns.reshape(-1, self.num_tasks, self.num_runs)

    def final(self) -> np.ndarray:
        """Whether each trajectory is part of the final return, [num_trajectories, num_lanes]."""
        if self.counted is not None:
            return self.counted
        return np.arange(len(self.trajectories))[:, None] == self.num_trajectories().ravel() - 1

    def final_returns(self, sparse: bool) -> np.ndarray:
        """Mean return of the final trajectories of each task (see `final`), [num_tasks].

        Source: oyster, `RLAlgorithm._do_eval`.
        """
        final = self.final().reshape(-1, self.num_tasks, self.num_runs)
        return np.where(final, self.returns(sparse), 0.0).sum(axis=(0, 2)) / final.sum(axis=(0, 2))

    def final_paths(self) -> Paths:
        """The trajectories that enter the final return."""
        return Paths.concatenate(
            [
                paths.select(chosen)
                for paths, chosen in zip(self.trajectories, self.final(), strict=True)
            ]
        )


def mean_speed(env: MetaEnv, paths: Paths) -> float:
    """Mean over all steps of `MetaEnv.speed`; nan if the task defines none."""
    speed = env.speed(paths.outcomes, env.tasks[paths.task_ids][:, None])
    return math.nan if speed is None else float(speed[paths.mask].mean(dtype=np.float64))


def successes(env: MetaEnv, paths: Paths) -> np.ndarray | None:
    """Whether each trajectory succeeded at its last step, bool [num_paths].

    None if the task does not define success.
    """
    last = paths.outcomes[np.arange(paths.num_paths), np.maximum(paths.lengths, 1) - 1]
    return env.success(last, env.tasks[paths.task_ids])


def success_rate(env: MetaEnv, paths: Paths) -> float:
    """Fraction of trajectories that succeed; nan if the task does not define success."""
    success = successes(env, paths)
    return math.nan if success is None else float(success.mean())


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
    report: Callable[[int], None] = lambda steps: None,
) -> Adaptation:
    """Run the meta-test.

    A run starts from the prior and adapts after each of its trajectories. It ends once it has
    `num_steps` transitions; its last trajectory is not cut at the budget. All runs of all tasks
    step together, in slices of the environment's lanes.

    Args:
        env: takes actions in [-1, 1].
        policy: any meta-policy.
        task_ids: the tasks, [num_tasks]; a task may occur more than once.
        num_runs: independent runs per task.
        num_steps: transitions of a run.
        max_path_length: horizon of a trajectory.
        streams: generator of a trajectory from (index into task_ids, run, trajectory).
        deterministic: act without noise, in exploration trajectories too.
        num_stochastic: the first `num_stochastic` trajectories of a run always have noise.
        explored: the first trajectories of every run if they have been run already (before
            the first adaptation they are independent): one entry each, lanes in task-major order.
        report: called after each trajectory of a slice with the number of steps it added towards
            `num_steps`.
    Source: PEARL, algorithm 2; oyster, `RLAlgorithm.collect_paths`.
    """
    lanes = [(index, run) for index in range(len(task_ids)) for run in range(num_runs)]
    slices: list[list[Paths]] = []
    for start in range(0, len(lanes), env.num_envs):
        part = lanes[start : start + env.num_envs]
        given = [paths.select(np.arange(start, start + len(part))) for paths in explored]
        noisy = num_stochastic if deterministic else math.inf
        slices.append([])
        num_done = 0
        for paths in _adapt_slice(
            env, policy, task_ids, part, num_steps, max_path_length, streams, noisy, given
        ):
            slices[-1].append(paths)
            lengths = np.sum([p.lengths for p in slices[-1]], axis=0)
            before, num_done = num_done, int(np.minimum(lengths, num_steps).sum())
            report(num_done - before)
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
) -> Iterator[Paths]:
    """Run at most num_envs lanes; lanes whose budget is spent get empty trajectories.

    Yields:
        The first, second, ... trajectory of every lane.
    """
    policy.reset_belief(len(lanes))
    ids = np.array([task_ids[index] for index, _ in lanes])
    steps = np.zeros(len(lanes), dtype=np.int64)
    for number in itertools.count():
        if (steps >= num_steps).all():
            return
        if number < len(explored):
            paths = explored[number]
        else:
            generators = [streams(index, run, number) for index, run in lanes]
            deterministic = number >= num_stochastic
            paths = rollout(
                env, policy, ids, generators, max_path_length, deterministic=deterministic
            )
        paths = paths.emptied(where=steps >= num_steps)
        policy.adapt(paths)
        steps += paths.lengths
        yield paths
