"""States and pictures of MuJoCo lanes, for planners, films and tests; no rollout needs them."""

import abc
from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from rlkit.envs.base import MetaEnv
from rlkit.envs.batched import Lanes
from rlkit.envs.markers import Marker
from rlkit.envs.simulation import Simulation


class MujocoState(MetaEnv):
    """Lanes whose states can be read and set, and which can be filmed.

    Attributes:
        model: the compiled model.
        simulation: the lanes.
        camera_body: the body that a camera follows.
        camera_target: a place at which it looks instead, x, y, z [m]; None: it follows.
        camera_distance, camera_elevation, camera_azimuth: of this camera from the body [m], its
            angle to the horizon, and the direction in which it looks, counted from the x axis
            towards y [degrees].
    """

    has_simulation = True
    model: mujoco.MjModel
    simulation: Simulation
    camera_body = "torso"
    camera_target: ClassVar[tuple[float, float, float] | None] = None
    camera_distance = 4.0
    camera_elevation = -12.0
    camera_azimuth = 90.0  # x to the right, y away from the camera

    @abc.abstractmethod
    def _observe(self, lanes: Lanes) -> np.ndarray:
        """Observations of these lanes, [n, obs_dim]."""

    @property
    def qpos(self) -> np.ndarray:
        """Positions of the lanes in use, a copy [num_lanes, nq]."""
        return self.simulation.qpos[: self.num_lanes].copy()

    @property
    def qvel(self) -> np.ndarray:
        """Velocities of the lanes in use, a copy [num_lanes, nv]."""
        return self.simulation.qvel[: self.num_lanes].copy()

    def get_state(self, lane: int) -> tuple[np.ndarray, np.ndarray]:
        """Copy the state of a lane in use: qpos [nq] and qvel [nv], float64."""
        (lane,) = self.check_lanes([lane])
        return self.simulation.qpos[lane].copy(), self.simulation.qvel[lane].copy()

    def set_state(
        self, qpos: ArrayLike, qvel: ArrayLike, lanes: ArrayLike | None = None
    ) -> np.ndarray:
        """Start an episode of these lanes (None: all in use) from given states.

        Args:
            qpos, qvel: [n, nq] and [n, nv].
            lanes: n lanes in use.
        Returns:
            Observations, [n, obs_dim].
        Raises:
            ValueError: a lane not in use, a wrong shape, or numbers that are not finite.
        """
        chosen = self.check_lanes(lanes)
        positions, velocities = np.asarray(qpos, np.float64), np.asarray(qvel, np.float64)
        expected = (len(chosen), self.model.nq), (len(chosen), self.model.nv)
        if (positions.shape, velocities.shape) != expected:
            raise ValueError(
                f"qpos and qvel have shapes {positions.shape} and {velocities.shape}, expected "
                f"{expected}"
            )
        if not (np.isfinite(positions).all() and np.isfinite(velocities).all()):
            raise ValueError("qpos and qvel must be finite")
        self.simulation.reset(chosen, positions, velocities)
        self._begin(chosen)
        return self._observe(chosen).astype(self.dtype)

    def marker(
        self, task_id: int, start: np.ndarray | None = None, elapsed: float = 0.0
    ) -> Marker | None:
        """What a picture shows of a task.

        Args:
            task_id: number of the task.
            start: qpos with which the trajectory began, [nq]; None where it is not known.
            elapsed: time since then [s].
        Returns:
            A marker, None where a task has nothing that can be shown.
        """
        return None
