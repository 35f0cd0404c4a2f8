"""Frames from the state of a MuJoCo lane: the body, a floor of 1 m squares, and the task."""

import copy
from typing import Any

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from rlkit.envs.base import MetaEnv
from rlkit.envs.markers import Marker, add_marker
from rlkit.envs.mujoco_env import MujocoMetaEnv
from rlkit.envs.opengl import open_gl_context

QUALITIES = ("fast", "high")
FLOOR = 30.0  # half width of the floor that is drawn round the body [m]
SQUARE = 1.0  # width of a square of the floor [m]
SWAY = 0.6  # how far the body may rise or sink before the camera follows [m]


class Renderer:
    """Draws lanes with a camera that follows the body; also usable as a context manager."""

    def __init__(
        self, env: MetaEnv, width: int = 480, height: int = 480, quality: str = "fast"
    ) -> None:
        """Open an off-screen OpenGL context.

        Args:
            env: a MuJoCo environment, wrapped or not.
            width, height: size of a frame in pixels.
            quality: "high" has shadows, reflections and smooth edges; "fast" leaves them out, which
                makes a frame ten to thirty times cheaper where there is no graphics card.
        Raises:
            ValueError: an environment without a MuJoCo model, an unknown quality, or no OpenGL
                library that works.
        """
        body = env.unwrapped
        if not isinstance(body, MujocoMetaEnv):
            raise ValueError(f"{env.name} has no MuJoCo model and cannot be rendered")
        if quality not in QUALITIES:
            raise ValueError(f"quality is {quality!r}, expected one of {', '.join(QUALITIES)}")
        self.env = body
        self.width, self.height = width, height
        self._model = _model_to_draw(self.env.model, width, height, quality)
        self._data = mujoco.MjData(self._model)
        self._gl: Any = open_gl_context(width, height)
        self._context: Any = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_150)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(self._model, maxgeom=2000)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = quality == "high"
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = quality == "high"
        self._scene.flags[mujoco.mjtRndFlag.mjRND_HAZE] = False  # a white line where the floor ends
        self._option, self._perturb = mujoco.MjvOption(), mujoco.MjvPerturb()
        self._floors = np.flatnonzero(self._model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE).tolist()
        self._body = self._model.body(self.env.camera_body).id
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FREE  # older tracking cameras lag behind
        self._camera.azimuth = self.env.camera_azimuth
        self._camera.distance, self._camera.elevation = (
            self.env.camera_distance,
            self.env.camera_elevation,
        )
        self._place(self._model.qpos0)
        self._rest_height = self._data.subtree_com[self._body, 2]

    def frame(self, lane: int) -> np.ndarray:
        """Draw the present state of a lane in use with its task, uint8 [height, width, 3]."""
        qpos, qvel = self.env.get_state(lane)
        return self.render_state(qpos, qvel, self.env.marker(int(self.env.task_ids[lane])))

    def render_state(
        self, qpos: ArrayLike, qvel: ArrayLike, marker: Marker | None = None
    ) -> np.ndarray:
        """Draw a state.

        Args:
            qpos, qvel: [nq] and [nv]; what is drawn depends on qpos only.
            marker: what is shown of the task, None for nothing.
        Returns:
            Image, uint8 [height, width, 3].
        """
        self._place(qpos)
        self._aim(self._data.subtree_com[self._body])
        self._gl.make_current()
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(
            self._model,
            self._data,
            self._option,
            self._perturb,
            self._camera,
            everything,
            self._scene,
        )
        self._move_floor_and_lights()
        if marker is not None:
            add_marker(
                self._scene,
                marker,
                self._data.xpos[self._body],
                reach=0.375 * self._camera.distance,
            )
        viewport = mujoco.MjrRect(0, 0, self.width, self.height)
        mujoco.mjr_render(viewport, self._scene, self._context)
        picture = np.empty((self.height, self.width, 3), np.uint8)
        mujoco.mjr_readPixels(picture, None, viewport, self._context)
        return picture[::-1].copy()  # OpenGL's first row is the lowest

    def _place(self, qpos: ArrayLike) -> None:
        """Compute where everything is; velocities and forces are not drawn."""
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)

    def _aim(self, center: np.ndarray) -> None:
        """Point the camera at the body.

        Its height stays unless the body leaves the middle of the image.
        """
        if self.env.camera_target is not None:
            self._camera.lookat = self.env.camera_target
            return
        height = np.clip(self._rest_height, center[2] - SWAY, center[2] + SWAY)
        self._camera.lookat = (center[0], center[1], height)

    def _move_floor_and_lights(self) -> None:
        """Move the floor and the shadows with the camera, so that neither ends.

        The floor moves by whole squares, so that the motion is invisible.
        """
        x, y, _ = self._camera.lookat
        period = 2 * SQUARE
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and geom.objid in self._floors:
                geom.pos[:2] = period * np.round(x / period), period * np.round(y / period)
        for light in self._scene.lights[: self._scene.nlight]:
            if not light.headlight:
                light.pos[:2] += x, y

    def close(self) -> None:
        """Release the OpenGL context; may be called twice."""
        if self._gl is not None:
            self._gl.make_current()
            self._context.free()
            self._gl.free()
            self._gl = None

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _model_to_draw(model: mujoco.MjModel, width: int, height: int, quality: str) -> mujoco.MjModel:
    """Copy a model and adapt its looks: size of the image, a floor of squares of known width."""
    drawn = copy.copy(model)
    drawn.vis.global_.offwidth = max(width, drawn.vis.global_.offwidth)
    drawn.vis.global_.offheight = max(height, drawn.vis.global_.offheight)
    if quality == "fast":
        drawn.vis.quality.offsamples = 0
        drawn.vis.quality.numslices, drawn.vis.quality.numstacks = (
            20,
            10,
        )  # of round shapes, instead of 28 and 16
    for plane in np.flatnonzero(drawn.geom_type == mujoco.mjtGeom.mjGEOM_PLANE):
        drawn.geom_size[plane] = (
            FLOOR,
            FLOOR,
            FLOOR,
        )  # the third is the spacing of its mesh: gymnasium's 0.125 m is slow to draw
        material = drawn.geom_matid[plane]
        if material < 0:
            continue
        drawn.mat_texuniform[material] = True
        drawn.mat_texrepeat[material] = (
            1 / SQUARE
        )  # a checker texture has two squares, and texrepeat counts from edge to middle
        drawn.mat_reflectance[material] *= 0.4
        for texture in set(drawn.mat_texid[material].tolist()) - {-1}:
            start = drawn.tex_adr[texture]
            size = (
                drawn.tex_height[texture] * drawn.tex_width[texture] * drawn.tex_nchannel[texture]
            )
            texels = drawn.tex_data[start : start + size]
            texels[:] = 110 + texels // 3  # black squares would hide shadows and dark bodies
    return drawn
