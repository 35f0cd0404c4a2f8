"""Samples whole trajectories in this process, in slices of the environment's lanes."""

from collections.abc import Callable, Sequence

import numpy as np

from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.policies.base import Context, ContextPolicy, MetaPolicy
from rlkit.samplers.util import rollout


class InPlacePathSampler:
    """Runs a meta-policy on any number of trajectories, `env.num_envs` of them at a time.

    Args:
        env: takes actions in [-1, 1].
        policy: acts.
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
        """Run one trajectory per entry, each with an empty belief unless `begin` sets another.

        Args:
            task_ids: task of each trajectory, any number of them.
            generators: one per trajectory.
            begin: called before each slice, when the belief has been reset, with the numbers of
                the trajectories (indices into `task_ids`) that are about to run, in lane order.
            deterministic: no action noise; for all trajectories, or one answer for each.
            policy_generators: per trajectory the generator of what the policy fixes for it
                (PEARL: z), where that is not the trajectory's own; equal ones give equal z.
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
        policy: the one that the sampler runs.
        contexts: one per trajectory of the request; None: the belief stays the prior.
    Returns:
        A function of the numbers of the trajectories that are about to run.
    """

    def begin(trajectories: Sequence[int]) -> None:
        given = [(lane, contexts[number]) for lane, number in enumerate(trajectories)]
        chosen = [(lane, context) for lane, context in given if context is not None]
        if chosen:
            policy.infer_posterior([context for _, context in chosen], [lane for lane, _ in chosen])

    return begin
