"""Observations as pictures: `PixelObservation` shows the lanes of a `MetaEnv` as stacks of small frames."""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import ArrayLike

from rlkit.envs.base import MetaEnv, StepResult, at_least

CHANNELS = 3
Painter = Callable[[np.ndarray], np.ndarray]  # from lanes [n] to frames [n, size, size, 3] uint8


def check_drawable(env: MetaEnv) -> None:
    """Raise ValueError for an environment that has neither a MuJoCo model nor a method `draw(lanes, size)`."""
    if not hasattr(env, "simulation") and not hasattr(env, "draw"):
        raise ValueError(
            f"{env.name} cannot be drawn: expected a MuJoCo model, or a method draw(lanes, size)"
        )


class PixelObservation:
    """A `MetaEnv` whose observation is the last `num_frames` pictures of a lane, uint8, flat, oldest first.

    At the start of an episode the first picture is repeated. What a task asks for is not in the picture. MuJoCo tasks are
    drawn with the camera that follows the body, others by their own method `draw`. All but `reset`, `step`, `obs_dim`,
    `recorded_dim` and `single_observation_space` is the wrapped environment's.

    Attributes:
        size: height and width of a picture in pixels.
        num_frames: pictures of an observation.
        recorded_dim: numbers of one picture, [size, size, 3].
    """

    def __init__(self, env: MetaEnv, size: int = 64, num_frames: int = 3) -> None:
        """Wrap an environment.

        Args:
            env: can be drawn.
            size, num_frames: see the class.
        Raises:
            ValueError: it cannot be drawn, or not here (no OpenGL library), or a size below 1.
        """
        check_drawable(env)
        self.env = env
        self.size, self.num_frames = (
            at_least("size", size, 1),
            at_least("num_frames", num_frames, 1),
        )
        self.recorded_dim = self.size * self.size * CHANNELS
        self.obs_dim = self.num_frames * self.recorded_dim
        self.single_observation_space = gymnasium.spaces.Box(0, 255, (self.obs_dim,), np.uint8)
        self._renderer: Any = None
        self._paint = self._painter()
        self._stacks = np.zeros((env.num_envs, self.num_frames, self.recorded_dim), np.uint8)

    def __getattr__(self, name: str) -> Any:
        if name == "env":  # not constructed yet (copying): nothing to delegate to
            raise AttributeError(name)
        return getattr(self.env, name)

    def reset(
        self, generators: Sequence[np.random.Generator], lanes: ArrayLike | None = None
    ) -> np.ndarray:
        """Start an episode in each of the given lanes, as `MetaEnv.reset`; their observations [n, obs_dim]."""
        chosen = self.env.check_lanes(lanes)
        self.env.reset(generators, chosen)
        self._stacks[chosen] = self._frames(chosen)[:, None]
        return self._stacks[chosen].reshape(len(chosen), self.obs_dim)

    def step(self, action: ArrayLike) -> StepResult:
        """Advance all lanes, as `MetaEnv.step`."""
        _, reward, terminated, truncated, info = self.env.step(action)
        lanes = np.arange(self.env.num_lanes)
        self._stacks[lanes, :-1] = self._stacks[lanes, 1:]
        self._stacks[lanes, -1] = self._frames(lanes)
        return (
            self._stacks[lanes].reshape(len(lanes), self.obs_dim),
            reward,
            terminated,
            truncated,
            info,
        )

    def close(self) -> None:
        """Give back what the environment and the drawing hold; may be called twice."""
        if self._renderer is not None:
            self._renderer.close()
        self.env.close()

    def _frames(self, lanes: np.ndarray) -> np.ndarray:
        return self._paint(lanes).reshape(len(lanes), self.recorded_dim)

    def _painter(self) -> Painter:
        if not hasattr(self.env, "simulation"):
            return lambda lanes: self.env.draw(lanes, self.size)  # type: ignore[attr-defined]
        from rlkit.envs.rendering import (
            Renderer,
        )  # imports mujoco and looks for OpenGL, so only when asked

        self._renderer = renderer = Renderer(self.env, self.size, self.size)
        simulation = renderer.env.simulation

        def paint(lanes: np.ndarray) -> np.ndarray:
            frames = [
                renderer.render_state(simulation.qpos[lane], simulation.qvel[lane])
                for lane in lanes
            ]
            return (
                np.stack(frames)
                if frames
                else np.zeros((0, self.size, self.size, CHANNELS), np.uint8)
            )

        return paint
