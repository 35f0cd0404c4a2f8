"""The configurations shipped with the package, found by name from any folder."""

import os
from pathlib import Path

from rlkit.core.errors import UserError
from rlkit.core.nearest import nearest

HERE = Path(__file__).resolve()
# In an installed package, and in a checkout.
PLACES = (HERE.parents[1] / "configs", HERE.parents[2] / "configs")


def shipped_configs() -> dict[str, Path]:
    """The shipped configurations by name, such as "quick/point-robot", in alphabetical order."""
    folder = next((place for place in PLACES if place.is_dir()), PLACES[0])
    files = sorted(folder.rglob("*.json"), key=lambda file: (len(file.parts), file))
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}


def find_config(path: str | Path) -> Path:
    """Find a configuration: a file, with or without .json, or else a shipped one of that name.

    Args:
        path: a path, or a name such as "cheetah-vel", "cheetah-vel.json" or
            "configs/cheetah-vel.json".
    Returns:
        The file; any other path is returned unchanged and rejected by the reader.
    Raises:
        UserError: there is no such file, but a shipped configuration of a similar name.
    """
    path = Path(path)
    for local in (path, Path(f"{path}.json")):
        if os.path.lexists(local) and not local.is_dir():
            return local
    if path.is_absolute():
        return path
    shipped = shipped_configs()
    name = path.as_posix().removeprefix("configs/").removesuffix(".json")
    if name in shipped:
        return shipped[name]
    if not path.exists() and (near := nearest(name, shipped)):
        raise UserError(
            f"{path}: no such file, and no shipped configuration of that name; the nearest is "
            f"{near}, and `rlkit list` shows all"
        )
    return path
