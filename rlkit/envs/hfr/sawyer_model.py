"""The Sawyer arm's scenes, from files of the installed metaworld package.

The package is never imported; the scenes are edited to their form of 2020.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import mujoco

# Mass [kg], principal inertia [kg m²] and centre of mass [m] as of 2020; bodies that have no mass
# in the files of today.
INERTIAS = {
    "hand": (0.08635, (8.778916667e-5, 1.439166667e-6, 8.778916667e-5), (-0.05, 0.0, 0.0)),
    "leftpad": (0.0162, (1.2636e-6, 1.215e-5, 1.09836e-5), (0.0, 0.0, 0.0)),
    "rightpad": (0.0162, (1.2636e-6, 1.215e-5, 1.09836e-5), (0.0, 0.0, 0.0)),
}
ARMATURE = 0.1  # of the arm's joints [kg m²]
PUCK_SIZE = (0.03, 0.015)  # radius and half height [m]
GRIPPER_DOWN = (1.0, 0.0, 1.0, 0.0)  # orientation of the point that the hand is welded to


def scene_file(file_name: str, env_name: str) -> Path:
    """Find a scene that metaworld ships, without importing metaworld.

    Args:
        file_name: for example "sawyer_reach_v3.xml".
        env_name: the environment that needs it, for the message.
    Returns:
        The file's path.
    Raises:
        ValueError: metaworld is not installed, or has no such file.
    """
    spec = importlib.util.find_spec("metaworld")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        path = Path(folder) / "assets" / "sawyer_xyz" / file_name
        if path.is_file():
            return path
    found = f"has no {file_name}" if folders else "is not installed"
    command = (
        "pip install --no-deps --upgrade metaworld"
        if folders
        else "pip install --no-deps metaworld"
    )
    raise ValueError(f"{env_name} needs the scene files of metaworld, which {found}: {command}")


def load_scene(path: Path, hand_target: Sequence[float]) -> mujoco.MjModel:
    """Compile a scene of metaworld 3 as the one of 2020, which HFR used.

    Args:
        path: the scene.
        hand_target: where the point that pulls the hand is after a reset, x, y, z [m].
    Returns:
        The model.
    Source: michaelwan11/hfr on Farama-Foundation/Metaworld of May 2020. Contact parameters are left
    as metaworld 3 has them.
    """
    spec = mujoco.MjSpec.from_file(str(path))
    spec.geom("objGeom").size[:2] = PUCK_SIZE
    for number in range(7):
        spec.joint(f"right_j{number}").armature = ARMATURE
    for name, (mass, inertia, center) in INERTIAS.items():
        body = spec.body(name)
        body.explicitinertial = True
        body.mass, body.inertia, body.ipos, body.iquat = mass, inertia, center, (1, 0, 0, 0)
    target = spec.body("mocap")
    target.pos, target.quat = hand_target, GRIPPER_DOWN
    # Anchor, relative place and relative orientation of the weld: none. What MuJoCo computes where
    # they are left out is the distance at rest, about 1 m. The numbers that follow, whose count
    # depends on MuJoCo's version, stay.
    spec.equalities[0].data[:10] = (0, 0, 0, 0, 0, 0, 1, 0, 0, 0)
    spec.site("goal").rgba[3] = 0  # a fixed place; videos show the task's own
    return spec.compile()
