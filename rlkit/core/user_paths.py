"""Paths as users write them: `~` and environment variables, expanded before they are used."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, get_args, get_type_hints

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class PathMarker:
    """Marks a setting that is a path."""


PathSetting = Annotated[str, PathMarker()]


def expand_path(text: str) -> str:
    """Replace `$NAME` and `${NAME}` by environment variables, and a leading `~` by a home folder.

    Raises:
        ValueError: a variable is not set, or the user does not exist.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in os.environ:
            raise ValueError(f"the environment variable {name} is not set")
        return os.environ[name]

    expanded = os.path.expanduser(text) if text.startswith("~") else text
    if expanded.startswith("~"):
        raise ValueError(f"there is no home folder {text.split('/')[0]}; for a file: ./{text}")
    return _VARIABLE.sub(value, expanded)


def expand_setting(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Expand the path at a dotted key of a configuration; missing keys and non-strings are kept.

    Args:
        data: the configuration, which is not changed.
        key: dotted.
    Raises:
        ValueError: see `expand_path`.
    """
    name, _, rest = key.partition(".")
    value = data.get(name)
    if rest and isinstance(value, dict):
        return {**data, name: expand_setting(value, rest)}
    if rest or not isinstance(value, str):
        return dict(data)
    return {**data, name: expand_path(value)}


def path_keys(schema: type, prefix: str = "") -> Iterator[str]:
    """List the dotted keys of a dataclass that are paths (`PathSetting`, or with null)."""
    hints = get_type_hints(schema, include_extras=True)
    for field in fields(schema):
        hint = hints[field.name]
        if isinstance(hint, type) and is_dataclass(hint):
            yield from path_keys(hint, f"{prefix}{field.name}.")
        elif _is_path(hint):
            yield f"{prefix}{field.name}"


def _is_path(hint: Any) -> bool:
    return any(isinstance(part, PathMarker) or _is_path(part) for part in get_args(hint))
