"""Images rendered by an instance of a user-defined class."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from rlkit.envs.faults import EnvironmentFault, answering, kind_of, number
from rlkit.envs.legacy_random import legacy_random_numbers, legacy_source

FRAMES_PER_SECOND = 10.0  # of a class that does not say
RATES = ("render_fps", "video.frames_per_second")  # in the metadata of gymnasium and of old gym
_NAMES_MODE = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def picture_of(name: str, instance: Any, where: str = "") -> np.ndarray:
    """Let an instance draw itself: `render()`, or old gym's `render(mode="rgb_array")`.

    Rendering uses a separate random stream, so trajectories do not depend on it.

    Args:
        name: of the class, as in `env_name`.
        instance: has been reset.
        where: lane and step, for messages.
    Returns:
        Image, uint8 [height, width, 3].
    Raises:
        EnvironmentFault: it cannot draw, lacks a package for that, or gave no image.
    """
    render = getattr(instance, "render", None)
    if not callable(render):
        raise EnvironmentFault(f"{name} has no method render, by which it could draw itself")
    with answering(name, "render", where), legacy_random_numbers(legacy_source(0)):
        picture = render(mode="rgb_array") if _takes_mode(render) else render()
    is_array = isinstance(picture, np.ndarray)
    if is_array and picture.dtype == np.uint8 and picture.shape[2:] == (3,) and picture.size:
        return np.array(picture)  # the class may draw the next one in the same memory
    raise EnvironmentFault(
        f"{name}: render gave {kind_of(picture)}, expected a picture, uint8 [height, width, 3]"
        f"{where}"
    )


def frames_per_second(instance: Any) -> float:
    """Frames per second declared in the metadata of an instance."""
    metadata = getattr(instance, "metadata", None)
    given = [metadata.get(key) for key in RATES] if isinstance(metadata, Mapping) else []
    rates = [rate for rate in map(number, given) if rate is not None and rate > 0]
    return rates[0] if rates else FRAMES_PER_SECOND


def _takes_mode(render: Any) -> bool:
    mode = inspect.signature(render).parameters.get("mode")
    return mode is not None and mode.kind in _NAMES_MODE
