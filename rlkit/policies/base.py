"""Protocols: what samplers and evaluation ask of something that acts."""

from collections.abc import Sequence
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from rlkit.data_management.paths import Paths

Context = TypeVar("Context", contravariant=True)


class Policy(Protocol):
    """Acts in many lanes at once."""

    def start_trajectories(self, generators: Sequence[np.random.Generator]) -> None:
        """Draw what the policy fixes for a whole trajectory (PEARL: z), one generator per lane."""

    def get_actions(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """Choose an action for every lane, including those that have ended.

        Args:
            obs: observations, [num_envs, obs_dim]; meaningless for lanes that have ended.
            noise: standard normal, [num_envs, act_dim]; None: act without noise.
        Returns:
            Actions in [-1, 1], [num_envs, act_dim]; those of lanes that have ended are ignored.
        """


@runtime_checkable
class FeedbackPolicy(Policy, Protocol):
    """A policy that receives the result of its actions while a trajectory runs.

    For recurrent policies that take their last action, its reward and the end of an episode as
    input. A lane that has ended stands still until all have ended, so a policy with a state must
    leave the state of these lanes alone; otherwise it would depend on how long the other lanes
    run. Whether the state survives into the next trajectory is the policy's own affair:
    `start_trajectories` begins a trajectory, `MetaPolicy.reset_belief` begins a task.
    """

    def after_step(self, reward: np.ndarray, ended: np.ndarray) -> None:
        """Take in the result of the last `get_actions`.

        Args:
            reward: [num_envs], 0 in lanes that had ended before this step.
            ended: whether the trajectory is over, by termination, truncation or the horizon, bool
                [num_envs]; stays True once it is.
        """


@runtime_checkable
class PolicyWithLatents(Policy, Protocol):
    """A policy that fixes a latent z for each trajectory and reports it, to be stored with it."""

    def latents(self) -> np.ndarray:
        """The z of each lane's trajectory, [num_envs, latent_dim]."""


class MetaPolicy(Policy, Protocol):
    """A policy that learns about its task from the trajectories it is shown."""

    def reset_belief(self, num_envs: int) -> None:
        """Forget everything: `num_envs` lanes begin, each with a task it knows nothing of."""

    def adapt(self, paths: Paths) -> None:
        """Take in one finished trajectory per lane, [num_envs]; length 0 carries nothing."""


@runtime_checkable
class LatentPolicy(MetaPolicy, Protocol):
    """A meta-policy whose belief is a normal distribution of a latent variable z."""

    def belief(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of z in every lane, each [num_envs, latent_dim]."""


class ContextPolicy(MetaPolicy, Protocol[Context]):
    """A meta-policy whose belief can be inferred from given contexts (PEARL: context rows)."""

    def infer_posterior(self, context: Sequence[Context], lanes: Sequence[int]) -> None:
        """Set the belief of these lanes to the posterior given their contexts, one each."""
