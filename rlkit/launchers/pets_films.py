"""Videos of trials during PETS training."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.envs.rendering import Renderer
from rlkit.torch.pets.pets import Report
from rlkit.visualization.video import FilmedEnv


class FilmedTrials(FilmedEnv):
    """Records the states of the last trials, one lane each, and writes videos of them.

    Args:
        env: a MuJoCo environment with one task.
        write: writes a file to the run folder, given its name and content.
    Raises:
        ValueError: rendering does not work on this machine.
    """

    def __init__(self, env: MetaEnv, write: Callable[[str, bytes], None]) -> None:
        super().__init__(env)
        self._write, self._lane, self._caption = write, 0, ""
        with Renderer(self, 16, 16):
            pass  # fail before the first trials if rendering does not work

    def reset_task(self, task_ids: ArrayLike, lanes: ArrayLike | None = None) -> None:
        """Start trials, as `MetaEnv.reset_task`; earlier ones are discarded."""
        self._rollouts.clear()
        super().reset_task(task_ids, lanes)

    def film_trials(
        self,
        iteration: int,
        paths: Paths,
        report: Report,
        count: int,
    ) -> None:
        """Write the first `count` trials to train_iter<iteration>/rollout<n>.mp4.

        Args:
            iteration: names the folder.
            paths: the last trials.
            report: called after each frame with the number of frames drawn so far, the number of
                frames of the trial, and a text that says which trial it is.
            count: number of trials to record.
        """
        with tempfile.TemporaryDirectory() as folder:
            for lane in range(count):
                self._lane, path = lane, Path(folder) / "trial.mp4"
                trial = paths.select([lane])
                self._caption = f"{self.name}, iteration {iteration}, trial {lane}"
                self._film_trial(path, trial, report, f"filming trial {lane + 1} of {count}")
                self._write(f"train_iter{iteration}/rollout{lane}.mp4", path.read_bytes())

    def _film_trial(self, path: Path, trial: Paths, report: Report, note: str) -> None:
        def drawn(done: int, total: int) -> None:
            report(done, total, note)

        self.film(path, [0], [0], [trial], lambda index, n: [self._caption], report=drawn)

    def _states(self, task_id: int, trajectory: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """States of the recorded lane: qpos [nq], qvel [nv]."""
        (rollout,) = self._rollouts
        pairs = zip(rollout.qpos, rollout.qvel, strict=True)
        return ((qpos[self._lane], qvel[self._lane]) for qpos, qvel in pairs)
