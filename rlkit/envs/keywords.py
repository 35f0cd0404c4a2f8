"""Keywords of constructors, each declared once: a task names its own, and takes its body's as `**settings`."""

import inspect
from typing import Any, get_type_hints


def constructor_keywords(cls: type) -> dict[str, inspect.Parameter]:
    """Collect what a class's constructor takes; `**settings` stands for the keywords of the next constructor of its bases.

    Args:
        cls: a class whose constructor hands `**settings`, if it has them, to that of its bases.
    Returns:
        Name -> parameter, annotations resolved and `self` left out. Of a keyword declared twice, the derived class's.
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
    return found
