"""Strict JSON: finite numbers, each key once, and limited nesting."""

import json
from typing import Any

DEEPEST = 32  # levels of objects and lists inside each other
NESTING = f"nested too deeply, expected at most {DEEPEST} objects and lists inside each other"


class NestingError(ValueError):
    """JSON nested more deeply than `DEEPEST`."""


def parse_json(text: str) -> Any:
    """Parse a JSON text.

    Raises:
        NestingError: it is nested too deeply.
        ValueError: it is not JSON (NaN and Infinity are not), or an object has a key twice.
    """
    try:
        value = json.loads(
            text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant
        )
    except RecursionError as error:
        raise NestingError(NESTING) from error
    if _too_deep(value):
        raise NestingError(NESTING)
    return value


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST + 1):
        inside = [item for item in level if isinstance(item, dict | list)]
        level = [
            inner
            for item in inside
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return bool(level)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} appears twice in one object")
    return data


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
