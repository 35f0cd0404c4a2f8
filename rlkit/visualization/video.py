"""Films of simulated trajectories.

States are recorded while an evaluation runs, and drawn afterwards frame by frame.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from rlkit.core.errors import UserError
from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.envs.batched import StepResult
from rlkit.envs.mujoco_env import MujocoMetaEnv
from rlkit.envs.rendering import Renderer
from rlkit.envs.wrapper import EnvWrapper
from rlkit.visualization.video_file import captioned, video_writer

PAUSE = 1.0  # seconds that the last picture of a trajectory stands
# Pictures per second; tasks with shorter steps are shown slower than life, each step still a
# picture.
MAX_FPS = 35.0


@dataclass
class _Rollout:
    """One wide rollout: tasks of the lanes.

    Qpos [num_lanes, nq] and qvel [num_lanes, nv] after reset and after each step.
    """

    task_ids: np.ndarray
    qpos: list[np.ndarray] = field(default_factory=list)
    qvel: list[np.ndarray] = field(default_factory=list)


class FilmedEnv(EnvWrapper):
    """A MuJoCo environment that remembers its states, so that trajectories can be filmed later."""

    def __init__(self, env: MetaEnv) -> None:
        """Wrap an environment.

        Raises:
            ValueError: its lanes are not simulations.
        """
        super().__init__(env)
        body = env.unwrapped
        if not isinstance(body, MujocoMetaEnv):
            raise ValueError(f"{env.name} has no MuJoCo model and cannot be filmed")
        self._body = body
        self._rollouts: list[_Rollout] = []

    def reset_task(self, task_ids: ArrayLike, lanes: ArrayLike | None = None) -> None:
        """Give lanes their tasks, as `MetaEnv.reset_task`; with lanes None a new rollout begins."""
        self.env.reset_task(task_ids, lanes)
        if lanes is None:
            self._rollouts.append(_Rollout(np.array(task_ids)))

    def reset(
        self, generators: Sequence[np.random.Generator], lanes: ArrayLike | None = None
    ) -> np.ndarray:
        """Start episodes, as `MetaEnv.reset`."""
        obs = self.env.reset(generators, lanes)
        self._remember()
        return obs

    def step(self, action: ArrayLike, running: np.ndarray | None = None) -> StepResult:
        """Advance lanes, as `MetaEnv.step`."""
        result = self.env.step(action, running)
        self._remember()
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
    ) -> None:
        """Write the trajectories of a few tasks to one film, one picture per step.

        Pictures have the task's marker, captions and returns.

        Args:
            path: MP4 file.
            task_ids: tasks of the evaluation that was recorded, one lane each.
            filmed: indices into `task_ids` of what is shown.
            trajectories: the n-th holds the n-th trajectory of every task.
            captions: lines above the picture, from (index into task_ids, number of the trajectory).
            sparse: show sparse returns.
            quality: see `Renderer`.
            width, height: of the picture below the captions, in pixels; multiples of 16.
        Raises:
            UserError: nothing can be drawn here (no OpenGL library), or the file cannot be written.
        """
        fps, slowdown = playback(self._body.dt)
        speed = "" if slowdown == 1 else f" (1/{slowdown} speed)"
        try:
            renderer = Renderer(self, width, height, quality)
        except ValueError as error:
            raise UserError(f"no film: {error}") from error
        with renderer, video_writer(path, fps) as writer:
            for index in filmed:
                done: list[str] = []  # returns of this task's trajectories so far
                for n, paths in enumerate(trajectories):
                    length = int(paths.lengths[index])
                    if length == 0:
                        continue
                    rewards = (paths.sparse_rewards if sparse else paths.rewards)[index, :length]
                    returns = np.concatenate([[0.0], np.cumsum(rewards, dtype=np.float64)])
                    start = None
                    # The states may go on past the trajectory's end, for as long as other lanes
                    # ran.
                    for step, (total, (qpos, qvel)) in enumerate(
                        zip(returns, self._states(task_ids[index], n), strict=False)
                    ):
                        start = qpos if start is None else start
                        elapsed = step * self._body.dt
                        picture = renderer.render_state(
                            qpos, qvel, self._body.marker(task_ids[index], start, elapsed)
                        )
                        over = (
                            ", episode over"
                            if step == length and paths.terminated[index, length - 1]
                            else ""
                        )
                        lines = [
                            *captions(index, n),
                            f"step {step}, {elapsed:.1f} s{speed}, return {total:.1f}{over}",
                        ]
                        frame = captioned(
                            picture, [*lines, f"returns before: {', '.join(done) or 'none'}"]
                        )
                        writer.append_data(frame)
                    for _ in range(round(PAUSE * fps)):
                        writer.append_data(frame)
                    done.append(f"{returns[-1]:.1f}")

    def _states(self, task_id: int, trajectory: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """States of the n-th trajectory on a task: qpos [nq], qvel [nv], from the reset on."""
        rollout = [r for r in self._rollouts if task_id in r.task_ids][trajectory]
        lane = int(np.flatnonzero(rollout.task_ids == task_id)[0])
        return (
            (qpos[lane], qvel[lane]) for qpos, qvel in zip(rollout.qpos, rollout.qvel, strict=True)
        )

    def _remember(self) -> None:
        simulation, in_use = self._body.simulation, slice(self.num_lanes)
        self._rollouts[-1].qpos.append(simulation.qpos[in_use].copy())
        self._rollouts[-1].qvel.append(simulation.qvel[in_use].copy())


def playback(dt: float) -> tuple[float, int]:
    """Pictures per second of a film with a picture every `dt` seconds, and its slowdown."""
    slowdown = math.ceil(1 / (dt * MAX_FPS))
    return 1 / (dt * slowdown), slowdown
