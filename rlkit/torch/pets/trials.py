"""Trials in parallel lanes of one environment, resumable after any step."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.torch.execution import torch_threads
from rlkit.torch.pets.mpc import MPC


@dataclass(frozen=True)
class Progress:
    """Progress of running trials.

    Attributes:
        step: number of steps done.
        returns: returns so far, [num_lanes].
        seconds: time that planning the last action took.
    """

    step: int
    returns: np.ndarray
    seconds: float


class Trials:
    """Runs trials with planned or random actions.

    A trial's start, plans and disturbances have separate random streams, keyed by iteration and
    lane. Stopped trials are resumed by repeating their actions, which restores the simulator's
    state bit for bit, including the solver's warm start.

    Args:
        env: takes actions in its own units; has at least as many lanes as trials run together.
        controller: plans the actions.
        horizon: length of a trial in steps.
        noise_std: standard deviation of the noise added to executed actions. The action without
            noise is stored and used for training, as in the reference.
        seed: seed of the run.
        num_threads: CPU threads of the planner.
    Source: kchua/handful-of-trials, dmbrl/misc/Agent.py.
    """

    def __init__(
        self,
        env: MetaEnv,
        controller: MPC,
        horizon: int,
        noise_std: float | None,
        seed: int,
        num_threads: int = 1,
    ) -> None:
        self.env, self.controller, self.horizon = env, controller, horizon
        self.noise_std, self.seed, self.num_threads = noise_std, seed, num_threads
        self.plan_seconds = 0.0  # planning time of the last trials, in this process
        self._actions: list[np.ndarray] = []  # of the unfinished trials
        self._resumed: Mapping[str, Any] | None = None  # the controller's state after these actions

    def run(
        self,
        iteration: int,
        num_lanes: int,
        *,
        random: bool,
        report: Callable[[Progress], None],
    ) -> Paths:
        """Run trials to their end, or resume stopped ones.

        Args:
            iteration: keys the random streams.
            num_lanes: number of parallel trials.
            random: draw actions uniformly instead of planning.
            report: called after every new step; may save a checkpoint, or raise to stop.
        Returns:
            The trials, with actions in the environment's units and without disturbance.
        """
        env, horizon = self.env, self.horizon
        starts, plans, draws, noises = (
            [stream(self.seed, f"trial {purpose}", iteration, lane) for lane in range(num_lanes)]
            for purpose in ("start", "plan", "random action", "disturbance")
        )
        env.reset_task(np.zeros(num_lanes, np.int64))
        dims = env.obs_dim, env.act_dim, env.outcome_dim
        paths = Paths.empty(num_lanes, horizon, *dims, dtype=env.dtype)
        obs = paths.obs[:, 0] = env.reset(starts)
        self._begin_plans(plans)
        running, seconds, self.plan_seconds = np.ones(num_lanes, bool), 0.0, 0.0
        done_before = len(self._actions)
        for t in range(horizon):
            if random:
                size = env.act_dim
                drawn = [g.uniform(env.action_low, env.action_high, size) for g in draws]
                action = np.stack(drawn).astype(env.dtype)
            elif t < done_before:
                action = self._actions[t]
            else:
                action, seconds = self._plan(obs)
            obs = self._step(paths, t, action, running, noises)
            if t >= done_before:
                self._actions.append(action)
                report(Progress(t + 1, paths.returns(), seconds))
            if not running.any():
                break
        self._actions = []
        return paths

    def _begin_plans(self, generators: list[np.random.Generator]) -> None:
        """Start the controller's trajectories, or resume those of stopped trials."""
        self.controller.start_trajectories(generators)
        if self._resumed is not None:
            self.controller.load_state_dict(self._resumed)
            self.controller.skip_plans(-(-len(self._actions) // self.controller.per))
            self._resumed = None

    def _plan(self, obs: np.ndarray) -> tuple[np.ndarray, float]:
        """Plan the next action of every lane; return it with the seconds it took."""
        began = time.perf_counter()
        with torch_threads(self.num_threads):
            action = self.controller.get_actions(obs).astype(self.env.dtype)
        seconds = time.perf_counter() - began
        self.plan_seconds += seconds
        return action, seconds

    def _step(
        self,
        paths: Paths,
        t: int,
        action: np.ndarray,
        running: np.ndarray,
        noises: list[np.random.Generator],
    ) -> np.ndarray:
        """Step the running lanes and store the step; lanes that end are removed from `running`."""
        env, executed = self.env, action.astype(np.float64)
        if self.noise_std is not None:
            disturbance = np.stack([g.standard_normal(env.act_dim) for g in noises])
            executed = executed + self.noise_std * disturbance
        executed = np.clip(executed, env.action_low, env.action_high)
        obs, reward, terminated, truncated, info = env.step(executed, running.copy())
        paths.obs[running, t + 1] = obs[running]
        paths.actions[running, t] = action[running]
        paths.rewards[running, t] = reward[running]
        paths.outcomes[running, t] = info["outcome"][running]
        paths.terminated[running, t] = terminated[running]
        paths.lengths[running] = t + 1
        running &= ~(terminated | truncated)
        return obs

    def state_dict(self) -> dict[str, Any]:
        """Actions of the unfinished trials, and the controller's state."""
        if not self._actions:
            return {"actions": None, "controller": None}
        actions = torch.from_numpy(np.stack(self._actions))
        return {"actions": actions, "controller": self.controller.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state; the next `run` resumes its trials."""
        actions = state["actions"]
        self._actions = [] if actions is None else list(actions.numpy())
        self._resumed = state["controller"]
