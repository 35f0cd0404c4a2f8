"""`MujocoBody`: the model of a body, the simulations of its lanes, their states and images."""

import abc
from pathlib import Path
from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from rlkit.envs.base import MetaEnv
from rlkit.envs.lanes import Lanes, at_least
from rlkit.envs.markers import Marker
from rlkit.envs.mujoco_model import Physics, gymnasium_asset, load_model
from rlkit.envs.mujoco_pool import Backend, make_simulation


class MujocoBody(MetaEnv):
    """Lanes that are simulations of one model, whose states can be read, set and recorded on video.

    Attributes:
        model_file: name of the body's file, gymnasium's unless `model_path` says otherwise.
        total_mass: what the body's masses are scaled to [kg]; None: they stay.
        timestep: of the physics [s]; None: the file's.
        fields: results of the physics that the subclass reads, see `make_simulation`.
        contact_forces: whether cfrc_ext is computed; else it is zero.
        action_box: least and greatest action; None: the model's control ranges.
        physics: "mujoco210" or "native".
        frame_skip, dt: physics steps in one step of the environment, and the time they take [s].
        model: the compiled model.
        simulation: the lanes.
        camera_body: the body that a camera follows.
        camera_target: fixed point at which it looks instead, x, y, z [m]; None: it follows.
        camera_distance, camera_elevation, camera_azimuth: of this camera from the body [m], its
            angle to the horizon, and the direction in which it looks, counted from the x axis
            towards y [degrees].
    """

    has_simulation = True
    dt: float
    model_file: ClassVar[str]
    total_mass: ClassVar[float | None] = None
    timestep: float | None = None
    frame_skip = 5
    fields: ClassVar[tuple[str, ...]] = ("xpos",)
    contact_forces = False
    camera_body = "torso"
    camera_target: ClassVar[tuple[float, float, float] | None] = None
    camera_distance = 4.0
    camera_elevation = -12.0
    camera_azimuth = 90.0  # x to the right, y away from the camera

    def __init__(
        self,
        n_tasks: int,
        *,
        randomize_tasks: bool = True,
        physics: Physics = "mujoco210",
        backend: Backend = "mujoco",
        task_seed: int = 1337,
        num_envs: int = 1,
        physics_threads: int = 1,
        dtype: DTypeLike = np.float32,
    ) -> None:
        """Draw the task set and make the lanes.

        Args:
            n_tasks: size of the task set.
            randomize_tasks: accepted because oyster's files may have it; it changes nothing here.
            physics: "mujoco210" (inertias and margins of the MuJoCo versions of the published
                results) or "native" (today's).
            backend: "mujoco" (official bindings; "batch" and "pool": by this route, with equal
                numbers) or "mujoco-py" (2.1.0).
            task_seed: seed of the generator that draws the task set.
            num_envs: the most lanes that can be in use.
            physics_threads: threads that step the lanes.
            dtype: of observations, outcomes, tasks and rewards.
        Raises:
            ValueError: a value out of its range.
        """
        self.physics = physics
        self.model = self._make_model(backend)
        if self.action_box is None:
            low, high = self.model.actuator_ctrlrange.T
            self.action_box = low, high
        super().__init__(n_tasks, task_seed=task_seed, num_envs=num_envs, dtype=dtype)
        self.dt = self.frame_skip * float(self.model.opt.timestep)
        self.simulation = make_simulation(
            self.model,
            self.num_envs,
            self.frame_skip,
            threads=at_least("physics_threads", physics_threads, 1),
            fields=self.fields,
            contact_forces=self.contact_forces,
            backend=backend,
            path=self.model_path(),
        )

    @classmethod
    def model_path(cls) -> Path:
        """The file that the model is compiled from."""
        return gymnasium_asset(cls.model_file)

    def _make_model(self, backend: Backend) -> mujoco.MjModel:
        """Compile `model_file`, see `load_model`.

        With backend "mujoco-py" it has old masses in either mode of physics.
        """
        old = backend == "mujoco-py" and self.physics == "native"
        physics: Physics = "mujoco210" if old else self.physics
        return load_model(
            self.model_path(), physics=physics, total_mass=self.total_mass, timestep=self.timestep
        )

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
        """Marker that shows a task in an image.

        Args:
            task_id: number of the task.
            start: qpos with which the trajectory began, [nq]; None where it is not known.
            elapsed: time since then [s].
        Returns:
            A marker, None where a task has nothing that can be shown.
        """
        return None

    def close(self) -> None:
        """Take all lanes out of use and end the physics threads; may be called twice."""
        super().close()
        self.simulation.close()
