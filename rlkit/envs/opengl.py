"""Off-screen OpenGL contexts, on machines with and without a display or a graphics card."""

import importlib
import os
import subprocess
import sys
from typing import Any

# Draws nothing, but loads the library all the way: some contexts open without one and fail only
# when they are used.
_PROBE = (
    "import importlib, mujoco; context = importlib.import_module('mujoco.{0}').GLContext(8, 8); context.make_current(); "
    "mujoco.MjrContext(mujoco.MjModel.from_xml_string('<mujoco/>'), mujoco.mjtFontScale.mjFONTSCALE_100).free(); context.free()"
)


def open_gl_context(width: int, height: int) -> Any:
    """Open an off-screen OpenGL context and make it current.

    The environment variable MUJOCO_GL ("egl", "osmesa", "glfw") decides where it is set. Otherwise
    EGL, OSMesa and a display are tried in this order, each in a separate process, because a
    failed attempt spoils the next in one process.

    Args:
        width, height: size in pixels.
    Returns:
        A context with `make_current` and `free`.
    Raises:
        ValueError: none works.
    """
    complaints = []
    for name in _candidates():
        failure = None if _in_use(name) else _probe(name)
        if failure is None:
            context = importlib.import_module(f"mujoco.{name}").GLContext(width, height)
            context.make_current()
            return context
        complaints.append(f"{name}: {failure}")
    raise ValueError(
        "no OpenGL library works here, so nothing can be drawn; install libegl1 (or libosmesa6), or set MUJOCO_GL to one of "
        f"egl, osmesa, glfw. Tried {'; '.join(complaints)}"
    )


def choose_for_classes() -> None:
    """Set MUJOCO_GL, unless somebody has, to a library that works.

    Gymnasium's MuJoCo classes go by it; without it they ask for a display.
    """
    if not os.environ.get("MUJOCO_GL"):
        working = (name for name in _candidates() if _in_use(name) or _probe(name) is None)
        if name := next(working, None):
            os.environ["MUJOCO_GL"] = name


def _candidates() -> list[str]:
    """Names of the libraries that may be used, in the order in which they are tried."""
    chosen = os.environ.get("MUJOCO_GL", "").strip().lower()
    if chosen in ("", "on", "enable", "enabled", "true", "1"):
        return ["cgl", "glfw"] if sys.platform == "darwin" else ["egl", "osmesa", "glfw"]
    return [{"glx": "glfw", "wgl": "glfw"}.get(chosen, chosen)]


def _in_use(name: str) -> bool:
    """Whether this process has loaded the library already.

    glfw does not count: MuJoCo imports it with or without a display.
    """
    return name in ("egl", "osmesa") and f"mujoco.{name}" in sys.modules


def _probe(name: str) -> str | None:
    """Open and use a context in another process.

    None if that works, otherwise the error.
    """
    probe = subprocess.run(
        [sys.executable, "-c", _PROBE.format(name)],
        env={**os.environ, "MUJOCO_GL": "disable" if name == "osmesa" else name},
        capture_output=True,
        text=True,
    )
    lines = probe.stderr.strip().splitlines()
    return (
        None if probe.returncode == 0 else lines[-1] if lines else f"exit code {probe.returncode}"
    )
