"""Observations as images: the lanes of a `MetaEnv` as stacks of small frames."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from numpy.typing import ArrayLike

from rlkit.envs.base import MetaEnv
from rlkit.envs.lanes import StepResult, at_least
from rlkit.envs.wrapper import EnvWrapper

if TYPE_CHECKING:
    from rlkit.envs.rendering import Renderer

CHANNELS = 3
Painter = Callable[[np.ndarray], np.ndarray]  # from lanes [n] to frames [n, size, size, 3] uint8


def check_drawable(env: MetaEnv) -> None:
    """Raise ValueError for an environment that has neither a MuJoCo model nor a method `draw`."""
    if not env.can_be_drawn:
        raise ValueError(
            f"{env.name} cannot be drawn: expected a MuJoCo model, or a method draw(lanes, size)"
        )


class PixelObservation(EnvWrapper):
    """A `MetaEnv` whose observation is the last `num_frames` images of a lane.

    An observation is flat uint8, the oldest image first. At the start of an episode the first
    image is repeated. The image does not show the task. MuJoCo tasks are drawn with the camera
    that follows the body, others by their own method `draw`.

    Attributes:
        size: height and width of an image in pixels.
        num_frames: images of an observation.
        recorded_dim: size of one image, [size, size, 3].
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
        super().__init__(env)
        self.size, self.num_frames = (
            at_least("size", size, 1),
            at_least("num_frames", num_frames, 1),
        )
        self.recorded_dim = self.size * self.size * CHANNELS
        self.obs_dim = self.num_frames * self.recorded_dim
        self.single_observation_space = gymnasium.spaces.Box(0, 255, (self.obs_dim,), np.uint8)
        self._renderer: Renderer | None = None
        self._paint = self._painter()
        self._stacks = np.zeros((env.num_envs, self.num_frames, self.recorded_dim), np.uint8)

    def reset(
        self, generators: Sequence[np.random.Generator], lanes: ArrayLike | None = None
    ) -> np.ndarray:
        """Start an episode in each of the given lanes, as `MetaEnv.reset`."""
        chosen = self.env.check_lanes(lanes)
        self.env.reset(generators, chosen)
        self._stacks[chosen] = self._frames(chosen)[:, None]
        return self._stacks[chosen].reshape(len(chosen), self.obs_dim)

    def step(self, action: ArrayLike, running: np.ndarray | None = None) -> StepResult:
        """Advance lanes, as `MetaEnv.step`; images of lanes that are idle stay as they are."""
        _, reward, terminated, truncated, info = self.env.step(action, running)
        moving = np.arange(self.num_lanes) if running is None else np.flatnonzero(running)
        self._stacks[moving, :-1] = self._stacks[moving, 1:]
        self._stacks[moving, -1] = self._frames(moving)
        obs = self._stacks[: self.num_lanes].reshape(self.num_lanes, self.obs_dim).copy()
        return obs, reward, terminated, truncated, info

    def outcome_of(self, obs: Any, action: Any, next_obs: Any) -> None:
        """None: images do not determine an outcome."""

    def close(self) -> None:
        """Release the environment and the renderer; may be called twice."""
        if self._renderer is not None:
            self._renderer.close()
        self.env.close()

    def _frames(self, lanes: np.ndarray) -> np.ndarray:
        return self._paint(lanes).reshape(len(lanes), self.recorded_dim)

    def _painter(self) -> Painter:
        if not self.env.has_simulation:
            return lambda lanes: self.env.draw(lanes, self.size)
        # Only when asked, because it imports mujoco and looks for OpenGL.
        from rlkit.envs.rendering import Renderer

        self._renderer = renderer = Renderer(self.env, self.size, self.size)
        simulation = renderer.env.simulation

        def paint(lanes: np.ndarray) -> np.ndarray:
            pictures = np.zeros((len(lanes), self.size, self.size, CHANNELS), np.uint8)
            for picture, lane in zip(pictures, lanes.tolist(), strict=True):
                picture[:] = renderer.render_state(simulation.qpos[lane], simulation.qvel[lane])
            return pictures

        return paint
