"""Strict loading of settings from JSON into a frozen dataclass; one message lists all errors.

Names, types, ranges and defaults are defined only in the dataclass. It may have a method
`relations()` that yields the violated `Relation`s between fields. This module does not know what
the settings mean.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

from rlkit.core.describe import as_json, describe
from rlkit.core.errors import UserError
from rlkit.core.found_files import obstacle
from rlkit.core.json_text import DEEPEST, NESTING, NestingError, parse_json
from rlkit.core.nearest import nearest_key

Schema = TypeVar("Schema")


class Relation(NamedTuple):
    """A violated condition: its fields (dotted, relative to the dataclass) and what it expects."""

    keys: tuple[str, ...]
    expected: str


class Problem(NamedTuple):
    """One error in a configuration: the dotted keys involved and the complete message."""

    keys: tuple[str, ...]
    message: str


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a JSON file that holds one object; a leading byte order mark is skipped.

    Raises:
        UserError: the file cannot be read, is not JSON (NaN and Infinity are not), has a key twice,
            is nested too deeply, or holds anything other than an object.
    """
    if (reason := obstacle(Path(path))) and Path(path).exists() and not Path(path).is_dir():
        raise UserError(f"{path}: {reason}; expected a JSON file")  # a pipe would never end
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); expected a JSON file"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not a text file (byte {error.start} is not UTF-8); expected a JSON file"
        ) from error
    try:
        data = parse_json(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}: not valid JSON, line {error.lineno} column {error.colno}: {error.msg}"
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise UserError(f"{path}: expected a JSON object {{...}}, found {as_json(data)}")
    return data


