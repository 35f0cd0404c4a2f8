"""Off-screen OpenGL contexts, on machines with and without a display or a graphics card."""

import importlib
import os
import subprocess
import sys
from typing import Any

# Renders nothing, but loads the library completely: some contexts open without one and fail only
# when they are used.
_PROBE = (
    "import importlib, mujoco; "
    "context = importlib.import_module('mujoco.{0}').GLContext(8, 8); context.make_current(); "
    "model = mujoco.MjModel.from_xml_string('<mujoco/>'); "
    "mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100).free(); context.free()"
)


def open_gl_context(width: int, height: int) -> Any:
    """Open an off-screen OpenGL context and make it current.

    The environment variable MUJOCO_GL ("egl", "osmesa", "glfw") selects the library if it is set.
    Otherwise EGL, OSMesa and GLFW are tried in this order, each in its own process, because a
    failed attempt breaks later ones in the same process.

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
        "no OpenGL library works here, so nothing can be drawn; install libegl1 (or libosmesa6), "
        f"or set MUJOCO_GL to one of egl, osmesa, glfw. Tried {'; '.join(complaints)}"
    )


def choose_for_classes() -> None:
    """Set MUJOCO_GL, if unset, to a library that works.

    Gymnasium's MuJoCo classes read it; without it they need a display.
    """
    if not os.environ.get("MUJOCO_GL"):
        working = (name for name in _candidates() if _in_use(name) or _probe(name) is None)
        if name := next(working, None):
            os.environ["MUJOCO_GL"] = name


def _candidates() -> list[str]:
    """Names of the candidate libraries, in the order in which they are tried."""
    chosen = os.environ.get("MUJOCO_GL", "").strip().lower()
    if chosen in ("", "on", "enable", "enabled", "true", "1"):
        return ["cgl", "glfw"] if sys.platform == "darwin" else ["egl", "osmesa", "glfw"]
    return [{"glx": "glfw", "wgl": "glfw"}.get(chosen, chosen)]


def _in_use(name: str) -> bool:
    """Whether this process has already loaded the library.

    glfw does not count: MuJoCo imports it even without a display.
    """
    return name in ("egl", "osmesa") and f"mujoco.{name}" in sys.modules


def _probe(name: str) -> str | None:
    """Open and use a context in another process.

    Returns None if it works, otherwise the error.
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
