"""Two views of a `MetaEnv`: actions scaled to [-1, 1], and one lane as a gymnasium environment."""

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from rlkit.envs.base import MetaEnv

if TYPE_CHECKING:
    from rlkit.envs.rendering import Renderer


class SingleEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """One lane of a `MetaEnv` as an ordinary gymnasium environment.

    `reset(options={"task": i})` selects a task, which stays until another is selected; task 0 is
    the first. The info of a step has outcome, sparse_reward, diverged, task, and success where the
    task says. The time limit is not applied here: `gymnasium.make` adds it.
    """

    def __init__(self, env: MetaEnv, render_mode: str | None = None) -> None:
        """Take over an environment.

        Args:
            env: its first lane is used; a later call of its own methods would disturb this view.
            render_mode: None, or "rgb_array" where the environment can be drawn.
        Raises:
            ValueError: a render mode that the environment does not have.
        """
        self.metadata = render_metadata(env)
        check_render_mode(env, render_mode)
        self.render_mode = render_mode
        self.meta_env = env
        self.action_space = env.single_action_space
        self.observation_space = env.single_observation_space
        self._pictures = Pictures(env)
        self._task = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: reseeds the environment's generator, as everywhere in gymnasium.
            options: None or {"task": number of a task}.
        Returns:
            Observation [obs_dim] and {"task": number}.
        Raises:
            ValueError: an unknown option or a task out of range.
        """
        super().reset(seed=seed)
        options = options or {}
        if options.keys() - {"task"}:
            raise ValueError(f"reset options are {sorted(options)}, the only one known is 'task'")
        task = options.get("task", self._task)
        self.meta_env.reset_task([task])
        self._task = int(task)
        return self.meta_env.reset([self.np_random])[0], {"task": self._task}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Advance by one action [act_dim]; see `MetaEnv.step`."""
        obs, reward, terminated, truncated, info = self.meta_env.step(np.asarray(action)[None])
        single = {
            key: value[0] if value.ndim > 1 else value[0].item()
            for key, value in step_info(self.meta_env, info).items()
        }
        return obs[0], float(reward[0]), bool(terminated[0]), bool(truncated[0]), single

    def render(self) -> np.ndarray | None:
        """Draw the present state, uint8 [480, 480, 3]; None without a render mode."""
        return None if self.render_mode is None else self._pictures.frame(0)

    def close(self) -> None:
        """Give back the renderer and the lanes; may be called twice."""
        self._pictures.close()
        self.meta_env.close()


class Pictures:
    """Draws lanes of a `MetaEnv`, [480, 480]: a MuJoCo scene, or the class's own `draw`."""

    def __init__(self, env: MetaEnv) -> None:
        self.env = env
        self._renderer: Renderer | None = None

    def frame(self, lane: int) -> np.ndarray:
        """The present state of a lane in use, uint8 [480, 480, 3]."""
        if not self.env.has_simulation:
            return self.env.draw(np.array([lane]), 480)[0]
        if self._renderer is None:
            # Only when asked, because it imports mujoco and looks for OpenGL.
            from rlkit.envs.rendering import Renderer

            self._renderer = Renderer(self.env)
        return self._renderer.frame(lane)

    def close(self) -> None:
        """Give back the renderer; may be called twice."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def render_metadata(env: MetaEnv) -> dict[str, Any]:
    """Gymnasium's metadata of what can be drawn; steps without a duration are shown for 0.1 s."""
    if not env.can_be_drawn:
        return {"render_modes": []}
    return {"render_modes": ["rgb_array"], "render_fps": round(1 / (env.dt or 0.1))}


def check_render_mode(env: MetaEnv, render_mode: str | None) -> None:
    """Raise ValueError for a render mode that the environment does not have."""
    modes = render_metadata(env)["render_modes"]
    if render_mode is not None and render_mode not in modes:
        raise ValueError(f"render_mode is {render_mode!r}, but {env.name} has {modes or 'none'}")


def step_info(env: MetaEnv, info: dict[str, Any]) -> dict[str, np.ndarray]:
    """Contents of gymnasium's info after a step, arrays with one row per lane in use.

    Args:
        env: has just been stepped.
        info: of that step.
    Returns:
        outcome, sparse_reward, diverged, task, and success where the task says.
    """
    success = env.success(info["outcome"], env.tasks[env.task_ids])
    return {
        "outcome": info["outcome"],
        "sparse_reward": info["sparse_reward"].astype(np.float64),
        "diverged": info["diverged"],
        "task": env.task_ids.copy(),
        **({} if success is None else {"success": np.asarray(success)}),
    }
