"""Keywords of environment constructors, including those passed on through `**settings`."""

import inspect
import json
from typing import Any, get_type_hints

from rlkit.envs.base import MetaEnv

# Passed to a constructor that takes them, unless a JSON file sets them.
# Source: katerakelly/oyster, configs/default.py.
OYSTER_DEFAULTS = {"n_tasks": 2, "randomize_tasks": True}


def constructor_keywords(cls: type[MetaEnv]) -> dict[str, inspect.Parameter]:
    """Collect the keywords of a class's constructor.

    Args:
        cls: a class whose constructor passes `**settings`, if it has them, to its base's
            constructor; they stand for the keywords of that one.
    Returns:
        Name -> parameter, with annotations resolved and without `self`. For a keyword declared
        twice the derived class wins; `n_tasks` defaults to `fixed_n_tasks` if that is set.
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
    """The keywords of a constructor, with the defaults for keys missing from a JSON file.

    These are the constructor's own, with two exceptions from oyster: `n_tasks` is 2 if it has no
    default, and `randomize_tasks` is true. A default that JSON cannot hold, such as infinity,
    becomes None; `make_env` then omits the keyword.
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
