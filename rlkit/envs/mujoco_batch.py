"""Many MuJoCo simulations of one model, stepped together by `mujoco.batch` (MuJoCo ≥ 3.17).

The other route, with the same numbers bit for bit, is that of `mujoco_pool`.
"""

import threading
from collections.abc import Mapping, Sequence

import mujoco
import numpy as np

from rlkit.envs.lanes import Lanes
from rlkit.envs.simulation import Simulation

# Warnings that mean divergence; their four numbers are consecutive.
_DIVERGED = slice(int(mujoco.mjtWarning.mjWARN_BADQPOS), int(mujoco.mjtWarning.mjWARN_BADCTRL) + 1)
# With fewer, waking another thread takes as long as its share: benchmarks.env_throughput.
LANES_OF_A_THREAD = 4


class QuietDivergence:
    """Keeps MuJoCo from printing and from writing MUJOCO_LOG.TXT when a simulation diverges.

    A handler installed by the user is kept. Blocks of several threads share ours.
    """

    _lock, _num_open = threading.Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            if mujoco.get_mju_user_warning() is None:
                mujoco.set_mju_user_warning(_ignore)
            QuietDivergence._num_open += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            QuietDivergence._num_open -= 1
            if not self._num_open and mujoco.get_mju_user_warning() is _ignore:
                mujoco.set_mju_user_warning(None)


def _ignore(message: str) -> None:
    """Drop a message; divergence is reported through the warning counters."""


class BatchSimulation(Simulation):
    """Simulations on `mujoco.batch`, whose threads sleep between calls."""

    def __init__(
        self,
        model: mujoco.MjModel,
        num_envs: int,
        frame_skip: int,
        threads: int,
        fields: Sequence[str],
    ) -> None:
        from mujoco.batch import Batch  # only on MuJoCo ≥ 3.17

        self.model = model
        self._batch = Batch(model, num_envs, min(threads, -(-num_envs // LANES_OF_A_THREAD)))
        self._frame_skip = frame_skip
        self.qpos, self.qvel = self._batch.bind("qpos"), self._batch.bind("qvel")
        self._ctrl = self._batch.bind("ctrl")
        if model.nmocap:
            self.mocap_pos = self._batch.bind("mocap_pos")
        self.fields = {name: self._batch.bind(name) for name in fields}
        self._lanes = np.arange(num_envs, dtype=np.int32)
        self._rest = self._batch.state[0].copy()

    def reset(self, lanes: np.ndarray, qpos: np.ndarray, qvel: np.ndarray) -> None:
        # A lane is just its row of the state. Batch.reset writes the same row, but takes ten times
        # as long.
        self._batch.state[lanes] = self._rest
        self.qpos[lanes] = qpos
        self.qvel[lanes] = qvel
        with QuietDivergence():
            self._batch.forward(np.sort(lanes))

    def step(self, ctrl: np.ndarray, lanes: Lanes | None = None) -> np.ndarray:
        chosen = slice(len(ctrl)) if lanes is None else lanes
        self._ctrl[chosen] = ctrl
        warning = self._batch.warning
        # The counter of a lane stays at 1 when it diverges again, so counters restart every step.
        warning[chosen] = 0
        numbers = None if len(ctrl) == len(self._lanes) else self._lanes[chosen]
        with QuietDivergence():
            self._batch.step(numbers, nstep=self._frame_skip)
        return warning[chosen][:, _DIVERGED, 1].any(axis=1)

    def set_model_fields(
        self,
        lanes: np.ndarray,
        values: Mapping[str, np.ndarray],
        *,
        recompute_constants: bool = False,
    ) -> None:
        for name, value in values.items():
            self._batch.expand(name)[lanes] = value
        if recompute_constants:
            self._batch.set_const(np.sort(lanes))

    def lane_model(self, lane: int) -> mujoco.MjModel:
        return self._batch.get_model(lane)

    def close(self) -> None:
        """Do nothing: the threads end with the object."""
