"""Types and values described for error messages.

`Annotated[int, Field(ge=1)]` is "an integer, at least 1".
"""

import json
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

_WORDS = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    dict: "an object {...}",
    list: "a list",
    tuple: "a list",
    type(None): "null",
}
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def describe(hint: Any) -> str:
    """Describe in words which values a type annotation allows.

    Args:
        hint: a plain type, a `Literal`, a union, or any of them `Annotated` with bounds (pydantic's
            `Field` or annotated_types).
    Returns:
        Words that complete the sentence "expected ...".
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        notes = [getattr(item, "description", None) for item in arguments[1:]]
        words = ", ".join([describe(arguments[0]), *_bounds(arguments[1:])])
        return " ".join([words, *(f"({note})" for note in notes if note)])
    if origin is Literal:
        return "one of " + ", ".join(as_json(value) for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(argument) for argument in arguments)
    if origin in (list, tuple) and arguments:
        return f"a list, each element {describe(arguments[0])}"
    return _WORDS.get(origin or hint, str(hint))


def as_json(value: Any, longest: int = 60) -> str:
    """Write a value as JSON on one line, cut to `longest` characters."""
    text = json.dumps(value, default=str)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _bounds(metadata: tuple[Any, ...]) -> list[str]:
    constraints = [inner for item in metadata for inner in getattr(item, "metadata", [item])]
    return [
        f"{words} {getattr(constraint, name)}"
        for constraint in constraints
        for name, words in _BOUNDS.items()
        if getattr(constraint, name, None) is not None
    ]
