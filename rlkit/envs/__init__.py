"""Task distributions by name.

A class is imported when it is asked for; importing this package does not import mujoco.
"""

import difflib
import importlib
import inspect
import os
import traceback
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import gymnasium

from rlkit.envs.base import MetaEnv
from rlkit.envs.class_lanes import ClassEnv
from rlkit.envs.keywords import constructor_keywords, json_can_hold
from rlkit.envs.own_meta_env import watched
from rlkit.envs.wrapper import NormalizedBoxEnv
from rlkit.envs.wrappers import SingleEnv


class Row(NamedTuple):
    """An environment of this project.

    Attributes:
        path: module of `rlkit.envs` and class.
        gymnasium_id: in the namespace rlkit.
        max_episode_steps: time limit that `gymnasium.make` adds.
        n_tasks: default number of tasks for `gymnasium.make`.
        settings: further keywords of the constructor there.
    """

    path: str
    gymnasium_id: str
    max_episode_steps: int
    n_tasks: int
    settings: Mapping[str, Any] = {}


ENVS: dict[str, Row] = {
    "ant-dir": Row("ant_dir:AntDir", "AntDir-v0", 200, 2, {"forward_backward": True}),
    "ant-goal": Row("ant_goal:AntGoal", "AntGoal-v0", 200, 180),
    "ant-goal-ring": Row("hfr.ant_goal_ring:AntGoalRing", "AntGoalRing-v0", 200, 130),
    "ant-vel": Row("hfr.ant_vel:AntVel", "AntVel-v0", 200, 180),
    "ant-vel-sparse": Row("hfr.ant_vel:AntVelSparse", "AntVelSparse-v0", 200, 180),
    "cheetah-dir": Row("half_cheetah_dir:HalfCheetahDir", "CheetahDir-v0", 200, 2),
    "cheetah-highdim": Row(
        "hfr.half_cheetah_highdim:HalfCheetahHighDim", "CheetahHighDim-v0", 200, 130
    ),
    "cheetah-run": Row("half_cheetah_run:HalfCheetahRun", "CheetahRun-v0", 200, 1),
    "cheetah-vel": Row("half_cheetah_vel:HalfCheetahVel", "CheetahVel-v0", 200, 130),
    "cheetah-vel-sparse": Row(
        "hfr.half_cheetah_vel_sparse:HalfCheetahVelSparse", "CheetahVelSparse-v0", 200, 130
    ),
    "four-corners": Row("hfr.four_corners:FourCorners", "FourCorners-v0", 20, 4),
    "hopper-rand-params": Row(
        "hopper_rand_params_wrapper:HopperRandParamsWrappedEnv", "HopperRandParams-v0", 200, 50
    ),
    "humanoid-dir": Row("humanoid_dir:HumanoidDir", "HumanoidDir-v0", 200, 130),
    "pets-cartpole": Row("pets.cartpole:PetsCartpole", "PetsCartpole-v0", 200, 1),
    "pets-halfcheetah": Row("pets.half_cheetah:PetsHalfCheetah", "PetsHalfCheetah-v0", 1000, 1),
    "pets-pusher": Row("pets.pusher:PetsPusher", "PetsPusher-v0", 150, 1),
    "pets-reacher": Row("pets.reacher:PetsReacher", "PetsReacher-v0", 150, 1),
    "point-maml": Row("point_robot:PointMaml", "PointMaml-v0", 100, 60),
    "point-robot": Row("point_robot:PointRobot", "PointRobot-v0", 20, 100),
    "sawyer-push": Row("hfr.sawyer_push:SawyerPush", "SawyerPush-v0", 150, 60),
    "sawyer-reach": Row("hfr.sawyer_reach:SawyerReach", "SawyerReach-v0", 150, 60),
    "sparse-point-robot": Row("point_robot:SparsePointRobot", "SparsePointRobot-v0", 20, 100),
    "walker-rand-params": Row(
        "walker_rand_params_wrapper:WalkerRandParamsWrappedEnv", "WalkerRandParams-v0", 200, 50
    ),
}


def env_class(name: str) -> type[MetaEnv]:
    """Import the class of a task distribution.

    Args:
        name: a key of `ENVS`; "module:Class" of a user-defined class, which is a `MetaEnv` or
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
    module, attribute = ENVS[name].path.split(":")
    try:
        imported = importlib.import_module(f"{__name__}.{module}")
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


def _nearest(name: str, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


for _name, _row in ENVS.items():
    gymnasium.register(
        id=f"rlkit/{_row.gymnasium_id}",
        entry_point="rlkit.envs:make_single_env",
        vector_entry_point="rlkit.envs.vector:MetaVectorEnv",
        max_episode_steps=_row.max_episode_steps,
        kwargs={"name": _name, "n_tasks": _row.n_tasks, **_row.settings},
    )

gymnasium.register(
    id="rlkit/HumanoidContactCost-v0",
    entry_point="rlkit.envs.humanoid_contact_cost:HumanoidContactCost",
    max_episode_steps=1000,
)
