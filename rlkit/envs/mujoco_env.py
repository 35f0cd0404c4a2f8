"""`MujocoMetaEnv`: a task distribution whose lanes are MuJoCo simulations.

Bodies and rewards are subclasses' business.
"""

import abc
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import DTypeLike

from rlkit.envs.base import Advance
from rlkit.envs.batched import Lanes, at_least
from rlkit.envs.mujoco_batch import Backend
from rlkit.envs.mujoco_model import Physics, gymnasium_asset, load_model
from rlkit.envs.mujoco_pool import make_simulation
from rlkit.envs.mujoco_state import MujocoState


class MujocoMetaEnv(MujocoState):
    """Lanes of one model. Subclasses write `_draw_start`, `_observe`, `_position` and `_outcome`.

    Attributes:
        model_file: name of the body's file, gymnasium's unless `model_path` says otherwise.
        total_mass: what the body's masses are scaled to [kg]; None: they stay.
        timestep: of the physics [s]; None: the file's.
        fields: results of the physics that the subclass reads, see `make_simulation`.
        contact_forces: whether cfrc_ext is computed; else it is zero.
        action_box: least and greatest action; None: the model's control ranges.
        physics: "mujoco210" or "native".
        frame_skip, dt: physics steps in one step of the environment, and the time they take [s].
    """

    dt: float
    model_file: ClassVar[str]
    total_mass: ClassVar[float | None] = None
    timestep: float | None = None
    frame_skip = 5
    fields: ClassVar[tuple[str, ...]] = ("xpos",)
    contact_forces = False

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
    def _draw_start(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw the state in which an episode starts, qpos [nq] and qvel [nv]."""

    @abc.abstractmethod
    def _position(self, lanes: Lanes) -> np.ndarray:
        """Positions of these lanes, whose change in a step is the velocity; [n, axes], a copy."""

    @abc.abstractmethod
    def _outcome(self, position_before: np.ndarray, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        """Outcomes of a step of these lanes, [n, outcome_dim].

        Args:
            position_before: what `_position` returned before the step.
            action: [n, act_dim].
            lanes: the n lanes.
        """

    def _reset_lanes(
        self, generators: Sequence[np.random.Generator], lanes: np.ndarray
    ) -> np.ndarray:
        starts = [self._draw_start(generator) for generator in generators]
        qpos, qvel = (np.stack(part) for part in zip(*starts, strict=True))
        self.simulation.reset(lanes, qpos, qvel)
        return self._observe(lanes)

    def _advance(self, action: np.ndarray, lanes: Lanes) -> Advance:
        position_before = self._position(lanes)
        diverged = self._simulate(action, lanes)
        return Advance(
            self._observe(lanes), self._outcome(position_before, action, lanes), diverged
        )

    def _simulate(self, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        """Step these lanes and return which diverged, bool [n].

        Bodies whose actions are not the model's controls override it.
        """
        return self.simulation.step(action, lanes)

    def close(self) -> None:
        """Take all lanes out of use and end the physics threads; may be called twice."""
        super().close()
        self.simulation.close()
