"""Videos of simulated trajectories.

States are recorded during an evaluation and rendered afterwards frame by frame.
"""

import abc
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from rlkit.core.errors import UserError
from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.envs.lanes import StepResult
from rlkit.envs.mujoco_env import MujocoMetaEnv
from rlkit.envs.rendering import Renderer
from rlkit.envs.wrapper import EnvWrapper
from rlkit.visualization.video_file import captioned, video_writer

PAUSE = 1.0  # seconds for which the last frame of a trajectory is shown
# Frames per second. Tasks with shorter steps are shown in slow motion, still one frame per step.
MAX_FPS = 35.0
# Maps a task and the number of its trajectory to the images, one per state.
Artist = Callable[[int, int], Iterator[np.ndarray]]


class RecordedEnv(EnvWrapper):
    """An environment that records its rollouts, so that videos can be made later.

    A subclass defines what is recorded and how it is rendered.

    Attributes:
        step_seconds: minimum time for which a frame is shown.
    """

    step_seconds: float

    @abc.abstractmethod
    def _begin_rollout(self, task_ids: np.ndarray) -> None:
        """Start recording a new rollout whose lanes have these tasks."""

    @abc.abstractmethod
    def _remember(self, running: np.ndarray | None) -> None:
        """Record the state of the lanes that were running (None: all) after a step or reset."""

    @abc.abstractmethod
    def _artist(self, width: int, height: int, quality: str) -> AbstractContextManager[Artist]:
        """Prepare rendering of the recorded rollouts; ValueError if that is impossible."""

    def reset_task(self, task_ids: ArrayLike, lanes: ArrayLike | None = None) -> None:
        """Assign tasks, as `MetaEnv.reset_task`; with lanes None a new rollout starts."""
        self.env.reset_task(task_ids, lanes)
        if lanes is None:
            self._begin_rollout(np.array(task_ids))

    def reset(
        self, generators: Sequence[np.random.Generator], lanes: ArrayLike | None = None
    ) -> np.ndarray:
        """Start episodes, as `MetaEnv.reset`."""
        obs = self.env.reset(generators, lanes)
        self._remember(None)
        return obs

    def step(self, action: ArrayLike, running: np.ndarray | None = None) -> StepResult:
        """Advance lanes, as `MetaEnv.step`."""
        result = self.env.step(action, running)
        self._remember(running)
        return result

    def film(
        self,
        path: Path,
        task_ids: Sequence[int],
        filmed: Sequence[int],
        trajectories: Sequence[Paths],
        captions: Callable[[int, int], Sequence[str]],
        *,
        sparse: bool = False,
        quality: str = "fast",
        width: int = 480,
        height: int = 480,
        report: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Write the trajectories of a few tasks to one video, one frame per step.

        Frames have captions and returns, and in MuJoCo scenes also the task's marker.

        Args:
            path: MP4 file.
            task_ids: tasks of the recorded evaluation, one lane each.
            filmed: indices into `task_ids` of the tasks to show.
            trajectories: the n-th holds the n-th trajectory of every task.
            captions: (index into task_ids, number of the trajectory) -> lines above the frame.
            sparse: show sparse returns.
            quality: of MuJoCo scenes, see `Renderer`.
            width, height: of the image below the captions, in pixels; multiples of 16. The height
                is ignored if the environment renders itself.
            report: called after each frame with the number of frames drawn so far and in total; the
                repeated ones at the end of a trajectory do not count.
        Raises:
            UserError: rendering does not work (no OpenGL library), or the file cannot be written.
        """
        fps, _ = playback(self.step_seconds)
        lengths = [int(paths.lengths[index]) for index in filmed for paths in trajectories]
        drawn, total = 0, sum(length + 1 for length in lengths if length)
        with ExitStack() as stack:
            try:
                artist = stack.enter_context(self._artist(width, height, quality))
            except ValueError as error:
                raise UserError(f"no video: {error}") from error
            writer = stack.enter_context(video_writer(path, fps))
            for index in filmed:
                done: list[str] = []  # returns of this task's trajectories so far
                for n, paths in enumerate(trajectories):
                    length = int(paths.lengths[index])
                    if length == 0:
                        continue
                    rewards = (paths.sparse_rewards if sparse else paths.rewards)[index, :length]
                    over = bool(paths.terminated[index, length - 1])
                    lines = self._lines(captions(index, n), rewards, over, done)
                    # The states may continue past the trajectory's end, for as long as other lanes
                    # ran.
                    for text, picture in zip(lines, artist(task_ids[index], n), strict=False):
                        frame = captioned(picture, text)
                        writer.append_data(frame)
                        drawn += 1
                        report(drawn, total)
                    for _ in range(round(PAUSE * fps)):
                        writer.append_data(frame)
                    done.append(f"{rewards.sum(dtype=np.float64):.1f}")

    def _lines(
        self, captions: Sequence[str], rewards: np.ndarray, over: bool, before: Sequence[str]
    ) -> Iterator[list[str]]:
        """Yield the lines above each frame of a trajectory."""
        _, slowdown = playback(self.step_seconds)
        dt = self.unwrapped.dt
        speed = "" if slowdown == 1 else f" (1/{slowdown} speed)"
        returns = np.concatenate([[0.0], np.cumsum(rewards, dtype=np.float64)])
        for step, total in enumerate(returns):
            time = "" if dt is None else f" {step * dt:.1f} s{speed},"
            end = ", episode over" if over and step == len(rewards) else ""
            yield [
                *captions,
                f"step {step},{time} return {total:.1f}{end}",
                f"returns before: {', '.join(before) or 'none'}",
            ]


@dataclass
class _Rollout:
    """One rollout of several lanes: their tasks, and the states after reset and each step.

    States are qpos [num_lanes, nq] and qvel [num_lanes, nv].
    """

    task_ids: np.ndarray
    qpos: list[np.ndarray] = field(default_factory=list)
    qvel: list[np.ndarray] = field(default_factory=list)


class FilmedEnv(RecordedEnv):
    """A MuJoCo environment that records its states, which are rendered when a video is made."""

    def __init__(self, env: MetaEnv) -> None:
        """Wrap an environment.

        Raises:
            ValueError: its lanes are not simulations.
        """
        super().__init__(env)
        body = env.unwrapped
        if not isinstance(body, MujocoMetaEnv):
            raise ValueError(f"{env.name} has no MuJoCo model and cannot be filmed")
        self._body, self.step_seconds = body, body.dt
        self._rollouts: list[_Rollout] = []

    def _begin_rollout(self, task_ids: np.ndarray) -> None:
        self._rollouts.append(_Rollout(task_ids))

    def _remember(self, running: np.ndarray | None) -> None:
        simulation, in_use = self._body.simulation, slice(self.num_lanes)
        self._rollouts[-1].qpos.append(simulation.qpos[in_use].copy())
        self._rollouts[-1].qvel.append(simulation.qvel[in_use].copy())

    @contextmanager
    def _artist(self, width: int, height: int, quality: str) -> Iterator[Artist]:
        with Renderer(self, width, height, quality) as renderer:

            def pictures(task_id: int, trajectory: int) -> Iterator[np.ndarray]:
                start = None
                for step, (qpos, qvel) in enumerate(self._states(task_id, trajectory)):
                    start = qpos if start is None else start
                    marker = self._body.marker(task_id, start, step * self._body.dt)
                    yield renderer.render_state(qpos, qvel, marker)

            yield pictures

    def _states(self, task_id: int, trajectory: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """States of the n-th trajectory on a task: qpos [nq], qvel [nv], from the reset on."""
        rollout = [r for r in self._rollouts if task_id in r.task_ids][trajectory]
        lane = int(np.flatnonzero(rollout.task_ids == task_id)[0])
        return (
            (qpos[lane], qvel[lane]) for qpos, qvel in zip(rollout.qpos, rollout.qvel, strict=True)
        )


def playback(dt: float) -> tuple[float, int]:
    """Frames per second of a video with a frame every `dt` seconds, and its slowdown factor."""
    slowdown = math.ceil(1 / (dt * MAX_FPS))
    return 1 / (dt * slowdown), slowdown
