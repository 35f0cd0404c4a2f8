"""Keywords of constructors: a task names its own, and takes those of its body as `**settings`."""

import inspect
import json
from typing import Any, get_type_hints

from rlkit.envs.base import MetaEnv

# Defaults for constructors that name these keywords, unless the JSON file sets them.
# Source: katerakelly/oyster, configs/default.py.
OYSTER_DEFAULTS = {"n_tasks": 2, "randomize_tasks": True}


def constructor_keywords(cls: type[MetaEnv]) -> dict[str, inspect.Parameter]:
    """Collect the keywords of a class's constructor.

    Args:
        cls: a class whose constructor passes `**settings`, if it has them, to that of its bases;
            `**settings` are the keywords of the next constructor.
    Returns:
        Name -> parameter, annotations resolved and `self` left out. A keyword declared twice has
        the derived class's parameter; `n_tasks` defaults to `fixed_n_tasks` where there is one.
    """
    found: dict[str, inspect.Parameter] = {}
    for ancestor in cls.__mro__:
        constructor = vars(ancestor).get("__init__")
        if constructor is None:
            continue
        hints = get_type_hints(constructor, include_extras=True)
        parameters = list(inspect.signature(constructor).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind is not parameter.VAR_KEYWORD:
                found.setdefault(
                    parameter.name, parameter.replace(annotation=hints.get(parameter.name, Any))
                )
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    if cls.fixed_n_tasks is not None and "n_tasks" in found:
        found["n_tasks"] = found["n_tasks"].replace(default=cls.fixed_n_tasks)
    return found


def json_keywords(cls: type[MetaEnv]) -> dict[str, inspect.Parameter]:
    """The keywords of a constructor, with the defaults that a JSON file leaves to be filled in.

    The defaults are the constructor's own, except for two of oyster's keywords: `n_tasks` is 2
    where it has no default, and `randomize_tasks` is true. A default that JSON cannot hold, such as
    infinity, is written as None; `make_env` then leaves the keyword to the constructor.
    """
    found = constructor_keywords(cls)
    if "n_tasks" in found and found["n_tasks"].default is inspect.Parameter.empty:
        found["n_tasks"] = found["n_tasks"].replace(default=OYSTER_DEFAULTS["n_tasks"])
    if "randomize_tasks" in found:
        default = OYSTER_DEFAULTS["randomize_tasks"]
        found["randomize_tasks"] = found["randomize_tasks"].replace(default=default)
    return {
        key: parameter
        if json_can_hold(parameter.default)
        else parameter.replace(default=None, annotation=parameter.annotation | None)
        for key, parameter in found.items()
    }


def json_can_hold(default: object) -> bool:
    """Whether the default of a parameter, if it has one, can be written to a JSON file."""
    if default is inspect.Parameter.empty:
        return True
    try:
        json.dumps(default, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
