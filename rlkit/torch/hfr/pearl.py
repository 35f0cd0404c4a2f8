"""Protocols of the parts of PEARL that HFR uses: agent, critics, policy and settings.

HFR uses only these, so it works with any agent that has a task latent.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from rlkit.data_management.batch import Batch
from rlkit.data_management.paths import Paths


class Agent(Protocol):
    """Infers a latent task variable from context rows."""

    latent_dim: int

    def posterior(self, context: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and variance [n, latent_dim] of q(z | c) for context rows [n, T, context_dim].

        `mask` [n, T] marks the valid rows.
        """

    def context_of(self, batch: Batch) -> Tensor:
        """Context rows of replay rows, [n, T, context_dim]: obs, action, reward, ..."""

    def context_of_paths(self, paths: Paths) -> Tensor:
        """Context rows of trajectories, [num_paths, horizon, context_dim]."""


class Sample(Protocol):
    """Actions in [-1, 1] and the logarithm of their density."""

    @property
    def action(self) -> Tensor:
        """[..., act_dim]."""

    @property
    def log_prob(self) -> Tensor:
        """[..., 1]."""


class Policy(Protocol):
    """pi(a | s, z)."""

    def sample(self, obs: Tensor, z: Tensor, noise: Tensor) -> Sample:
        """Sample an action from standard normal noise [..., act_dim]."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """The weights; the first one determines device and dtype."""


class Networks(Protocol):
    """PEARL's networks, by name."""

    @property
    def qf1(self) -> nn.Module:
        """Q(s, a, z)."""

    @property
    def qf2(self) -> nn.Module:
        """Q(s, a, z)."""

    @property
    def target_vf(self) -> nn.Module:
        """V(s, z)."""

    @property
    def policy(self) -> Policy:
        """pi(a | s, z)."""


class Settings(Protocol):
    """Settings of PEARL that utilities depend on."""

    @property
    def sparse_rewards(self) -> bool:
        """Whether contexts contain sparse rewards."""

    @property
    def max_path_length(self) -> int:
        """Horizon of a trajectory, in steps."""

    @property
    def embedding_batch_size(self) -> int:
        """Number of rows in a context."""

    @property
    def reward_scale(self) -> float:
        """Factor of the rewards in Bellman targets."""

    @property
    def discount(self) -> float:
        """gamma."""


class MetaLearner(NamedTuple):
    """The meta-learner whose data are relabeled."""

    agent: Agent
    networks: Networks
    settings: Settings
