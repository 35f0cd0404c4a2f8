"""`Simulation`: what an environment asks of the physics, whichever engine steps it."""

import abc
from collections.abc import Mapping

import mujoco
import numpy as np

from rlkit.envs.lanes import Lanes


class Simulation(abc.ABC):
    """Simulations ("lanes") of one model.

    Attributes:
        model: the model that all lanes share, but for the fields of `set_model_fields`.
        qpos, qvel: state of each lane, [num_envs, nq] and [num_envs, nv]. Read them; `reset` writes
            them.
        mocap_pos: positions of the mocap bodies, [num_envs, nmocap, 3]. Write
            them before a step; `reset` puts them back to the model's. MuJoCo 2.1.0 has none here.
        fields: results of the last step by name, for example "xpos" [num_envs, nbody, 3]. As
            `mj_step` leaves them they belong to the state before the last substep's integration,
            while qpos and qvel are after it.
    """

    model: mujoco.MjModel
    qpos: np.ndarray
    qvel: np.ndarray
    mocap_pos: np.ndarray
    fields: dict[str, np.ndarray]

    @abc.abstractmethod
    def reset(self, lanes: np.ndarray, qpos: np.ndarray, qvel: np.ndarray) -> None:
        """Put lanes [n] into state qpos [n, nq], qvel [n, nv] at time 0 and compute the fields."""

    @abc.abstractmethod
    def step(self, ctrl: np.ndarray, lanes: Lanes | None = None) -> np.ndarray:
        """Advance some lanes by `frame_skip` substeps; no other lane is touched.

        Args:
            ctrl: controls, [n, nu].
            lanes: the n lanes, in ascending order; None: lanes 0 … n-1.
        Returns:
            Which of the n lanes diverged, bool [n]. MuJoCo itself puts those back to the model's
            start.
        """

    @abc.abstractmethod
    def set_model_fields(
        self,
        lanes: np.ndarray,
        values: Mapping[str, np.ndarray],
        *,
        recompute_constants: bool = False,
    ) -> None:
        """Give lanes [n] their own values of fields of the model, each [n, …].

        The lanes must be reset afterwards.

        With `recompute_constants`, what MuJoCo derives from the model at load (`mj_setConst`)
        follows the new values.
        """

    @abc.abstractmethod
    def lane_model(self, lane: int) -> mujoco.MjModel:
        """The model that a lane runs on, with its own values; do not write to it."""

    @abc.abstractmethod
    def close(self) -> None:
        """End the threads."""
