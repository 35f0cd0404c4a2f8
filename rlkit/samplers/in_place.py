"""Samples whole trajectories in this process, in slices of the environment's lanes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.samplers.util import rollout


class InPlacePathSampler:
    """Runs a meta-policy whose beliefs are given by context batches (not by the rollouts themselves).

    Args:
        env: takes actions in [-1, 1].
        policy: a MetaPolicy that also offers `infer_posterior(context, lanes)`.
        max_path_length: horizon of a trajectory.
    """

    def __init__(self, env: MetaEnv, policy, max_path_length: int) -> None:
        self.env, self.policy, self.max_path_length = env, policy, max_path_length

    def obtain_samples(
        self,
        task_ids: Sequence[int],
        generators: Sequence[np.random.Generator],
        contexts: Sequence | None = None,
        *,
        deterministic: bool | Sequence[bool] = False,
        z_generators: Sequence[np.random.Generator] | None = None,
    ) -> Paths:
        """Run one trajectory per entry, each with a fresh z.

        Args:
            task_ids: task of each trajectory, any number of them.
            generators: one per trajectory.
            contexts: per trajectory a context batch [n, context_dim] whose posterior z is drawn from, or None for the prior.
            deterministic: no action noise; for all trajectories, or one answer for each.
            z_generators: per trajectory the generator of its z, where that is not its own; equal ones give equal z.
        Returns:
            The trajectories in the given order, with their z.
        """
        slices = []
        for start in range(0, len(task_ids), self.env.num_envs):
            part = slice(start, start + self.env.num_envs)
            ids = task_ids[part]
            self.policy.reset_belief(len(ids))
            if contexts is not None:
                lanes = [i for i, context in enumerate(contexts[part]) if context is not None]
                if lanes:
                    self.policy.infer_posterior([contexts[start + i] for i in lanes], lanes)
            options: dict[str, Any] = {
                "deterministic": deterministic
                if isinstance(deterministic, bool)
                else deterministic[part],
                "z_generators": None if z_generators is None else z_generators[part],
            }
            slices.append(
                rollout(
                    self.env, self.policy, ids, generators[part], self.max_path_length, **options
                )
            )
        return Paths.concatenate(slices)
