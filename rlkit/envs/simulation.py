"""`Simulation`: the interface of the physics engines."""

import abc
from collections.abc import Mapping

import mujoco
import numpy as np

from rlkit.envs.lanes import Lanes


class Simulation(abc.ABC):
    """Simulations ("lanes") of one model.

    Attributes:
        model: the model that all lanes share, except for the fields of `set_model_fields`.
        qpos, qvel: state of each lane, [num_envs, nq] and [num_envs, nv]. Read-only; `reset` writes
            them.
        mocap_pos: positions of mocap bodies, [num_envs, nmocap, 3]. Write them before a step;
            `reset` restores the model's. Not available with MuJoCo 2.1.0.
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
        """Advance some lanes by `frame_skip` substeps; the others do not change.

        Args:
            ctrl: controls, [n, nu].
            lanes: the n lanes, in ascending order; None: lanes 0 … n-1.
        Returns:
            Which of the n lanes diverged, bool [n]. MuJoCo resets those to the model's
            initial state.
        """

    @abc.abstractmethod
    def set_model_fields(
        self,
        lanes: np.ndarray,
        values: Mapping[str, np.ndarray],
        *,
        recompute_constants: bool = False,
    ) -> None:
        """Set lane-specific values of model fields in lanes [n], each [n, …].

        The lanes must be reset afterwards.

        With `recompute_constants`, the constants that MuJoCo derives from the model at load time
        (`mj_setConst`) are recomputed.
        """

    @abc.abstractmethod
    def lane_model(self, lane: int) -> mujoco.MjModel:
        """The model of a lane, with its own values; read-only."""

    @abc.abstractmethod
    def close(self) -> None:
        """Stop the threads."""
