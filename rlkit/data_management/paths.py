"""Whole trajectories as dense arrays, filled by samplers and stored in replay buffers."""

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Paths:
    """Trajectories of unequal length in arrays of equal shape, zero past a trajectory's length.

    The fields cannot be replaced, but their entries can be written; samplers fill them this way.

    Attributes:
        obs: [num_paths, horizon + 1, obs_dim]; obs[i, t + 1] is the result of step t. With image
            observations: single uint8 frames. The policy sees stacks of them
            (`frame_buffer.stacked`).
        actions: [num_paths, horizon, act_dim], in [-1, 1].
        rewards: [num_paths, horizon].
        sparse_rewards: [num_paths, horizon], zero where the task has no sparse form.
        terminated: [num_paths, horizon] bool, true at the step that ended the episode.
        outcomes: [num_paths, horizon, outcome_dim], from which each reward was computed.
        lengths: steps of each trajectory, [num_paths] int64.
        task_ids: task on which each was collected, [num_paths] int64.
        zs: latent with which each was collected, [num_paths, latent_dim]; latent_dim may be 0.
    """

    obs: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    sparse_rewards: np.ndarray
    terminated: np.ndarray
    outcomes: np.ndarray
    lengths: np.ndarray
    task_ids: np.ndarray
    zs: np.ndarray

    def __post_init__(self) -> None:
        """Check that the shapes belong together.

        Raises:
            ValueError: an array's number of paths, steps or axes does not fit that of `rewards`.
        """
        if self.rewards.ndim != 2:
            raise ValueError(
                f"rewards of paths must be [num_paths, horizon], got shape {self.rewards.shape}"
            )
        num_paths, horizon = self.rewards.shape
        leading = {
            "obs": (num_paths, horizon + 1),
            **dict.fromkeys(
                ("actions", "sparse_rewards", "terminated", "outcomes"), (num_paths, horizon)
            ),
            **dict.fromkeys(("lengths", "task_ids", "zs"), (num_paths,)),
        }
        for name, expected in leading.items():
            array = getattr(self, name)
            trailing = 1 if name in ("obs", "actions", "outcomes", "zs") else 0
            if array.shape[: len(expected)] != expected or array.ndim != len(expected) + trailing:
                raise ValueError(
                    f"{name} of {num_paths} paths over {horizon} steps must begin with the axes"
                    f" {expected} and have {trailing} more, got shape {array.shape}"
                )

    @classmethod
    def empty(
        cls,
        num_paths: int,
        horizon: int,
        obs_dim: int,
        act_dim: int,
        outcome_dim: int,
        latent_dim: int = 0,
        dtype: type | np.dtype = np.float32,
        obs_dtype: type | np.dtype | None = None,
    ) -> "Paths":
        """Make trajectories of length zero, to be filled in place.

        Args:
            num_paths: number of trajectories.
            horizon: maximum steps of a trajectory.
            obs_dim: size of an observation.
            act_dim: size of an action.
            outcome_dim: size of an outcome.
            latent_dim: size of z; 0 without one.
            dtype: of observations, actions, rewards and outcomes; z is float32.
            obs_dtype: of observations, if different.
        """
        return cls(
            obs=np.zeros((num_paths, horizon + 1, obs_dim), obs_dtype or dtype),
            actions=np.zeros((num_paths, horizon, act_dim), dtype),
            rewards=np.zeros((num_paths, horizon), dtype),
            sparse_rewards=np.zeros((num_paths, horizon), dtype),
            terminated=np.zeros((num_paths, horizon), bool),
            outcomes=np.zeros((num_paths, horizon, outcome_dim), dtype),
            lengths=np.zeros(num_paths, np.int64),
            task_ids=np.zeros(num_paths, np.int64),
            zs=np.zeros((num_paths, latent_dim), np.float32),
        )

    @classmethod
    def concatenate(cls, parts: Sequence["Paths"]) -> "Paths":
        """Join trajectories of one horizon, in the given order.

        Raises:
            ValueError: nothing is given, or the parts differ in horizon or dimensions.
        """
        if not parts:
            raise ValueError("there are no paths to concatenate; at least one part is needed")
        if len(parts) == 1:
            return parts[0]
        return cls(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS}
        )

    @property
    def num_paths(self) -> int:
        """Number of trajectories."""
        return self.rewards.shape[0]

    @property
    def horizon(self) -> int:
        """Maximum steps of a trajectory."""
        return self.rewards.shape[1]

    @property
    def num_steps(self) -> int:
        """Transitions of all trajectories together."""
        return int(self.lengths.sum())

    @property
    def mask(self) -> np.ndarray:
        """True where a trajectory has a step, [num_paths, horizon] bool."""
        return np.arange(self.horizon) < self.lengths[:, None]

    def returns(self, sparse: bool = False) -> np.ndarray:
        """Undiscounted sums of rewards, [num_paths] float64.

        Rewards are summed in the order of the steps, so that a return depends neither on the
        horizon nor on the other paths.

        Args:
            sparse: sum the sparse rewards.
        """
        rewards = np.where(self.mask, self.sparse_rewards if sparse else self.rewards, 0)
        sums = rewards.cumsum(axis=1, dtype=np.float64)
        return sums[:, -1] if self.horizon else np.zeros(self.num_paths)

    def select(self, indices: Sequence[int] | np.ndarray | slice) -> "Paths":
        """Take some trajectories, in the given order; an index array copies, a slice does not."""
        index = indices if isinstance(indices, slice) else np.asarray(indices)
        if not isinstance(index, slice) and not index.size:
            index = index.astype(np.int64)
        return Paths(**{name: getattr(self, name)[index] for name in FIELDS})

    def emptied(self, where: np.ndarray | None = None) -> "Paths":
        """Copy in which some trajectories have length zero.

        Args:
            where: true for these, [num_paths] bool; None: all.
        """
        keep = np.zeros(self.num_paths, bool) if where is None else ~where
        if keep.all():
            return self
        arrays = {name: getattr(self, name) for name in FIELDS}
        for name in set(FIELDS) - {"task_ids"}:
            arrays[name] = np.where(
                keep.reshape(-1, *[1] * (arrays[name].ndim - 1)), arrays[name], 0
            ).astype(arrays[name].dtype)
        return Paths(**arrays)

    def one_id_each(self, task_ids: Sequence[int] | np.ndarray) -> np.ndarray:
        """Check that there is one task id per trajectory; returns them as [num_paths] int64.

        Raises:
            ValueError: there are more or fewer.
        """
        ids = np.asarray(task_ids, np.int64)
        if ids.shape != (self.num_paths,):
            raise ValueError(
                f"expected one task id for each of {self.num_paths} paths, got shape {ids.shape}"
            )
        return ids

    def rows(self) -> dict[str, np.ndarray]:
        """Transitions of all trajectories, path after path: arrays [num_steps, dim]."""
        mask = self.mask
        arrays = {
            "obs": self.obs[:, :-1],
            "actions": self.actions,
            "rewards": self.rewards[..., None],
            "sparse_rewards": self.sparse_rewards[..., None],
            "next_obs": self.obs[:, 1:],
            "terminated": self.terminated[..., None],
        }
        if mask.all():
            return {
                name: array.reshape(mask.size, array.shape[2]) for name, array in arrays.items()
            }
        return {name: array[mask] for name, array in arrays.items()}


FIELDS = tuple(field.name for field in dataclasses.fields(Paths))
