"""Task distributions written for old gym (`reset_task`, 4-tuple `step`), trained unchanged.

Gym itself is not imported.
"""

from collections.abc import Mapping
from typing import Any

from rlkit.envs.class_lanes import ClassEnv
from rlkit.envs.class_parts import Step
from rlkit.envs.faults import EnvironmentFault, answering, brief


class OldGymEnv(ClassEnv):
    """Lanes of an old gym class, one instance each.

    An instance is seeded with its method `seed`, if it has one; then `reset_task` and `reset` are
    called.
    """

    def _start(self, instance: Any, task: object, seed: int, where: str) -> object:
        if callable(getattr(instance, "seed", None)):
            with answering(self.name, "seed", where):
                instance.seed(seed)
        with answering(self.name, "reset_task", where):
            instance.reset_task(task)
        with answering(self.name, "reset", where):
            return instance.reset()

    def _split(self, result: object, where: str) -> Step:
        """Old gym has one flag, `done`; if its time limit set it, it is a truncation."""
        if not isinstance(result, tuple) or len(result) != 4:
            found = f"{len(result)} values" if isinstance(result, tuple) else brief(result)
            raise EnvironmentFault(
                f"{self.name}: step returned {found}, expected 4: observation, reward, done, info"
                f"{where}"
            )
        obs, reward, done, info = result
        limited = isinstance(info, Mapping) and bool(info.get("TimeLimit.truncated", False))
        return Step(obs, reward, False if limited else done, done if limited else False, info)

    def _hint(self) -> str:
        return " (old gym: reset returns the observation alone)"
