"""Turns a class of old gym or gymnasium, or a registered environment, into a task distribution.

Checks that the class has the required methods, and which of its settings a JSON file can set.
"""

import inspect
from typing import Any, get_type_hints

import gymnasium
import numpy as np
from gymnasium.envs.registration import load_env_creator
from numpy.typing import DTypeLike

from rlkit.envs.class_lanes import ClassEnv
from rlkit.envs.faults import answering, brief
from rlkit.envs.gymnasium_env import GymnasiumEnv, RegisteredEnv, without_deprecations
from rlkit.envs.keywords import json_can_hold
from rlkit.envs.old_gym import OldGymEnv

METHODS = ("reset_task", "reset", "step")
_OWN_KEYWORDS = {
    "task_seed": (int, 1337),
    "num_envs": (int, 1),
    "dtype": (DTypeLike, np.float32),
}
_JSON_TYPES = (bool, int, float, str, list, dict)
_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def adapted(own_class: Any, name: str) -> type[ClassEnv]:
    """Turn a class into a task distribution.

    Args:
        own_class: has the methods `METHODS`, observation_space, action_space and a number of
            tasks. If its `reset` takes a seed it follows gymnasium, otherwise old gym, even if it
            derives from `gymnasium.Env`.
        name: `module:Class`, for messages and run folders.
    Returns:
        A subclass of `ClassEnv` whose constructor takes the keywords of the class and
            `_OWN_KEYWORDS`.
    Raises:
        ValueError: it is not such a class; the message lists everything that is missing.
    """
    if not isinstance(own_class, type):
        raise ValueError(f"{name} is {brief(own_class)}, expected a class")
    missing = [
        f"method {method}" for method in METHODS if not callable(getattr(own_class, method, None))
    ]
    if missing:
        raise ValueError(
            f"{name} lacks {', '.join(missing)}; expected a task distribution of old gym or "
            "gymnasium, or a MetaEnv"
        )
    base = GymnasiumEnv if _is_of_gymnasium(own_class) else OldGymEnv
    return _subclass(base, own_class, name, _keywords(own_class))


def registered(gymnasium_id: str) -> type[ClassEnv]:
    """Turn an environment registered with gymnasium into a distribution of one task.

    Raises:
        ValueError: its class cannot be imported.
    """
    spec = gymnasium.registry[gymnasium_id]
    keywords: dict[str, inspect.Parameter] = {}
    with answering(gymnasium_id, "import"), without_deprecations():
        entry = spec.entry_point
        creator: Any = load_env_creator(entry) if isinstance(entry, str) else entry
    if isinstance(creator, type):
        keywords = _keywords(creator, spec.kwargs)
    own = ("render_mode", "max_episode_steps", "n_tasks", *_OWN_KEYWORDS)
    keywords = {key: value for key, value in keywords.items() if key not in own}
    made = _subclass(RegisteredEnv, RegisteredEnv.maker(gymnasium_id), gymnasium_id, keywords)
    made.max_episode_steps = spec.max_episode_steps or ClassEnv.max_episode_steps
    made.fixed_n_tasks, made.takes_render_mode = 1, True
    return made


def _is_of_gymnasium(own_class: type) -> bool:
    reset: Any = own_class.reset  # type: ignore[attr-defined]
    parameters = inspect.signature(reset).parameters
    passes_on = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return "seed" in parameters or (passes_on and issubclass(own_class, gymnasium.Env))


def _subclass(
    base: type[ClassEnv], own_class: Any, name: str, keywords: dict[str, inspect.Parameter]
) -> type[ClassEnv]:
    own = {
        key: inspect.Parameter(key, _KEYWORD, default=value, annotation=hint)
        for key, (hint, value) in _OWN_KEYWORDS.items()
    }
    left_out = {key for key in keywords if not json_can_hold(keywords[key].default)}
    keywords = {
        key: parameter.replace(default=None, annotation=parameter.annotation | None)
        if key in left_out
        else parameter
        for key, parameter in keywords.items()
    }
    parameters = {**keywords, **own}
    if "task_seed" in keywords and isinstance(keywords["task_seed"].default, int):
        parameters["task_seed"] = keywords["task_seed"]

    # An argument that the class itself passes to an ancestor cannot be passed twice, so an
    # ancestor's keyword is passed only if it differs from its default.
    named = _own_names(own_class)

    def __init__(self: ClassEnv, **settings: Any) -> None:  # noqa: N807
        given = {
            key: value
            for key, value in settings.items()
            if key not in keywords or key in named or value != keywords[key].default
        }
        base.__init__(self, **given)

    signature = inspect.Signature(
        [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY), *parameters.values()]
    )
    __init__.__signature__ = signature  # type: ignore[attr-defined]
    __init__.__annotations__ = {key: parameter.annotation for key, parameter in parameters.items()}
    members = {
        "own_class": staticmethod(own_class),
        "name": name,
        "handed": frozenset({"n_tasks", "task_seed"}.intersection(keywords)),
        "left_out": frozenset(left_out),
        "takes_render_mode": "render_mode" in keywords,
        "__init__": __init__,
        "__doc__": f"`{name}`, a class of old gym or gymnasium.",
    }
    return type(name.rpartition(":")[2], (base,), members)


def _own_names(own_class: Any) -> set[str]:
    """Keywords named in the class's own constructor."""
    for ancestor in getattr(own_class, "__mro__", ()):
        if (constructor := vars(ancestor).get("__init__")) is not None:
            return set(inspect.signature(constructor).parameters)
    return set()


def _keywords(own_class: type, defaults: dict[str, Any] | None = None) -> dict[str, Any]:
    """Keywords of a class's constructor that a JSON file can set.

    `**settings` stands for the keywords of the next class that have a default, and `n_tasks`.

    Args:
        own_class: the class.
        defaults: arguments that the constructor always receives.
    """
    found: dict[str, inspect.Parameter] = {}
    for ancestor in own_class.__mro__:
        constructor = vars(ancestor).get("__init__")
        if constructor is None or ancestor is object:
            continue  # object's constructor takes no arguments
        try:
            hints = get_type_hints(constructor)
        except (NameError, TypeError):  # annotations that cannot be resolved
            hints = {}
        parameters = list(inspect.signature(constructor).parameters.values())[1:]
        own = not found
        for parameter in parameters:
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                continue
            if own or parameter.default is not parameter.empty or parameter.name == "n_tasks":
                hint = hints.get(parameter.name)
                annotation = hint if hint in _JSON_TYPES else Any
                plain = parameter.replace(kind=_KEYWORD, annotation=annotation)
                found.setdefault(parameter.name, plain)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    for key, value in (defaults or {}).items():
        if key in found:
            found[key] = found[key].replace(default=value)
    if "n_tasks" in found and found["n_tasks"].annotation is Any:
        found["n_tasks"] = found["n_tasks"].replace(annotation=int)
    return {key: parameter for key, parameter in found.items() if _can_be_set(parameter)}


def _can_be_set(parameter: inspect.Parameter) -> bool:
    """Whether the value of a parameter may come from a JSON file."""
    default = parameter.default
    return default is parameter.empty or default is None or isinstance(default, _JSON_TYPES)
