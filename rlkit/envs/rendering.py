"""Frames from the state of a MuJoCo lane, on machines with and without a display or a graphics card."""

import copy
import importlib
import os
import subprocess
import sys
from typing import Any, cast

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from rlkit.envs.base import MetaEnv
from rlkit.envs.mujoco_env import MujocoMetaEnv

QUALITIES = ("fast", "high")
_PROBE = "import importlib; importlib.import_module('mujoco.{0}').GLContext(8, 8).make_current()"


class Renderer:
    """Draws lanes with a camera that follows the body; also usable as a context manager."""

    def __init__(self, env: MetaEnv, width: int = 480, height: int = 480, quality: str = "fast") -> None:
        """Open an off-screen OpenGL context.

        Args:
            env: a MuJoCo environment, wrapped or not.
            width, height: size of a frame in pixels.
            quality: "fast" leaves out shadows, reflections and multisampling, which cost twenty times the rest without
                a graphics card; "high" has them.
        Raises:
            ValueError: an environment without a MuJoCo model, an unknown quality, or no OpenGL library that works.
        """
        if not hasattr(env, "simulation"):
            raise ValueError(f"{env.name} has no MuJoCo model and cannot be rendered")
        if quality not in QUALITIES:
            raise ValueError(f"quality is {quality!r}, expected one of {', '.join(QUALITIES)}")
        self.env = cast(MujocoMetaEnv, env)
        self.width, self.height = width, height
        self._model = copy.copy(self.env.model)
        self._model.vis.global_.offwidth = max(width, self._model.vis.global_.offwidth)
        self._model.vis.global_.offheight = max(height, self._model.vis.global_.offheight)
        if quality == "fast":
            self._model.vis.quality.offsamples = 0
        self._data = mujoco.MjData(self._model)
        self._gl: Any = open_gl_context(width, height)
        self._context: Any = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_150)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(self._model, maxgeom=2000)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = quality == "high"
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = quality == "high"
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FREE  # older tracking cameras lag behind
        self._body = self._model.body(self.env.camera_body).id
        self._camera.distance, self._camera.azimuth, self._camera.elevation = 4.0, 90.0, -12.0

    def frame(self, lane: int) -> np.ndarray:
        """Draw the present state of a lane in use, uint8 [height, width, 3]."""
        return self.render_state(*self.env.get_state(lane))

    def render_state(self, qpos: ArrayLike, qvel: ArrayLike) -> np.ndarray:
        """Draw a state.

        Args:
            qpos, qvel: [nq] and [nv].
        Returns:
            Picture, uint8 [height, width, 3].
        """
        self._data.qpos[:] = qpos
        self._data.qvel[:] = qvel
        mujoco.mj_forward(self._model, self._data)
        self._camera.lookat = self._data.subtree_com[self._body]
        self._gl.make_current()
        mujoco.mjv_updateScene(
            self._model,
            self._data,
            mujoco.MjvOption(),
            mujoco.MjvPerturb(),
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        viewport = mujoco.MjrRect(0, 0, self.width, self.height)
        mujoco.mjr_render(viewport, self._scene, self._context)
        picture = np.empty((self.height, self.width, 3), np.uint8)
        mujoco.mjr_readPixels(picture, None, viewport, self._context)
        return picture[::-1].copy()  # OpenGL's first row is the lowest

    def close(self) -> None:
        """Give back the OpenGL context; may be called twice."""
        if self._gl is not None:
            self._gl.make_current()
            self._context.free()
            self._gl.free()
            self._gl = None

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_gl_context(width: int, height: int) -> Any:
    """Open an off-screen OpenGL context and make it current.

    The environment variable MUJOCO_GL ("egl", "osmesa", "glfw") decides where it is set. Otherwise EGL, OSMesa and a display
    are tried in this order, each in a process of its own, because a failed attempt spoils the next in one process.

    Args:
        width, height: size in pixels.
    Returns:
        A context with `make_current` and `free`.
    Raises:
        ValueError: none works.
    """
    chosen = os.environ.get("MUJOCO_GL", "").strip().lower()
    if chosen in ("", "on", "enable", "enabled", "true", "1"):
        candidates = ["cgl", "glfw"] if sys.platform == "darwin" else ["egl", "osmesa", "glfw"]
    else:
        candidates = [{"glx": "glfw", "wgl": "glfw"}.get(chosen, chosen)]
    complaints = []
    for name in candidates:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE.format(name)],
            env={**os.environ, "MUJOCO_GL": "disable" if name == "osmesa" else name},
            capture_output=True,
            text=True,
        )
        if probe.returncode == 0:
            context = importlib.import_module(f"mujoco.{name}").GLContext(width, height)
            context.make_current()
            return context
        lines = probe.stderr.strip().splitlines()
        complaints.append(f"{name}: {lines[-1] if lines else f'exit code {probe.returncode}'}")
    raise ValueError(
        "no OpenGL library works here, so nothing can be drawn; install libegl1 (or libosmesa6), or set MUJOCO_GL to one of "
        f"egl, osmesa, glfw. Tried {'; '.join(complaints)}"
    )
