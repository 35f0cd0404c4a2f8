"""`MujocoMetaEnv`: a task distribution whose lanes are MuJoCo simulations.

Subclasses define bodies and rewards.
"""

import abc
from collections.abc import Sequence

import numpy as np

from rlkit.envs.base import Advance
from rlkit.envs.lanes import Lanes
from rlkit.envs.mujoco_body import MujocoBody


class MujocoMetaEnv(MujocoBody):
    """Lanes of one model. Subclasses define `_draw_start`, `_observe`, `_position` and `_outcome`.

    See `MujocoBody` for the class attributes that describe the body, and for the constructor.
    """

    @abc.abstractmethod
    def _draw_start(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw the state in which an episode starts, qpos [nq] and qvel [nv]."""

    @abc.abstractmethod
    def _position(self, lanes: Lanes) -> np.ndarray:
        """Positions of these lanes, a copy [n, axes]; velocity is their change over a step."""

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

        Overridden by bodies whose actions are not the model's controls.
        """
        return self.simulation.step(action, lanes)
