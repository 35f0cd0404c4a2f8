"""Task distributions by name.

A class is imported when it is asked for; importing this package does not import mujoco.
"""

import difflib
import importlib
import inspect
import os
import traceback
from collections.abc import Iterable
from typing import Any

import gymnasium

from rlkit.envs.base import MetaEnv
from rlkit.envs.class_lanes import ClassEnv
from rlkit.envs.keywords import constructor_keywords, json_can_hold
from rlkit.envs.own_meta_env import watched
from rlkit.envs.wrapper import NormalizedBoxEnv
from rlkit.envs.wrappers import SingleEnv

ENVS: dict[str, str] = {
    "ant-dir": "rlkit.envs.ant_dir:AntDir",
    "ant-goal": "rlkit.envs.ant_goal:AntGoal",
    "ant-goal-ring": "rlkit.envs.hfr.ant_goal_ring:AntGoalRing",
    "ant-vel": "rlkit.envs.hfr.ant_vel:AntVel",
    "ant-vel-sparse": "rlkit.envs.hfr.ant_vel:AntVelSparse",
    "cheetah-dir": "rlkit.envs.half_cheetah_dir:HalfCheetahDir",
    "cheetah-highdim": "rlkit.envs.hfr.half_cheetah_highdim:HalfCheetahHighDim",
    "cheetah-run": "rlkit.envs.half_cheetah_run:HalfCheetahRun",
    "cheetah-vel": "rlkit.envs.half_cheetah_vel:HalfCheetahVel",
    "cheetah-vel-sparse": "rlkit.envs.hfr.half_cheetah_vel_sparse:HalfCheetahVelSparse",
    "four-corners": "rlkit.envs.hfr.four_corners:FourCorners",
    "hopper-rand-params": "rlkit.envs.hopper_rand_params_wrapper:HopperRandParamsWrappedEnv",
    "humanoid-dir": "rlkit.envs.humanoid_dir:HumanoidDir",
    "pets-cartpole": "rlkit.envs.pets.cartpole:PetsCartpole",
    "pets-halfcheetah": "rlkit.envs.pets.half_cheetah:PetsHalfCheetah",
    "pets-pusher": "rlkit.envs.pets.pusher:PetsPusher",
    "pets-reacher": "rlkit.envs.pets.reacher:PetsReacher",
    "point-robot": "rlkit.envs.point_robot:PointRobot",
    "sawyer-push": "rlkit.envs.hfr.sawyer_push:SawyerPush",
    "sawyer-reach": "rlkit.envs.hfr.sawyer_reach:SawyerReach",
    "sparse-point-robot": "rlkit.envs.point_robot:SparsePointRobot",
    "walker-rand-params": "rlkit.envs.walker_rand_params_wrapper:WalkerRandParamsWrappedEnv",
}


def env_class(name: str) -> type[MetaEnv]:
    """Import the class of a task distribution.

    Args:
        name: a key of `ENVS`; "module:Class" of a class of one's own, which is a `MetaEnv` or
            written for old gym or gymnasium (`class_adapter`); or an id of gymnasium's registry.
    Returns:
        A subclass of `MetaEnv`.
    Raises:
        ValueError: an unknown name (the message names the nearest known one), a class that does
            not fit, or an OpenGL library chosen by MUJOCO_GL that does not work.
    """
    if ":" in name:
        return _users_class(name)
    if name not in ENVS:
        if name in gymnasium.registry:
            from rlkit.envs.class_adapter import registered

            return registered(name)
        raise ValueError(
            f"unknown environment {name!r}{_nearest(name, ENVS)}; known: {', '.join(sorted(ENVS))}"
        )
    module, attribute = ENVS[name].split(":")
    try:
        imported = importlib.import_module(module)
    except (AttributeError, ImportError, RuntimeError) as error:
        # mujoco looks for this library when it is imported, whether it will draw or not.
        chosen = os.environ.get("MUJOCO_GL")
        if not chosen:
            raise
        raise ValueError(
            f"mujoco cannot be imported with MUJOCO_GL={chosen} ({error}); unset it, or install "
            "its library"
        ) from error
    found: type[MetaEnv] = getattr(imported, attribute)
    return found


def _users_class(name: str) -> type[MetaEnv]:
    module, attribute = name.split(":", 1)
    try:
        imported = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # whatever the module raises
        absent = (
            isinstance(error, ModuleNotFoundError)
            and error.name is not None
            and f"{module}.".startswith(f"{error.name}.")
        )
        raised = "sys.exit" if isinstance(error, SystemExit) else type(error).__name__
        hint = "; set PYTHONPATH to the folder that contains it" if absent else ""
        failed = traceback.extract_tb(error.__traceback__)[-1].line or ""
        if isinstance(error, ImportError) and "register_env" in failed:
            hint = (
                "; oyster's register_env has no use here: delete its import and the decorator, and "
                f'name the class by "env_name": "{name}"'
            )
        raise ValueError(f"{module} cannot be imported ({raised}: {error}){hint}") from error
    if not hasattr(imported, attribute):
        raise ValueError(
            f"module {module} has no class {attribute!r}{_nearest(attribute, dir(imported))}"
        )
    found: Any = getattr(imported, attribute)
    if isinstance(found, type) and issubclass(found, MetaEnv):
        return found
    from rlkit.envs.class_adapter import adapted

    return adapted(found, name)


