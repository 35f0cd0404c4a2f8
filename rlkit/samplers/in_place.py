"""Sampling of whole trajectories in this process, `num_envs` lanes at a time.

`Quota` computes how many trajectories to run for a number of steps when episodes may end early.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.policies.base import Context, ContextPolicy, MetaPolicy
from rlkit.samplers.util import rollout


class InPlacePathSampler:
    """Runs a meta-policy on any number of trajectories, `env.num_envs` of them at a time.

    Args:
        env: takes actions in [-1, 1].
        policy: chooses the actions.
        max_path_length: horizon of a trajectory.
    """

    def __init__(self, env: MetaEnv, policy: MetaPolicy, max_path_length: int) -> None:
        self.env, self.policy, self.max_path_length = env, policy, max_path_length

    def obtain_samples(
        self,
        task_ids: Sequence[int],
        generators: Sequence[np.random.Generator],
        *,
        begin: Callable[[Sequence[int]], None] | None = None,
        deterministic: bool | Sequence[bool] = False,
        policy_generators: Sequence[np.random.Generator] | None = None,
    ) -> Paths:
        """Run one trajectory per entry, each from the prior unless `begin` sets another belief.

        Args:
            task_ids: task of each trajectory, any number of them.
            generators: one per trajectory.
            begin: called before each slice, after the belief has been reset, with the indices
                (into `task_ids`) of the trajectories about to run, in lane order.
            deterministic: act without noise; one value for all trajectories, or one for each.
            policy_generators: one per trajectory, for what the policy fixes for it (PEARL: z), if
                not its own generator; equal ones give equal z.
        Returns:
            The trajectories in the given order.
        """
        slices = []
        for start in range(0, len(task_ids), self.env.num_envs):
            part = slice(start, start + self.env.num_envs)
            numbers = range(len(task_ids))[part]
            self.policy.reset_belief(len(numbers))
            if begin is not None:
                begin(numbers)
            paths = rollout(
                self.env,
                self.policy,
                task_ids[part],
                generators[part],
                self.max_path_length,
                deterministic=deterministic
                if isinstance(deterministic, bool)
                else deterministic[part],
                policy_generators=None if policy_generators is None else policy_generators[part],
            )
            slices.append(paths)
        return Paths.concatenate(slices)


def with_contexts(
    policy: ContextPolicy[Context], contexts: Sequence[Context | None]
) -> Callable[[Sequence[int]], None]:
    """Make the `begin` of `InPlacePathSampler.obtain_samples` that infers beliefs from contexts.

    Args:
        policy: the sampler's policy.
        contexts: one per trajectory of the request; None: the belief stays the prior.
    Returns:
        A function of the indices of the trajectories about to run.
    """

    def begin(trajectories: Sequence[int]) -> None:
        given = [(lane, contexts[number]) for lane, number in enumerate(trajectories)]
        chosen = [(lane, context) for lane, context in given if context is not None]
        if chosen:
            policy.infer_posterior([context for _, context in chosen], [lane for lane, _ in chosen])

    return begin


class Lane(NamedTuple):
    """A trajectory to be run: its row, its number within the row, its group within the block."""

    row: int
    number: int
    group: int


class Quota:
    """Plans trajectories for several rows (visits or tasks) until each row has its steps.

    No trajectory is longer than the horizon, so a row is only given trajectories that it is sure to
    need: they form the shortest sequence that reaches `num_steps`, and none is discarded.

    Args:
        num_steps: transitions that each row needs.
        horizon: maximum steps of a trajectory.
        started: number of trajectories that each row has already, [num_rows].
        group_size: trajectories per group; 0: all of a row form one group.
    """

    def __init__(
        self, num_steps: int, horizon: int, started: np.ndarray, group_size: int = 0
    ) -> None:
        self.num_steps, self.horizon, self.group_size = num_steps, horizon, group_size
        self.first, self.started = started, started.copy()
        self.steps = np.zeros(len(started), dtype=np.int64)

    @property
    def reached(self) -> bool:
        """Whether every row has its steps."""
        return bool((self.steps >= self.num_steps).all())

    def next_lanes(self, *, one_group: bool = False) -> list[Lane]:
        """Trajectories that are sure to be needed, by row.

        Args:
            one_group: stop each row at the end of its current group.
        """
        missing = np.maximum(self.num_steps - self.steps, 0)
        counts = -(-missing // self.horizon)
        if one_group:
            counts = np.minimum(
                counts, self.group_size - (self.started - self.first) % self.group_size
            )
        return [
            Lane(row, number, self._group(row, number))
            for row, count in enumerate(counts)
            for number in range(int(self.started[row]), int(self.started[row]) + int(count))
        ]

    def count(self, lanes: list[Lane], paths: Paths) -> int:
        """Count the trajectories that were run.

        Returns:
            Number of steps that count towards the quota.
        """
        before = np.minimum(self.steps, self.num_steps).sum()
        rows = [lane.row for lane in lanes]
        np.add.at(self.steps, rows, paths.lengths)
        np.add.at(self.started, rows, 1)
        return int(np.minimum(self.steps, self.num_steps).sum() - before)

    def _group(self, row: int, number: int) -> int:
        return (number - int(self.first[row])) // self.group_size if self.group_size else 0