def with_settings(data: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """Apply `key=value` settings to a copy of a configuration.

    Args:
        data: the configuration as read from JSON.
        settings: such as "algo_params.batch_size=64"; the key is dotted, the value JSON, or a plain
            string if it is not JSON.
    Returns:
        A new dictionary; `inspect` checks whether the keys exist and the values fit.
    Raises:
        UserError: a setting has no "=", its key passes through a value that is not an object, or
            it is nested too deeply.
    """
    result = json.loads(json.dumps(data))
    for setting in settings:
        key, equals, text = setting.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            raise UserError(
                f"--set {setting}: expected key=value, for example algo_params.batch_size=64"
            )
        try:
            if len(parts) > DEEPEST:
                raise NestingError(NESTING)
            value = parse_json(text)
        except NestingError as error:
            raise UserError(f"--set {setting[:60]}...: {error}") from error
        except ValueError:
            value = text
        section = result
        for part in parts[:-1]:
            section = section.setdefault(part, {})
            if not isinstance(section, dict):
                raise UserError(
                    f"--set {setting}: {part} is {as_json(section)}, not an object with keys of its"
                    " own"
                )
        section[parts[-1]] = value
    return result


def given_keys(settings: Iterable[str]) -> list[str]:
    """The dotted keys that `key=value` settings set."""
    return list(flatten(with_settings({}, settings)))


def inspect(
    data: Mapping[str, Any],
    schema: type[Schema],
    prefix: str = "",
    more_keys: Iterable[str] = (),
) -> tuple[Schema, list[Problem]]:
    """Check a JSON object against a dataclass and collect every problem.

    Args:
        data: the object as read. Missing keys take the dataclass's defaults; an object given for a
            dictionary field updates that field's default. 0 and 1 are accepted as booleans,
            integers as floats, and floats such as 1e6 as integers; nothing else is converted.
        schema: a frozen dataclass, possibly of dataclasses.
        prefix: prepended to the keys in messages, such as "env_params.".
        more_keys: further dotted keys that may be suggested for a mistyped one.
    Returns:
        An instance in which every rejected value is replaced by its default, and the list of
        problems.
    """
    return _inspect(data, schema, prefix, (*known_keys(schema, prefix), *more_keys))


def validate(data: Mapping[str, Any], schema: type[Schema], source: str) -> Schema:
    """`inspect`, but raise one UserError that lists all problems, if there are any."""
    instance, problems = inspect(data, schema)
    raise_problems(problems, source)
    return instance


def raise_problems(problems: Iterable[Problem], source: str) -> None:
    """Raise one UserError that lists all problems of `source`, if there are any."""
    messages = list(dict.fromkeys(problem.message for problem in problems))
    if len(messages) == 1:
        raise UserError(f"{source}: {messages[0]}")
    if messages:
        raise UserError(
            "\n".join(
                [f"{source}: {len(messages)} problems", *(f"  {message}" for message in messages)]
            )
        )


def relation_problem(data: Mapping[str, Any], relation: Relation) -> Problem:
    """Describe a violated relation with the values of its keys in the complete configuration."""
    flat = flatten(data)
    values = ", ".join(f"{key} = {as_json(flat.get(key))}" for key in relation.keys)
    return Problem(relation.keys, f"{values}: expected {relation.expected}")


def unknown_key(key: str, value: object, known: Iterable[str]) -> Problem:
    """Report that a dotted key does not exist, and suggest the most similar known one."""
    found = nearest_key(key, known)
    hint = f", the nearest known key is {found}" if found else ""
    return Problem((key,), f"{key} = {as_json(value)}: unknown key{hint}")


def to_dict(config: Any) -> dict[str, Any]:
    """Turn a configuration into plain dictionaries, the inverse of `inspect`."""
    return dataclasses.asdict(config)


def flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested dictionaries to dotted keys, in order; an empty dictionary remains a value."""
    flat: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def known_keys(schema: type, prefix: str = "") -> Iterator[str]:
    """List the dotted keys of a dataclass, its sections, and the defaults of dictionary fields."""
    hints = get_type_hints(schema)
    for field in dataclasses.fields(schema):
        key = f"{prefix}{field.name}"
        yield key
        if dataclasses.is_dataclass(hints[field.name]):
            yield from known_keys(hints[field.name], f"{key}.")
            continue
        default = _default(field)
        if isinstance(default, dict):
            yield from flatten(default, f"{key}.")


def _inspect(
    data: Mapping[str, Any], schema: type, prefix: str, known: tuple[str, ...]
) -> tuple[Any, list[Problem]]:
    hints = get_type_hints(schema, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(schema)}
    problems = [
        unknown_key(f"{prefix}{name}", value, known)
        for name, value in data.items()
        if name not in fields
    ]
    values = {}
    for name, field in fields.items():
        key, hint, default = f"{prefix}{name}", hints[name], _default(field)
        if dataclasses.is_dataclass(hint):
            section = data.get(name, {})
            if not isinstance(section, dict):
                problems.append(
                    Problem((key,), f"{key} = {as_json(section)}: expected an object {{...}}")
                )
                section = {}
            values[name], found = _inspect(section, cast(type, hint), f"{key}.", known)
            problems += found
        elif name not in data:
            values[name] = default
            if default is dataclasses.MISSING:
                problems.append(Problem((key,), f"{key} is missing: expected {describe(hint)}"))
                values[name] = None
        else:
            try:
                values[name] = _convert(data[name], hint, default)
            except ValueError as error:
                reason = (
                    f"expected {describe(hint)}"
                    if isinstance(error, ValidationError)
                    else str(error)
                )
                problems.append(Problem((key,), f"{key} = {as_json(data[name])}: {reason}"))
                values[name] = default
    instance = schema(**values)
    problems += _broken_relations(
        instance, prefix, {key for problem in problems for key in problem.keys}
    )
    return instance, problems


def _broken_relations(instance: Any, prefix: str, doubtful: set[str]) -> Iterator[Problem]:
    if not hasattr(instance, "relations"):
        return
    nested = to_dict(instance)
    for part in reversed(prefix.split(".")[:-1]):
        nested = {part: nested}
    for relation in instance.relations():
        keys = tuple(f"{prefix}{key}" for key in relation.keys)
        sections = {key[:end] for key in keys for end in range(len(key)) if key[end] == "."}
        if doubtful.isdisjoint(sections.union(keys)):
            yield relation_problem(nested, Relation(keys, relation.expected))


def _convert(value: Any, hint: Any, default: Any) -> Any:
    """Check one JSON value against a type.

    Raises:
        ValidationError: it does not fit.
        ValueError: a number is not finite, or an integer is 2^63 or more in magnitude.
    """
    if not all(
        math.isfinite(number) if isinstance(number, float) else abs(number) < 2**63
        for number in _numbers(value)
    ):
        raise ValueError("expected finite numbers, and integers below 2^63")
    if hint is bool and type(value) is int and value in (0, 1):
        value = bool(value)
    if isinstance(default, dict) and isinstance(value, dict):
        value = {**default, **value}
    adapter = TypeAdapter(hint)
    try:
        return adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError:
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
            return adapter.validate_json(json.dumps(int(value)), strict=True)
        raise


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float | int):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _numbers(item)


def _default(field: dataclasses.Field) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