def make_env(
    name: str, *, normalize: bool = True, physics_threads: int | None = None, **kwargs: Any
) -> MetaEnv:
    """Construct a task distribution.

    Args:
        name: see `env_class`.
        normalize: take actions in [-1, 1] (`NormalizedBoxEnv`); False: actions in the
            environment's own box.
        physics_threads: threads that step the physics; passed only to constructors that name it.
        **kwargs: passed to the constructor; `n_tasks` may be left out where it is fixed.
    Returns:
        The environment.
    Raises:
        ValueError: an unknown name or keyword, or a value that the constructor refuses.
    """
    constructor = env_class(name)
    known = constructor_keywords(constructor)
    for key in kwargs:
        if key not in known:
            raise ValueError(
                f"{name} has no parameter {key!r}{_nearest(key, known)}; known: {', '.join(known)}"
            )
    kwargs = {
        key: value
        for key, value in kwargs.items()
        if value is not None or json_can_hold(known[key].default)
    }
    if "n_tasks" in known and "n_tasks" not in kwargs:
        if constructor.fixed_n_tasks is not None:
            kwargs["n_tasks"] = constructor.fixed_n_tasks
        elif known["n_tasks"].default is inspect.Parameter.empty:
            raise ValueError(f"{name} needs n_tasks, the size of its task set")
    if physics_threads is not None and "physics_threads" in known:
        kwargs["physics_threads"] = physics_threads
    if ":" in name and not issubclass(constructor, ClassEnv) and not name.startswith("rlkit."):
        env = watched(constructor, name, kwargs)
    else:
        env = constructor(**kwargs)
    return NormalizedBoxEnv(env) if normalize else env


def names_with_sparse_rewards() -> list[str]:
    """The keys of `ENVS` whose tasks have a sparse reward."""
    return [name for name in sorted(ENVS) if env_class(name).has_sparse_rewards]


def make_single_env(name: str, *, render_mode: str | None = None, **kwargs: Any) -> SingleEnv:
    """Construct a task distribution as an ordinary gymnasium environment with one lane.

    This is what `gymnasium.make` calls.

    Args:
        name: a key of `ENVS`.
        render_mode: None, or "rgb_array" where the environment can be drawn.
        **kwargs: passed to the constructor, for example n_tasks.
    Returns:
        The environment, actions in its own box.
    Raises:
        ValueError: as `make_env`, or a render mode that the environment does not have.
    """
    return SingleEnv(make_env(name, normalize=False, **kwargs), render_mode)


def _register(
    gymnasium_id: str, name: str, max_episode_steps: int, n_tasks: int, **kwargs: Any
) -> None:
    gymnasium.register(
        id=gymnasium_id,
        entry_point="rlkit.envs:make_single_env",
        vector_entry_point="rlkit.envs.vector:MetaVectorEnv",
        max_episode_steps=max_episode_steps,
        kwargs={"name": name, "n_tasks": n_tasks, **kwargs},
    )


def _nearest(name: str, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


_register("rlkit/AntDir-v0", "ant-dir", 200, 2, forward_backward=True)
_register("rlkit/AntGoal-v0", "ant-goal", 200, 180)
_register("rlkit/AntGoalRing-v0", "ant-goal-ring", 200, 130)
_register("rlkit/AntVel-v0", "ant-vel", 200, 180)
_register("rlkit/AntVelSparse-v0", "ant-vel-sparse", 200, 180)
_register("rlkit/CheetahDir-v0", "cheetah-dir", 200, 2)
_register("rlkit/CheetahHighDim-v0", "cheetah-highdim", 200, 130)
_register("rlkit/CheetahRun-v0", "cheetah-run", 200, 1)
_register("rlkit/CheetahVel-v0", "cheetah-vel", 200, 130)
_register("rlkit/CheetahVelSparse-v0", "cheetah-vel-sparse", 200, 130)
_register("rlkit/FourCorners-v0", "four-corners", 20, 4)
_register("rlkit/HopperRandParams-v0", "hopper-rand-params", 200, 50)
_register("rlkit/HumanoidDir-v0", "humanoid-dir", 200, 130)
_register("rlkit/PetsCartpole-v0", "pets-cartpole", 200, 1)
_register("rlkit/PetsHalfCheetah-v0", "pets-halfcheetah", 1000, 1)
_register("rlkit/PetsPusher-v0", "pets-pusher", 150, 1)
_register("rlkit/PetsReacher-v0", "pets-reacher", 150, 1)
_register("rlkit/PointRobot-v0", "point-robot", 20, 100)
_register("rlkit/SawyerPush-v0", "sawyer-push", 150, 60)
_register("rlkit/SawyerReach-v0", "sawyer-reach", 150, 60)
_register("rlkit/SparsePointRobot-v0", "sparse-point-robot", 20, 100)
_register("rlkit/WalkerRandParams-v0", "walker-rand-params", 200, 50)

gymnasium.register(
    id="rlkit/HumanoidContactCost-v0",
    entry_point="rlkit.envs.humanoid_contact_cost:HumanoidContactCost",
    max_episode_steps=1000,
)
