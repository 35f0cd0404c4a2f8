"""Classes written for gymnasium, trained unchanged.

A task distribution has `reset_task` in addition to gymnasium's methods; a registered environment is
one task.
"""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar

import gymnasium
import numpy as np

from rlkit.envs.class_lanes import ClassEnv
from rlkit.envs.class_parts import Step
from rlkit.envs.faults import EnvironmentFault, answering, brief


@contextlib.contextmanager
def without_deprecations() -> Iterator[None]:
    """Silence deprecations: of old versions, which were asked for, and of Box2D's import, which
    ends the interpreter where warnings are errors.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def renew_box2d_world(instance: Any) -> None:
    """Give an environment on Box2D a new world; leave any other alone.

    The contacts of a world that has held episodes before come in another order. Without this, an
    episode of BipedalWalker would depend on those before it in its lane.
    """
    body = getattr(instance, "unwrapped", instance)
    world: Any = getattr(body, "world", None)
    destroy = getattr(body, "_destroy", None)
    if type(world).__module__.startswith("Box2D.") and callable(destroy):
        destroy()
        body.world = type(world)(gravity=world.gravity)


class GymnasiumEnv(ClassEnv):
    """Lanes of a class of gymnasium, an instance each.

    `reset_task` selects the task, then comes `reset(seed=...)` with a seed from the trajectory's
    generator.
    """

    def _start(self, instance: Any, task: object, seed: int, where: str) -> object:
        if not self.one_task:
            with answering(self.name, "reset_task", where):
                instance.reset_task(task)
        renew_box2d_world(instance)
        with answering(self.name, "reset", where):
            result = instance.reset(seed=seed)
        if not isinstance(result, tuple) or len(result) != 2:
            raise EnvironmentFault(
                f"{self.name}: reset returned {brief(result)}, expected 2 values: observation, info"
                f"{where}"
            )
        return result[0]

    def _type_of_actions(self, space: Any) -> np.dtype[Any]:
        """That of the space, which classes may insist on."""
        dtype = np.dtype(getattr(space, "dtype", None) or np.float64)
        return dtype if dtype.kind == "f" else np.dtype(np.float64)

    def _split(self, result: object, where: str) -> Step:
        if not isinstance(result, tuple) or len(result) != 5:
            found = f"{len(result)} values" if isinstance(result, tuple) else brief(result)
            raise EnvironmentFault(
                f"{self.name}: step returned {found}, expected 5: observation, reward, terminated, "
                f"truncated, info{where}"
            )
        return Step(*result)


class RegisteredEnv(GymnasiumEnv):
    """Lanes of an environment that is registered with gymnasium, which is its only task.

    Attributes:
        spec: how gymnasium makes it; its time limit truncates.
    """

    spec: ClassVar[gymnasium.envs.registration.EnvSpec]
    handed = frozenset()
    one_task = True

    @staticmethod
    def maker(gymnasium_id: str) -> Any:
        """A function that makes an instance, with keywords of its constructor."""

        def make(**settings: Any) -> gymnasium.Env[Any, Any]:
            with without_deprecations():
                return gymnasium.make(gymnasium_id, disable_env_checker=True, **settings)

        return make
