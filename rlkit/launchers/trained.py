"""A trained agent from a run folder, for use in other programs."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from rlkit.core.errors import UserError
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.launcher import EvaluationProtocol, Launcher, launcher_for
from rlkit.launchers.run_config import read_run_config
from rlkit.launchers.run_folder import load_tasks
from rlkit.policies.base import FeedbackPolicy, LatentPolicy, MetaPolicy

Rows = np.ndarray | Sequence[ArrayLike]

BOX_TOLERANCE = 1e-4  # rounding tolerance of actions, relative to half the box


class TrainedAgent:
    """Acts in an unknown task, and adapts to it after each trajectory.

    A single lane uses plain arrays, [obs_dim] and [act_dim]. After `reset(num_lanes=n)` there are n
    tasks, and arrays have a leading axis of n. Actions are in the box of the run's own
    environment, not in [-1, 1].

    Attributes:
        config: of the run.
        protocol: how the run is evaluated: horizon, number of exploration trajectories before the
            belief is used, whether rewards are sparse.
        tasks: the task set of the run, [n_tasks, task_dim].
    """

    def __init__(
        self,
        policy: MetaPolicy,
        env: MetaEnv,
        config: ExperimentConfig,
        protocol: EvaluationProtocol,
        seed: int,
    ) -> None:
        """Start one lane with an unknown task.

        Args:
            policy: the trained policy, which acts in [-1, 1].
            env: has sizes, action box and tasks; kept, because a policy may plan with it.
            config: of the run.
            protocol: see the class.
            seed: of exploration and action noise.
        """
        self.config, self.protocol, self.tasks = config, protocol, env.tasks
        self._policy, self._env, self._seed = policy, env, seed
        box = env.unwrapped
        self._low, self._high = box.action_low, box.action_high
        self._half_width = 0.5 * (box.action_high - box.action_low)
        self._num_resets = 0
        self.reset()

    def reset(self, num_lanes: int | None = None) -> None:
        """Reset to the prior for a new task, or for `num_lanes` new tasks, one lane each.

        Exploration differs between resets, but is the same in every process.

        Raises:
            ValueError: `num_lanes` is below 1.
        """
        if num_lanes is not None and num_lanes < 1:
            raise ValueError(f"num_lanes is {num_lanes}, expected None or a number of at least 1")
        self._single, self._num_lanes = num_lanes is None, num_lanes or 1
        self._policy.reset_belief(self._num_lanes)
        self._num_trajectories = 0
        self._start_trajectories()
        self._num_resets += 1

    def act(self, obs: ArrayLike, *, deterministic: bool = True) -> np.ndarray:
        """Choose an action.

        Args:
            obs: [obs_dim]; for n lanes [n, obs_dim], with any values in lanes that have ended.
            deterministic: take the policy's mean action; False: add its noise.
        Returns:
            float32 [act_dim] or [n, act_dim], within the environment's box.
        Raises:
            ValueError: wrong shape, or a non-finite number.
        """
        seen = np.asarray(obs)
        expected = (self._env.obs_dim,) if self._single else (self._num_lanes, self._env.obs_dim)
        if seen.shape != expected:
            raise ValueError(
                f"obs has shape {seen.shape}, expected {expected}; reset(num_lanes=n) makes n lanes"
            )
        if not np.isfinite(seen).all():
            raise ValueError("obs contains a non-finite number")
        noise = None
        if not deterministic:
            size, draws = self._env.act_dim, self._generators
            noise = np.stack([draw.standard_normal(size) for draw in draws]).astype(np.float32)
        lanes = seen.reshape(self._num_lanes, -1).astype(self._obs_dtype)
        scaled = np.asarray(self._policy.get_actions(lanes, noise), np.float64) + 1.0
        action = np.clip(scaled * self._half_width + self._low, self._low, self._high)
        return self._out(action.astype(np.float32))

    def after_step(self, reward: ArrayLike, ended: ArrayLike) -> None:
        """Report the result of the last action; needed only by recurrent policies that use it.

        Args:
            reward: a number; for n lanes [n], 0 in lanes that had ended before.
            ended: whether the trajectory is over; for n lanes bool [n].
        """
        if isinstance(self._policy, FeedbackPolicy):
            shape = (self._num_lanes,)
            rewards, over = np.asarray(reward, np.float32), np.asarray(ended, bool)
            self._policy.after_step(rewards.reshape(shape), over.reshape(shape))

    def adapt(
        self,
        obs: Rows,
        actions: Rows,
        rewards: Rows,
        *,
        terminated: ArrayLike = False,
    ) -> None:
        """Adapt to a finished trajectory of T steps; the next `act` starts a new one.

        For n lanes each argument is a sequence of n such arrays, whose lengths may differ. A lane
        without steps (one observation, no action) is not adapted.

        Args:
            obs: [T + 1, obs_dim], from the first observation to the last.
            actions: [T, act_dim], in the environment's box, as they were executed.
            rewards: [T]; the sparse rewards if `protocol.sparse`.
            terminated: whether the task terminated the trajectory at its last step; for n lanes
                bool [n].
        Raises:
            ValueError: inconsistent shapes, a non-finite number, or an action outside the box.
        """
        paths = self._paths(
            self._by_lane("obs", obs),
            self._by_lane("actions", actions),
            self._by_lane("rewards", rewards),
        )
        ends = np.broadcast_to(np.asarray(terminated, bool), self._num_lanes) & (paths.lengths > 0)
        paths.terminated[ends, paths.lengths[ends] - 1] = True
        self._policy.adapt(paths)
        self._num_trajectories += 1
        self._start_trajectories()

    @property
    def z_mean(self) -> np.ndarray:
        """Mean of the belief about z, [latent_dim] or [n, latent_dim].

        Raises:
            UserError: the algorithm has no latent variable.
        """
        return self._out(self._belief()[0])

    @property
    def z_var(self) -> np.ndarray:
        """Variance of the belief about z, as `z_mean`."""
        return self._out(self._belief()[1])

    def _belief(self) -> tuple[np.ndarray, np.ndarray]:
        if not isinstance(self._policy, LatentPolicy):
            raise UserError(f"{self.config.algorithm} has no latent variable z, so no posterior")
        return self._policy.belief()

    @property
    def _obs_dtype(self) -> np.dtype:
        return np.dtype(self._env.single_observation_space.dtype)

    def _out(self, lanes: np.ndarray) -> np.ndarray:
        return lanes[0].copy() if self._single else lanes.copy()

    def _start_trajectories(self) -> None:
        """Let the policy draw what it fixes for a trajectory, one generator per lane."""
        index = self._num_resets, self._num_trajectories
        self._generators = [
            stream(self._seed, "trained agent", *index, lane) for lane in range(self._num_lanes)
        ]
        self._policy.start_trajectories(self._generators)

    def _by_lane(self, name: str, rows: Rows) -> list[np.ndarray]:
        lanes = [np.asarray(one) for one in ([rows] if self._single else rows)]
        if len(lanes) != self._num_lanes:
            raise ValueError(f"{name}: {len(lanes)} trajectories for {self._num_lanes} lanes")
        return lanes

    def _paths(
        self,
        obs: Sequence[np.ndarray],
        actions: Sequence[np.ndarray],
        rewards: Sequence[np.ndarray],
    ) -> Paths:
        """Check the trajectories of all lanes and combine them."""
        env, lengths = self._env, [len(one) for one in rewards]
        dims = env.recorded_dim, env.act_dim, env.outcome_dim
        paths = Paths.empty(
            len(lengths), max(1, *lengths), *dims, dtype=env.dtype, obs_dtype=self._obs_dtype
        )
        paths.lengths[:] = lengths
        for lane, steps in enumerate(lengths):
            rows = obs[lane], actions[lane].reshape(-1, env.act_dim), rewards[lane]
            wanted = (steps + 1, env.obs_dim), (steps, env.act_dim), (steps,)
            for name, array, shape in zip(("obs", "actions", "rewards"), rows, wanted, strict=True):
                if array.shape != shape:
                    raise ValueError(
                        f"{name} of a trajectory of {steps} rewards has shape {array.shape}, "
                        f"expected {shape}"
                    )
                if not np.isfinite(array).all():
                    raise ValueError(f"{name} contains a non-finite number")
            # A trajectory stores the newest image of a stack.
            paths.obs[lane, : steps + 1] = rows[0][:, -env.recorded_dim :]
            paths.actions[lane, :steps] = self._normalized(rows[1])
            paths.rewards[lane, :steps] = paths.sparse_rewards[lane, :steps] = rows[2]
        return paths

    def _normalized(self, actions: np.ndarray) -> np.ndarray:
        """Map actions [T, act_dim] from the environment's box to [-1, 1]."""
        scaled = (actions.astype(np.float64) - self._low) / self._half_width - 1.0
        if (np.abs(scaled) > 1.0 + BOX_TOLERANCE).any():
            box = f"{self._low.tolist()} to {self._high.tolist()}"
            raise ValueError(f"actions contains values outside the environment's box, {box}")
        return np.clip(scaled, -1.0, 1.0)


def run_env(
    launcher: Launcher[ExperimentConfig],
    config: ExperimentConfig,
    run_dir: Path,
    num_envs: int | None = None,
) -> MetaEnv:
    """Construct the environment of a run with the run's own task set.

    Raises:
        UserError: the task set is damaged or of another environment.
    """
    try:
        return launcher.build_env(config, load_tasks(run_dir), num_envs=num_envs)
    except ValueError as error:
        raise UserError(f"{run_dir}: {error}") from error


def load_agent(
    run_dir: str | os.PathLike[str],
    config: str | os.PathLike[str] | None = None,
    *,
    device: str = "cpu",
    seed: int | None = None,
) -> TrainedAgent:
    """Load the trained agent of a run folder; see `rlkit.load`."""
    run_dir = Path(run_dir)
    settings, _ = read_run_config(run_dir, None if config is None else Path(config))
    launcher = launcher_for(settings)
    env = run_env(launcher, settings, run_dir, num_envs=1)
    policy = launcher.load(settings, env, run_dir, device)
    seed = (settings.seed or 0) if seed is None else seed
    return TrainedAgent(policy, env, settings, launcher.protocol(settings), seed)
