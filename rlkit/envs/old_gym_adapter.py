"""Turns a class written for old gym into a task distribution.

Checks what the class must have and which of its settings a JSON file can set.
"""

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import DTypeLike

from rlkit.envs.old_gym import OldGymEnv, brief

METHODS = ("reset_task", "get_all_task_idx", "reset", "step")
_OWN_KEYWORDS = {
    "task_seed": (int, 1337),
    "num_envs": (int, 1),
    "dtype": (DTypeLike, np.float32),
}
_JSON_TYPES = (bool, int, float, str, list, dict)
_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def adapted(old_class: Any, name: str) -> type[OldGymEnv]:
    """Make a task distribution of a class of old gym.

    Args:
        old_class: has the methods `METHODS`, observation_space and action_space; its constructor
            takes n_tasks.
        name: `module:Class`, for messages and run folders.
    Returns:
        A subclass of `OldGymEnv` whose constructor has the keywords of the class and
            `_OWN_KEYWORDS`.
    Raises:
        ValueError: it is no such class; all that is missing is named.
    """
    if not isinstance(old_class, type):
        raise ValueError(f"{name} is {brief(old_class)}, expected a class")
    missing = [
        f"method {method}" for method in METHODS if not callable(getattr(old_class, method, None))
    ]
    own = {
        key: inspect.Parameter(key, _KEYWORD, default=value, annotation=hint)
        for key, (hint, value) in _OWN_KEYWORDS.items()
    }
    parameters = {**_keywords(old_class), **own}
    if "n_tasks" not in parameters:
        missing.append("constructor argument n_tasks")
    if missing:
        raise ValueError(
            f"{name} lacks {', '.join(missing)}; expected a task distribution of old gym, or a "
            "MetaEnv"
        )

    def __init__(self: OldGymEnv, **settings: Any) -> None:  # noqa: N807
        OldGymEnv.__init__(self, **settings)

    signature = inspect.Signature(
        [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY), *parameters.values()]
    )
    __init__.__signature__ = signature  # type: ignore[attr-defined]
    __init__.__annotations__ = {key: parameter.annotation for key, parameter in parameters.items()}
    doc = f"`{name}`, a class of old gym."
    return type(
        old_class.__name__,
        (OldGymEnv,),
        {"old_class": old_class, "name": name, "__init__": __init__, "__doc__": doc},
    )


def _keywords(old_class: type) -> dict[str, inspect.Parameter]:
    """Keywords of a class's constructor that a JSON file can set; n_tasks is always required."""
    constructor: Callable[..., None] = old_class.__init__  # type: ignore[misc]
    try:
        hints = get_type_hints(constructor)
    except (NameError, TypeError):  # annotations that mean something to their author only
        hints = {}
    found = list(inspect.signature(constructor).parameters.values())[1:]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in found)
    keywords = {}
    for parameter in found:
        plain = (
            parameter.default is parameter.empty
            or parameter.default is None
            or isinstance(parameter.default, _JSON_TYPES)
        )
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and plain:
            hint = hints.get(parameter.name)
            keywords[parameter.name] = parameter.replace(
                kind=_KEYWORD, annotation=hint if hint in _JSON_TYPES else Any
            )
    if takes_any:
        keywords.setdefault("n_tasks", inspect.Parameter("n_tasks", _KEYWORD))
        keywords.setdefault(
            "randomize_tasks",
            inspect.Parameter("randomize_tasks", _KEYWORD, default=True, annotation=bool),
        )
    if "n_tasks" in keywords:
        keywords["n_tasks"] = keywords["n_tasks"].replace(
            default=inspect.Parameter.empty, annotation=int
        )
    return keywords
