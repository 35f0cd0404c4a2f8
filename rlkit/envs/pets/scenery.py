"""Sky, light and floor for models that have none; nothing collides with the floor."""

import mujoco


def add_scenery(spec: mujoco.MjSpec, floor: float) -> None:
    """Add a sky, a light and a checkered floor that collides with nothing.

    Args:
        spec: the model, changed in place.
        floor: height of the floor [m].
    """
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=(0.9, 0.93, 1.0),
        rgb2=(0.5, 0.6, 0.75),
        width=64,
        height=64,
    )
    spec.add_texture(
        name="checker",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=(0.1, 0.1, 0.1),
        rgb2=(0.8, 0.8, 0.8),
        width=64,
        height=64,
    )
    material = spec.add_material(name="checker", reflectance=0.2)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "checker"
    spec.worldbody.add_light(pos=(0, -1.0, 5.0), dir=(0, 0.2, -1), cutoff=60)
    spec.worldbody.add_geom(
        name="floor",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=(10, 10, 0.1),
        pos=(0, 0, floor),
        contype=0,
        conaffinity=0,
        material="checker",
        rgba=(1, 1, 1, 1),
    )
