"""Films of trials while PETS trains."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.envs.rendering import Renderer
from rlkit.visualization.video import FilmedEnv


class FilmedTrials(FilmedEnv):
    """Stores the states of the latest trials, one lane each, and writes videos of them.

    Args:
        env: a MuJoCo environment with one task.
        write: writes a file of the run folder, from name and content.
    Raises:
        ValueError: nothing can be drawn on this machine.
    """

    def __init__(self, env: MetaEnv, write: Callable[[str, bytes], None]) -> None:
        super().__init__(env)
        self._write, self._lane, self._caption = write, 0, ""
        with Renderer(self, 16, 16):
            pass  # a run is not to find out after its first trials that it cannot draw

    def reset_task(self, task_ids: ArrayLike, lanes: ArrayLike | None = None) -> None:
        """Begin trials, as `MetaEnv.reset_task`; those before are forgotten."""
        self._rollouts.clear()
        super().reset_task(task_ids, lanes)

    def film_trials(self, iteration: int, paths: Paths, count: int) -> None:
        """Write the first `count` trials to train_iter<iteration>/rollout<n>.mp4.

        Args:
            iteration: names the folder.
            paths: the trials that ran last.
            count: number of trials that are recorded on video.
        """
        with tempfile.TemporaryDirectory() as folder:
            for lane in range(count):
                self._lane, path = lane, Path(folder) / "trial.mp4"
                trial = paths.select([lane])
                self._caption = f"{self.name}, iteration {iteration}, trial {lane}"
                self.film(path, [0], [0], [trial], lambda index, n: [self._caption])
                self._write(f"train_iter{iteration}/rollout{lane}.mp4", path.read_bytes())

    def _states(self, task_id: int, trajectory: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """States of the lane that is filmed: qpos [nq], qvel [nv]."""
        (rollout,) = self._rollouts
        pairs = zip(rollout.qpos, rollout.qvel, strict=True)
        return ((qpos[self._lane], qvel[self._lane]) for qpos, qvel in pairs)
