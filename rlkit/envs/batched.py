"""`BatchedEnv`: many running copies ("lanes") of one environment, stepped together.

Horizons, resets in mid-rollout and random streams belong to the sampler.
"""

import abc
from collections.abc import Sequence

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from rlkit.envs.lanes import Lanes, StepResult, at_least


class BatchedEnv(abc.ABC):
    """Lanes of one environment, stepped together, in the vocabulary of `gymnasium.vector`.

    Attributes:
        name: registered name, for example "cheetah-vel".
        num_envs: the greatest number of lanes that can be in use.
        obs_dim, act_dim: sizes of one observation and one action.
        outcome_dim: size of an outcome, which is what the reward of a step depends on.
        recorded_dim: size of the part of an observation that a trajectory records, which is its
            end: the newest image of a stack, otherwise everything.
        max_episode_steps: customary horizon in steps; no step is refused or truncated because of
            it.
        dt: duration of a step [s]; None where steps have none.
        dtype: of observations and rewards, float32 or float64.
        action_box: smallest and largest action, numbers or [act_dim]; a class attribute, unless
            the constructor has to find it out.
        action_low, action_high: the same, float64 [act_dim].
        single_observation_space, single_action_space: gymnasium's boxes for one lane.
    """

    name: str
    obs_dim: int
    act_dim: int
    outcome_dim: int
    max_episode_steps: int
    dt: float | None = None
    action_box: tuple[ArrayLike, ArrayLike] | None = None
    single_action_space: gymnasium.spaces.Box
    single_observation_space: gymnasium.spaces.Box

    def __init__(self, *, num_envs: int, dtype: DTypeLike) -> None:
        self.num_envs = at_least("num_envs", num_envs, 1)
        self._num_lanes, self.recorded_dim = 0, self.obs_dim
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
            raise ValueError(f"dtype is {self.dtype}, expected float32 or float64")
        if self.action_box is None:
            raise ValueError(
                f"{self.name}: the class must have action_box, its smallest and largest action"
            )
        self.action_low, self.action_high = (
            np.broadcast_to(np.asarray(bound, np.float64), (self.act_dim,)).copy()
            for bound in self.action_box
        )
        low, high = (bound.astype(np.float32) for bound in (self.action_low, self.action_high))
        self.single_action_space = gymnasium.spaces.Box(low, high)
        dtype = np.float32 if self.dtype == np.float32 else np.float64
        self.single_observation_space = gymnasium.spaces.Box(
            -np.inf, np.inf, (self.obs_dim,), dtype
        )
        self._started = np.zeros(self.num_envs, bool)
        self._waiting = False  # whether a lane in use was not started

    @property
    def num_lanes(self) -> int:
        """Lanes in use now; every array that goes in or out has this many rows."""
        return self._num_lanes

    @abc.abstractmethod
    def _reset_lanes(
        self, generators: Sequence[np.random.Generator], lanes: np.ndarray
    ) -> np.ndarray:
        """Start an episode in each of these lanes.

        Args:
            generators: one per lane; each lane's start state is drawn from its own.
            lanes: indices of the lanes, [n].
        Returns:
            First observations, [n, obs_dim].
        """

    def reset(
        self, generators: Sequence[np.random.Generator], lanes: ArrayLike | None = None
    ) -> np.ndarray:
        """Start an episode in each of the given lanes.

        Args:
            generators: one per lane; each lane's reset is drawn from its own.
            lanes: which lanes, None for all in use.
        Returns:
            First observations, [len(generators), obs_dim].
        Raises:
            ValueError: a lane not in use, or another number of generators than of lanes.
        """
        chosen = self.check_lanes(lanes)
        if len(generators) != len(chosen):
            given = f"{len(generators)} generators for {len(chosen)} lanes"
            raise ValueError(f"{self.name}: {given}, expected one each")
        if not len(chosen):
            return np.zeros((0, self.obs_dim), self.dtype)
        obs = self._reset_lanes(generators, chosen)
        self._begin(chosen)
        return obs.astype(self.dtype)

    def _begin(self, lanes: np.ndarray) -> None:
        """Note that an episode begins in these lanes."""
        self._started[lanes] = True
        self._waiting = not self._started[: self.num_lanes].all()

    def _stop(self, lanes: np.ndarray) -> None:
        """Note that these lanes must be reset before the next step."""
        self._started[lanes] = False
        self._waiting = not self._started[: self.num_lanes].all()

    def step(self, action: ArrayLike, running: np.ndarray | None = None) -> StepResult:
        """Advance lanes by one action each.

        There is no automatic reset: a lane that has terminated may be stepped on, or left out.

        Args:
            action: [num_lanes, act_dim], within the action box.
            running: lanes that are advanced, bool [num_lanes]; None: all in use. The others are
                idle: their actions are ignored, their rows of the result are zero.
        Returns:
            obs [num_lanes, obs_dim], reward [num_lanes], terminated [num_lanes], truncated
            [num_lanes] (by the class itself, not by a horizon; our own tasks never do), and info
            with outcome [num_lanes, outcome_dim], sparse_reward [num_lanes] and diverged
            [num_lanes] (the physics failed, which terminates the lane and disturbs no other).
        Raises:
            ValueError: wrong shape, an action that is not finite, or a lane that was never reset.
        """
        return self.step_checked(self.check_action(action), running)

    def step_checked(self, action: np.ndarray, running: np.ndarray | None = None) -> StepResult:
        """`step` for actions that `check_action` has seen."""
        num_lanes = self.num_lanes
        if self._waiting:
            waiting = np.flatnonzero(~self._started[:num_lanes]).tolist()
            raise ValueError(
                f"{self.name}: lanes {waiting} have a new task and must be reset before a step"
            )
        if running is None:
            return self._step_lanes(action, slice(num_lanes))
        if running.shape != (num_lanes,) or running.dtype != bool:
            raise ValueError(
                f"{self.name}: running has shape {running.shape} and type {running.dtype}, "
                f"expected booleans ({num_lanes},)"
            )
        obs = np.zeros((num_lanes, self.obs_dim), self.dtype)
        outcome = np.zeros((num_lanes, self.outcome_dim), self.dtype)
        reward, sparse_reward = np.zeros((2, num_lanes), self.dtype)
        terminated, truncated, diverged = np.zeros((3, num_lanes), bool)
        lanes = np.flatnonzero(running)
        if len(lanes):
            step = self._step_lanes(action[lanes], lanes)
            obs[lanes], reward[lanes], terminated[lanes], truncated[lanes], info = step
            outcome[lanes], diverged[lanes] = info["outcome"], info["diverged"]
            sparse_reward[lanes] = info["sparse_reward"]
        info = {"outcome": outcome, "sparse_reward": sparse_reward, "diverged": diverged}
        return obs, reward, terminated, truncated, info

    @abc.abstractmethod
    def _step_lanes(self, action: np.ndarray, lanes: Lanes) -> StepResult:
        """Step n lanes.

        Args:
            action: [n, act_dim], checked.
            lanes: the n lanes, as an index into arrays with a row per lane.
        Returns:
            As `step`, with n rows.
        """

    def close(self) -> None:
        """Take all lanes out of use and release resources such as threads; may be called twice."""
        self._num_lanes = 0

    def check_action(self, action: ArrayLike) -> np.ndarray:
        """Convert actions to a contiguous float64 array [num_lanes, act_dim].

        Raises:
            ValueError: a wrong shape, or a number that is not finite.
        """
        checked = np.ascontiguousarray(action, dtype=np.float64)
        if checked.shape != (self.num_lanes, self.act_dim):
            raise ValueError(
                f"{self.name}: action has shape {checked.shape}, expected (lanes in use, act_dim) "
                f"= ({self.num_lanes}, {self.act_dim})"
            )
        if not np.isfinite(checked).all():
            bad = np.flatnonzero(~np.isfinite(checked).all(axis=1)).tolist()
            raise ValueError(
                f"{self.name}: the actions of lanes {bad} are not finite: "
                f"{checked[bad[0]].tolist()}"
            )
        return checked

    def check_lanes(self, lanes: ArrayLike | None) -> np.ndarray:
        """Convert lane numbers to an int64 array; None means all lanes in use.

        Raises:
            ValueError: a number out of range or given twice.
        """
        if lanes is None:
            return np.arange(self.num_lanes)
        checked = as_indices("lanes", lanes)
        out_of_range = (checked < 0) | (checked >= self.num_lanes)
        if out_of_range.any() or len(np.unique(checked)) != len(checked):
            raise ValueError(
                f"{self.name}: lanes are {checked.tolist()}, expected different numbers from 0 to "
                f"{self.num_lanes - 1} ({self.num_lanes} lanes are in use)"
            )
        return checked


def as_indices(name: str, values: ArrayLike) -> np.ndarray:
    """Convert a sequence of integers to an int64 array [n]; ValueError naming it otherwise."""
    checked = np.atleast_1d(np.asarray(values))
    if checked.ndim != 1 or (checked.size and not np.issubdtype(checked.dtype, np.integer)):
        raise ValueError(f"{name} are {values!r}, expected a sequence of integers")
    return checked.astype(np.int64)
