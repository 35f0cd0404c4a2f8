"""Films of simulated trajectories: states are recorded while an evaluation runs, and drawn afterwards frame by frame."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import imageio.v2 as imageio
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rlkit.core.errors import UserError
from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv, StepResult
from rlkit.envs.mujoco_env import MujocoMetaEnv
from rlkit.envs.rendering import Renderer

PAUSE = 0.5  # seconds that the last picture of a trajectory stands


@dataclass
class _Rollout:
    """One wide rollout: tasks of the lanes; qpos [num_lanes, nq] and qvel [num_lanes, nv] after reset and after each step."""

    task_ids: np.ndarray
    qpos: list[np.ndarray] = field(default_factory=list)
    qvel: list[np.ndarray] = field(default_factory=list)


class FilmedEnv:
    """A MuJoCo environment whose trajectories can be filmed afterwards; all but `film` is the wrapped environment's.

    Args:
        env: its lanes are simulations.
        width, height: of a picture, in pixels; multiples of 16.
    Errors: ValueError where nothing can be drawn (no OpenGL library).
    """

    def __init__(self, env: MetaEnv, width: int = 480, height: int = 480) -> None:
        self.env = cast(MujocoMetaEnv, env)
        self._renderer = Renderer(env, width=width, height=height)
        self._rollouts: list[_Rollout] = []

    def __getattr__(self, name: str) -> Any:
        if name == "env":  # not constructed yet (copying): nothing to delegate to
            raise AttributeError(name)
        return getattr(self.env, name)

    def reset_task(self, task_ids: np.ndarray, lanes: Any = None) -> None:
        """Give lanes their tasks, as `MetaEnv.reset_task`; with lanes None a new rollout begins."""
        self.env.reset_task(task_ids, lanes)
        if lanes is None:
            self._rollouts.append(_Rollout(np.array(task_ids)))

    def reset(self, generators: Sequence[np.random.Generator], lanes: Any = None) -> np.ndarray:
        """Start episodes, as `MetaEnv.reset`."""
        obs = self.env.reset(generators, lanes)
        self._remember()
        return obs

    def step(self, action: np.ndarray) -> StepResult:
        """Advance all lanes, as `MetaEnv.step`."""
        result = self.env.step(action)
        self._remember()
        return result

    def close(self) -> None:
        """Give back what the picture and the environment hold."""
        self._renderer.close()
        self.env.close()

    def film(
        self,
        path: Path,
        task_ids: Sequence[int],
        filmed: Sequence[int],
        trajectories: Sequence[Paths],
        captions: Callable[[int, int], Sequence[str]],
        *,
        sparse: bool = False,
    ) -> None:
        """Write the trajectories of a few tasks to one film, in real time, with captions and the return so far.

        Args:
            path: MP4 file.
            task_ids: tasks of the evaluation that was recorded, one lane each.
            filmed: indices into `task_ids` of what is shown.
            trajectories: the n-th holds the n-th trajectory of every task.
            captions: lines above the picture, from (index into task_ids, number of the trajectory).
            sparse: show sparse returns.
        Raises:
            UserError: the file cannot be written.
        """
        fps = 1.0 / self.env.dt
        with video_writer(path, fps) as writer:
            for index in filmed:
                for n, paths in enumerate(trajectories):
                    rewards = (paths.sparse_rewards if sparse else paths.rewards)[index, : paths.lengths[index]]
                    returns = np.concatenate([[0.0], np.cumsum(rewards, dtype=np.float64)])
                    # The states may go on past the trajectory's end, for as long as other lanes ran.
                    for step, (total, (qpos, qvel)) in enumerate(zip(returns, self._states(task_ids[index], n), strict=False)):
                        lines = [*captions(index, n), f"step {step}, return {total:.1f}"]
                        frame = captioned(self._renderer.render_state(qpos, qvel), lines)
                        writer.append_data(frame)
                    for _ in range(round(PAUSE * fps)):
                        writer.append_data(frame)

    def _states(self, task_id: int, trajectory: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The states of the n-th trajectory that was run on a task: qpos [nq] and qvel [nv], after reset and after each step."""
        rollout = [r for r in self._rollouts if task_id in r.task_ids][trajectory]
        lane = int(np.flatnonzero(rollout.task_ids == task_id)[0])
        return ((qpos[lane], qvel[lane]) for qpos, qvel in zip(rollout.qpos, rollout.qvel, strict=True))

    def _remember(self) -> None:
        simulation, in_use = self.env.simulation, slice(self.env.num_lanes)
        self._rollouts[-1].qpos.append(simulation.qpos[in_use].copy())
        self._rollouts[-1].qvel.append(simulation.qvel[in_use].copy())


@contextmanager
def video_writer(path: Path, fps: float) -> Iterator[Any]:
    """Open an MP4 file (H.264) that takes frames [height, width, 3] of uint8 by `append_data`; it appears when it is whole.

    Raises:
        UserError: the file cannot be written.
    """
    partial = path.with_name(f".{path.stem}.partial.mp4")
    try:
        with imageio.get_writer(partial, format="FFMPEG", fps=fps, codec="libx264", quality=7, macro_block_size=16) as writer:
            yield writer
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({str(error).strip().splitlines()[0]})") from error
    finally:
        partial.unlink(missing_ok=True)


def captioned(frame: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """Write lines of text on a dark band at the top of a frame [height, width, 3] of uint8."""
    image = Image.fromarray(frame)
    draw = ImageDraw.Draw(image, "RGBA")
    size = max(11, frame.shape[1] // 30)
    font = ImageFont.load_default(size)
    spacing = int(1.35 * size)
    draw.rectangle((0, 0, frame.shape[1], spacing * len(lines) + size // 2), fill=(0, 0, 0, 150))
    for row, line in enumerate(lines):
        draw.text((size // 2, size // 4 + spacing * row), line, font=font, fill=(255, 255, 255, 255))
    return np.asarray(image)
