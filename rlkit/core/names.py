"""Import of objects named in a configuration: a key of a table, or `module:Class`."""

import importlib
from collections.abc import Iterable, Mapping

from rlkit.core.nearest import nearest


def import_named(name: str, table: Mapping[str, str]) -> object:
    """Import the object that a name refers to.

    Args:
        name: a key of the table, or "module:Class".
        table: name -> "module:Class".
    Raises:
        ValueError: the name is unknown, or its module cannot be imported or lacks the attribute.
    """
    if ":" not in name:
        if name not in table:
            known = f'{", ".join(sorted(table))}, or "module:Class"'
            raise ValueError(f"expected one of {known}{_hint(name, table)}")
        name = table[name]
    module, attribute = name.split(":", 1)
    try:
        imported = importlib.import_module(module)
    except Exception as error:  # whatever the module raises
        absent = (
            isinstance(error, ModuleNotFoundError)
            and error.name is not None
            and f"{module}.".startswith(f"{error.name}.")
        )
        hint = "; set PYTHONPATH to the folder that contains it" if absent else ""
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{module} cannot be imported ({reason}){hint}") from error
    if not hasattr(imported, attribute):
        raise ValueError(
            f"module {module} has no class {attribute!r}{_hint(attribute, dir(imported))}"
        )
    return getattr(imported, attribute)


def import_class(name: str, table: Mapping[str, str], base: type | tuple[type, ...]) -> type:
    """Import a class that a configuration names.

    Args:
        name: a key of the table, or "module:Class".
        table: name -> "module:Class".
        base: what the class must derive from.
    Raises:
        ValueError: as `import_named`, or the object is not a subclass of `base`.
    """
    found = import_named(name, table)
    if not (isinstance(found, type) and issubclass(found, base)):
        bases = base if isinstance(base, tuple) else (base,)
        wanted = " or ".join(f"{one.__module__}.{one.__qualname__}" for one in bases)
        raise ValueError(f"{name} is not a subclass of {wanted}")
    return found


def as_expected(error: ValueError) -> str:
    """The `Relation.expected` for an error of `import_named` or `import_class`."""
    text = str(error)
    stripped = text.removeprefix("expected ")
    return f"a class; {text}" if stripped == text else stripped


def _hint(name: str, known: Iterable[str]) -> str:
    """A hint with the known name most similar to an unknown one; "" if none is similar."""
    found = nearest(name, known)
    return f" (did you mean {found!r}?)" if found else ""
