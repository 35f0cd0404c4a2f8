"""MuJoCo models compiled from gymnasium's files, with current or MuJoCo 2.1.0 physics."""

import importlib.util
from pathlib import Path
from typing import Literal, get_args

import mujoco
import numpy as np

Physics = Literal["mujoco210", "native"]


def gymnasium_asset(file_name: str) -> Path:
    """Find a model file that gymnasium ships, without importing its MuJoCo environments.

    Args:
        file_name: for example "half_cheetah.xml".
    Returns:
        The file's path.
    Raises:
        ValueError: gymnasium has no such file.
    """
    spec = importlib.util.find_spec("gymnasium")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        path = Path(folder) / "envs" / "mujoco" / "assets" / file_name
        if path.is_file():
            return path
    raise ValueError(
        f"gymnasium ships no model file {file_name!r}; looked under "
        f"{folders or 'nothing: it is not installed'}"
    )


def load_model(
    path: Path, *, physics: Physics, total_mass: float | None = None, timestep: float | None = None
) -> mujoco.MjModel:
    """Compile a model file.

    Args:
        path: MJCF file. Its compiler attribute `settotalmass`, which MuJoCo warns about, is
            ignored.
        physics: "native": as in the installed MuJoCo; "mujoco210": masses and inertias of
            capsules by the rule used until MuJoCo 2.1.0, and contact margins with the same effect
            on MuJoCo ≥ 3.5 as before.
        total_mass: scale masses and inertias to this sum [kg]; None: unchanged.
        timestep: of one physics step [s]; None: the file's.
    Returns:
        The model.
    Raises:
        ValueError: an unknown `physics`, or a model whose margins have no equivalent.
    """
    if physics not in get_args(Physics):
        raise ValueError(f"physics is {physics!r}, expected one of {', '.join(get_args(Physics))}")
    spec = mujoco.MjSpec.from_file(str(path))
    spec.compiler.settotalmass = -1
    if timestep is not None:
        spec.option.timestep = timestep
    model = spec.compile()
    if physics == "mujoco210":
        _write_old_inertias(spec, model)
        _write_old_margins(model)
    if total_mass is not None:
        mujoco.mj_setTotalmass(model, total_mass)
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def _write_old_inertias(spec: mujoco.MjSpec, model: mujoco.MjModel) -> None:
    """Give bodies the inertias of MuJoCo ≤ 2.1.0.

    Those versions treated a capsule as a cylinder of half length h + r/2. The inertial frames are
    copied from a second model in which every capsule is replaced by that cylinder.
    """
    for geom in spec.geoms:
        if geom.type == mujoco.mjtGeom.mjGEOM_CAPSULE:
            geom.type = mujoco.mjtGeom.mjGEOM_CYLINDER
            radius = geom.size[0]
            if np.isnan(geom.fromto[0]):
                geom.size = [radius, geom.size[1] + radius / 2, 0]
            else:
                start, end = geom.fromto[:3], geom.fromto[3:]
                longer = radius / 2 * (end - start) / np.linalg.norm(end - start)
                geom.fromto = [*(start - longer), *(end + longer)]
    cylinders = spec.compile()
    model.body_mass[:] = cylinders.body_mass
    model.body_inertia[:] = cylinders.body_inertia
    model.body_ipos[:] = cylinders.body_ipos
    model.body_iquat[:] = cylinders.body_iquat


def _write_old_margins(model: mujoco.MjModel) -> None:
    """Halve the contact margins on MuJoCo ≥ 3.5, which adds the margins of two geoms.

    Earlier versions used the larger one.
    """
    if tuple(int(part) for part in mujoco.__version__.split(".")[:2]) < (3, 5):
        return
    if np.unique(model.geom_margin).size > 1:
        raise ValueError(
            f"geoms have different margins {np.unique(model.geom_margin)}: no margins give MuJoCo "
            "2.1.0's contacts"
        )
    model.geom_margin[:] /= 2
