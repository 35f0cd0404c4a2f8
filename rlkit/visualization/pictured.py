"""Videos of environments that render themselves: images are taken during an evaluation."""

import io
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image

from rlkit.core.errors import UserError
from rlkit.envs.base import MetaEnv
from rlkit.envs.class_lanes import ClassEnv
from rlkit.envs.faults import EnvironmentFault
from rlkit.envs.opengl import choose_for_classes
from rlkit.visualization.video import Artist, FilmedEnv, RecordedEnv

DRAWN_SIZE = 480  # of the images that a `MetaEnv` draws [pixels]
STEP_SECONDS = 0.1  # seconds to show a step whose duration is unknown
GYMNASIUMS_RENDERER = "gymnasium.envs.mujoco.mujoco_rendering"
BLOCK = 16  # width and height of a video are multiples of it [pixels]


class PicturedEnv(RecordedEnv):
    """An environment whose lanes render themselves.

    Images of some tasks are taken at each step and stored compressed.
    """

    def __init__(
        self,
        env: MetaEnv,
        task_ids: Collection[int],
        paint: Callable[[int], np.ndarray],
        step_seconds: float,
    ) -> None:
        """Wrap an environment.

        Args:
            env: renders itself.
            task_ids: tasks of which images are taken.
            paint: returns the image of a lane, uint8 [height, width, 3].
            step_seconds: see `RecordedEnv`.
        """
        super().__init__(env)
        self.step_seconds, self._wanted, self._paint = step_seconds, set(task_ids), paint
        self._taken: dict[int, list[list[bytes]]] = {task_id: [] for task_id in task_ids}
        self._lanes: list[tuple[int, list[bytes]]] = []  # of the rollout: lane, its images

    def _begin_rollout(self, task_ids: np.ndarray) -> None:
        self._lanes = []
        for lane, task_id in enumerate(task_ids.tolist()):
            if task_id in self._wanted:
                pictures: list[bytes] = []
                self._taken[task_id].append(pictures)
                self._lanes.append((lane, pictures))

    def _remember(self, running: np.ndarray | None) -> None:
        for lane, pictures in self._lanes:
            if running is None or running[lane]:
                pictures.append(_compressed(self._paint(lane)))

    @contextmanager
    def _artist(self, width: int, height: int, quality: str) -> Iterator[Artist]:
        size: list[tuple[int, int]] = []  # of the video, from its first image

        def pictures(task_id: int, trajectory: int) -> Iterator[np.ndarray]:
            for data in self._taken[task_id][trajectory]:
                picture = Image.open(io.BytesIO(data))
                if not size:
                    tall = width * picture.height / picture.width
                    size.append((width, BLOCK * max(1, round(tall / BLOCK))))
                resized = picture if picture.size == size[0] else picture.resize(size[0])
                yield np.asarray(resized)

        yield pictures


def recorded(env: MetaEnv, task_ids: Collection[int]) -> RecordedEnv:
    """Wrap an environment so that videos can be recorded.

    Args:
        env: its lanes are MuJoCo simulations, or render themselves.
        task_ids: tasks to be recorded.
    Raises:
        UserError: it cannot be rendered, or a package for it is missing.
    """
    body = env.unwrapped
    if env.has_simulation:
        return FilmedEnv(env)
    if isinstance(body, ClassEnv):
        if GYMNASIUMS_RENDERER in sys.modules:
            choose_for_classes()
        try:
            body.start_drawing()
        except EnvironmentFault as error:
            raise UserError(f"--video: no video can be recorded; {error}") from error
        return PicturedEnv(env, task_ids, body.picture_of, 1 / body.pictures_per_second)
    if env.can_be_drawn:

        def paint(lane: int) -> np.ndarray:
            picture: np.ndarray = body.draw(np.array([lane]), DRAWN_SIZE)[0]
            return picture

        return PicturedEnv(env, task_ids, paint, body.dt or STEP_SECONDS)
    raise UserError(
        f"--video: {env.name} cannot be drawn; expected a MuJoCo model, or a method "
        "draw(lanes, size)"
    )


def _compressed(picture: np.ndarray) -> bytes:
    """An image as a PNG file."""
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "PNG", compress_level=1)
    return data.getvalue()
