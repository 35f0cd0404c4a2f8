"""A task distribution as a vector environment of gymnasium, stepped as one batch.

This is what `gymnasium.make_vec` calls.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from rlkit.envs import make_env
from rlkit.envs.wrappers import Pictures, check_render_mode, render_metadata, step_info


class MetaVectorEnv(gymnasium.vector.VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """Lanes of a `MetaEnv` with gymnasium's resets, time limit and infos.

    Numbers are those of `SyncVectorEnv` on the same environments. `reset(options={"task": i})`
    selects a task in all lanes, `{"task": [i, j, ...]}` one in each; it stays until another is
    selected. `options={"reset_mask": mask}` resets some lanes.
    """

    def __init__(
        self,
        name: str,
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Construct the environment; actions are in its own box.

        Args:
            name: see `rlkit.envs.env_class`.
            num_envs: number of lanes.
            max_episode_steps: number of steps after which an episode is truncated; None: never.
            autoreset_mode: whether a lane that has ended is reset in the next step, in the same
                step, or by the user.
            render_mode: None, or "rgb_array" where the environment can be drawn.
            **kwargs: passed to the constructor, for example n_tasks.
        Raises:
            ValueError: as `make_env`, or a render mode that the environment does not have.
        """
        self.meta_env = make_env(name, normalize=False, num_envs=num_envs, **kwargs)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**render_metadata(self.meta_env), "autoreset_mode": self.autoreset_mode}
        check_render_mode(self.meta_env, render_mode)
        self.render_mode = render_mode
        self.num_envs = num_envs
        self.single_observation_space = self.meta_env.single_observation_space
        self.single_action_space = self.meta_env.single_action_space
        self.observation_space, self.action_space = (
            gymnasium.vector.utils.batch_space(space, num_envs)
            for space in (self.single_observation_space, self.single_action_space)
        )
        self._limit = np.inf if max_episode_steps is None else max_episode_steps
        self._pictures = Pictures(self.meta_env)
        self._generators: list[np.random.Generator] = []
        self._tasks = np.zeros(num_envs, np.int64)
        self._clock = np.zeros(num_envs, np.int64)
        self._ended = np.zeros(num_envs, bool)
        self._obs = np.zeros((num_envs, self.meta_env.obs_dim), self.meta_env.dtype)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start episodes.

        Args:
            seed: lane i gets seed + i; or one seed per lane. None: the generators continue.
            options: None, or a dictionary with "task" (a number, or one for each lane) and
                "reset_mask" (bool [num_envs], lanes to reset).
        Returns:
            Observations [num_envs, obs_dim] and {"task": numbers}.
        Raises:
            ValueError: an unknown option, a task out of range, or another number of seeds or tasks
                than of lanes.
        """
        options = dict(options or {})
        mask = options.pop("reset_mask", None)
        if options.keys() - {"task"}:
            raise ValueError(
                f"reset options are {sorted(options)}, the only ones known are 'task' and "
                "'reset_mask'"
            )
        lanes = np.arange(self.num_envs) if mask is None else self._masked(mask)
        seeds = self._seeds(seed)
        if not self._generators:
            self._generators = [gymnasium.utils.seeding.np_random(s)[0] for s in seeds]
        else:
            for lane in lanes.tolist():
                if seeds[lane] is not None:
                    self._generators[lane] = gymnasium.utils.seeding.np_random(seeds[lane])[0]
        tasks = self._tasks.copy()
        chosen = np.asarray(options.get("task", tasks))
        if chosen.shape not in ((), (self.num_envs,)):
            raise ValueError(f"task has shape {chosen.shape}, expected a number or one for a lane")
        tasks[lanes] = np.broadcast_to(chosen, self.num_envs)[lanes]
        if self.meta_env.num_lanes == 0:
            self.meta_env.reset_task(tasks)
        else:
            self.meta_env.reset_task(tasks[lanes], lanes)
        self._tasks = tasks
        self._begin(lanes)
        return self._obs.copy(), self._task_info(lanes)

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Advance all lanes by one action each, [num_envs, act_dim]; see `VectorEnv`."""
        resetting = np.zeros(self.num_envs, bool)
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            resetting = self._ended
        elif self.autoreset_mode is AutoresetMode.DISABLED and self._ended.any():
            over = np.flatnonzero(self._ended).tolist()
            raise ValueError(f"lanes {over} have ended and must be reset before a step")
        running = ~resetting
        obs, reward, terminated, truncated, info = self.meta_env.step(
            actions, running if resetting.any() else None
        )
        self._obs[running] = obs[running]
        self._clock[running] += 1
        truncated = truncated | (running & (self._clock >= self._limit))
        infos = self._infos(info, running)
        if resetting.any():
            self._reset_again(np.flatnonzero(resetting), infos)
        ended = terminated | truncated
        if self.autoreset_mode is AutoresetMode.SAME_STEP and ended.any():
            infos = self._end_in_this_step(info, ended)
        else:
            self._ended = ended
        return self._obs.copy(), reward.astype(np.float64), terminated, truncated, infos

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Draw the present state of every lane; None without a render mode."""
        if self.render_mode is None:
            return None
        return tuple(self._pictures.frame(lane) for lane in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Release the renderer and the lanes."""
        self._pictures.close()
        self.meta_env.close()

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            return [int(seed) + lane for lane in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"{len(seed)} seeds for {self.num_envs} lanes, expected one each")
        return list(seed)

    def _masked(self, mask: Any) -> np.ndarray:
        checked = np.asarray(mask)
        if checked.shape != (self.num_envs,) or checked.dtype != bool or not checked.any():
            raise ValueError(
                f"reset_mask is {mask!r}, expected booleans ({self.num_envs},), one of them true"
            )
        if not self._generators and not checked.all():
            raise ValueError("the first reset must be of all lanes")
        return np.flatnonzero(checked)

    def _begin(self, lanes: np.ndarray) -> None:
        """Start an episode in lanes whose tasks have been set."""
        self._obs[lanes] = self.meta_env.reset([self._generators[i] for i in lanes], lanes)
        self._clock[lanes], self._ended[lanes] = 0, False

    def _reset_again(self, lanes: np.ndarray, infos: dict[str, Any]) -> None:
        self._begin(lanes)
        infos["task"], infos["_task"] = self._tasks.copy(), np.ones(self.num_envs, bool)

    def _task_info(self, lanes: np.ndarray) -> dict[str, Any]:
        mask = np.zeros(self.num_envs, bool)
        mask[lanes] = True
        return {"task": np.where(mask, self._tasks, 0), "_task": mask}

    def _infos(self, info: dict[str, Any], lanes: np.ndarray) -> dict[str, Any]:
        """The infos of a step of some lanes, bool [num_envs]; rows of the others are zero."""
        infos: dict[str, Any] = {}
        for key, value in step_info(self.meta_env, info).items() if lanes.any() else ():
            mask = lanes if value.ndim == 1 else lanes[:, None]
            infos[key] = np.where(mask, value, 0).astype(value.dtype)
            infos[f"_{key}"] = lanes.copy()
        return infos

    def _end_in_this_step(self, info: dict[str, Any], ended: np.ndarray) -> dict[str, Any]:
        """Reset the lanes that ended, bool [num_envs]; their infos become `final_info`."""
        final = np.full(self.num_envs, None, dtype=object)
        for lane in np.flatnonzero(ended).tolist():
            final[lane] = self._obs[lane].copy()
        infos = {
            **self._infos(info, ~ended),
            "final_obs": final,
            "_final_obs": ended.copy(),
            "final_info": self._infos(info, ended),
            "_final_info": ended.copy(),
        }
        self._reset_again(np.flatnonzero(ended), infos)
        return infos
