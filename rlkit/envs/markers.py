"""Markers of tasks in images: goals, directions and velocities.

Plain numbers, and shapes that are added to a MuJoCo scene.

Shapes are added to the scene that is drawn; no model is changed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

COLOR = (0.1, 0.75, 0.25)  # green, which no body and no floor has
# y of what is drawn next to a body that moves in the plane y = 0 [m], on the camera's side.
LANE = -0.5
HEIGHT = 0.02  # of what lies on the floor [m]
ARROW_RADIUS = 0.04  # [m]
PACE_TIME = 0.5  # an arrow for a velocity is as long as the way of this time [s]


@dataclass(frozen=True)
class Goal:
    """A point on the floor, (x, y) [m]: a disc with a radius [m], a pole, and a line to it."""

    x: float
    y: float
    radius: float = 0.25


@dataclass(frozen=True)
class Ball:
    """A point in space, (x, y, z), and the tolerance [m]: a transparent ball."""

    x: float
    y: float
    z: float
    radius: float


@dataclass(frozen=True)
class Disc:
    """A point on the ground, (x, y), and the tolerance [m]: a flat disc."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Direction:
    """A direction in the plane, the unit vector (x, y): an arrow that moves with the body."""

    x: float
    y: float

    def describe(self) -> str:
        """The angle from the x axis, counted towards y."""
        return f"go in direction {round(math.degrees(math.atan2(self.y, self.x))) % 360}°"


@dataclass(frozen=True)
class Pace:
    """A velocity along x [m/s]: an arrow and a runner.

    The arrow is as long as the distance covered in half a second; the runner keeps the velocity
    from the start.

    Attributes:
        velocity: target velocity [m/s].
        runner: x of the runner, a pole next to the track [m]; None: not drawn.
    """

    velocity: float
    runner: float | None = None


Marker = Goal | Ball | Disc | Direction | Pace


def add_marker(scene: mujoco.MjvScene, marker: Marker, body: np.ndarray, reach: float) -> None:
    """Add the shapes of a marker to a scene that `mjv_updateScene` has filled.

    Args:
        scene: what will be drawn.
        marker: what to show.
        body: position of the body that it belongs to, [3].
        reach: how far from the body an arrow for a direction ends [m].
    """
    x, y = float(body[0]), float(body[1])
    match marker:
        case Goal():
            disc = (mujoco.mjtGeom.mjGEOM_CYLINDER, marker.radius)
            _connect(scene, *disc, (marker.x, marker.y, 0.0), (marker.x, marker.y, HEIGHT))
            _pole(scene, marker.x, marker.y, 0.8)
            _connect(
                scene,
                mujoco.mjtGeom.mjGEOM_CAPSULE,
                0.02,
                (x, y, HEIGHT),
                (marker.x, marker.y, HEIGHT),
            )
        case Ball():
            below, above = ((marker.x, marker.y, marker.z + shift) for shift in (-0.001, 0.001))
            _connect(scene, mujoco.mjtGeom.mjGEOM_CAPSULE, marker.radius, below, above, opacity=0.4)
        case Disc():
            _connect(
                scene,
                mujoco.mjtGeom.mjGEOM_CYLINDER,
                marker.radius,
                (marker.x, marker.y, 0.0),
                (marker.x, marker.y, 0.002),
            )
        case Direction():
            start = 0.4 * reach
            _arrow(
                scene,
                (x + start * marker.x, y + start * marker.y),
                (x + reach * marker.x, y + reach * marker.y),
            )
        case Pace():
            _arrow(scene, (x, y + LANE), (x + PACE_TIME * marker.velocity, y + LANE))
            if marker.runner is not None:
                _pole(scene, marker.runner, y + LANE, 1.0)


def _arrow(scene: mujoco.MjvScene, start: tuple[float, float], end: tuple[float, float]) -> None:
    height = ARROW_RADIUS + HEIGHT
    beyond = (
        2 * end[0] - start[0],
        2 * end[1] - start[1],
    )  # MuJoCo draws arrows half as long as they are
    _connect(scene, mujoco.mjtGeom.mjGEOM_ARROW, ARROW_RADIUS, (*start, height), (*beyond, height))


def _pole(scene: mujoco.MjvScene, x: float, y: float, height: float) -> None:
    _connect(scene, mujoco.mjtGeom.mjGEOM_CAPSULE, 0.02, (x, y, 0.0), (x, y, height))
    _connect(scene, mujoco.mjtGeom.mjGEOM_CAPSULE, 0.08, (x, y, height), (x, y, height + 0.01))


def _connect(
    scene: mujoco.MjvScene,
    kind: int,
    width: float,
    start: Sequence[float],
    end: Sequence[float],
    opacity: float = 1.0,
) -> None:
    """Add one shape from a point to another.

    A shape of almost zero length is left out, and so is one for which the scene is full.
    """
    first, last = np.array(start, np.float64), np.array(end, np.float64)
    if scene.ngeom >= scene.maxgeom or np.linalg.norm(last - first) < 1e-3:
        return
    geom = scene.geoms[scene.ngeom]
    mujoco.mjv_initGeom(
        geom,
        kind,
        np.zeros(3),
        np.zeros(3),
        np.eye(3).ravel(),
        np.array((*COLOR, opacity), np.float32),
    )
    mujoco.mjv_connector(geom, kind, width, first, last)
    geom.category = mujoco.mjtCatBit.mjCAT_DECOR  # casts no shadow
    scene.ngeom += 1
