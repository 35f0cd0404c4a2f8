"""Lanes of a user-defined class: one instance per lane. The outcome is the result of `step`."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from rlkit.envs.base import Advance
from rlkit.envs.class_instance import ClassInstances
from rlkit.envs.class_parts import bounds_of, task_numbers
from rlkit.envs.class_pictures import FRAMES_PER_SECOND, frames_per_second, picture_of
from rlkit.envs.faults import EnvironmentFault, fits
from rlkit.envs.lanes import Lanes, at_least
from rlkit.envs.legacy_random import legacy_random_numbers, legacy_source


class ClassEnv(ClassInstances):
    """Lanes of a class, one instance per lane; `class_adapter` derives a subclass for each class.

    The task is its number. The outcome is (reward, sparse reward, terminated, success) as the class
    returned them; `info` may hold "sparse_reward", and "success" or "is_success". A lane that has
    ended is not stepped until its reset, so that a class is never stepped beyond an end.

    Random numbers: an instance is constructed while `numpy.random` is seeded with `task_seed`, so
    that all lanes have the same tasks. At each reset of a lane, `numpy.random` and the instance are
    seeded from the lane's generator; later steps of the lane continue its own random stream.

    Attributes:
        handed: keywords of this class that the user's class also names.
        takes_render_mode: whether its constructor takes `render_mode`.
        pictures_per_second: frame rate of a video, one frame per step; see `start_drawing`.
        left_out: keywords for which None means the class's own default, which JSON cannot hold.
    """

    handed: ClassVar[frozenset[str]] = frozenset({"n_tasks"})
    left_out: ClassVar[frozenset[str]] = frozenset()
    takes_render_mode: ClassVar[bool] = False
    pictures_per_second = FRAMES_PER_SECOND
    relabelable = False  # the class gives the reward of its own task only
    task_dim = 1
    max_episode_steps = 200

    def __init__(
        self,
        n_tasks: int | None = None,
        *,
        task_seed: int = 1337,
        num_envs: int = 1,
        dtype: DTypeLike = np.float32,
        **settings: Any,
    ) -> None:
        """Construct the first instance; others follow when their lanes are used.

        Args:
            n_tasks: size of the task set, passed on if the class takes it.
            task_seed: seeds `numpy.random` while an instance is constructed.
            num_envs: the most lanes that can be in use.
            dtype: of observations, outcomes, tasks and rewards.
            **settings: handed to the class.
        Raises:
            EnvironmentFault: the class does not behave as required.
        """
        self._task_seed = at_least("task_seed", task_seed, 0)
        shared = {"n_tasks": n_tasks, "task_seed": self._task_seed}
        self._settings = {
            key: value
            for key, value in {**shared, **settings}.items()
            if (key in self.handed or key not in shared)
            and not (value is None and (key in self.left_out or key == "n_tasks"))
        }
        if n_tasks is not None:
            at_least("n_tasks", n_tasks, 1)
        self._instances: list[Any] = []
        first = self._instance(0)
        self.obs_dim = bounds_of(self.name, first, "observation_space")[0].size
        self.action_box = low, high = bounds_of(self.name, first, "action_space")
        self.act_dim, self._action_shape = low.size, first.action_space.shape
        self._action_dtype = self._type_of_actions(first.action_space)
        if not fits(np.concatenate([low, high]), np.float32):
            raise EnvironmentFault(
                f"{self.name}: the bounds of action_space are {low} and {high}, expected finite "
                "numbers"
            )
        given = self._settings.get("n_tasks")
        self._numbers = [0] if self.one_task else task_numbers(self.name, first, given)
        count = len(self._numbers)
        if n_tasks not in (None, count):
            raise EnvironmentFault(
                f"{self.name}: n_tasks is {n_tasks}, but the class has {count} tasks; set n_tasks "
                "to that"
            )
        super().__init__(count, task_seed=task_seed, num_envs=num_envs, dtype=dtype)
        self._streams: dict[int, np.random.BitGenerator] = {}
        self._obs = np.zeros((self.num_envs, self.obs_dim))
        self._outcomes = np.zeros((self.num_envs, self.outcome_dim))
        self._truncated = np.zeros(self.num_envs, bool)
        self._clock = np.zeros(self.num_envs, int)
        self._try(first)

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Task indices, [num_tasks, 1]; the class itself draws the task parameters."""
        return np.arange(num_tasks)[:, None]

    def set_tasks(self, tasks: ArrayLike) -> None:
        """Accept the task indices; the task parameters are known to the class only.

        Raises:
            ValueError: anything else.
        """
        if not np.array_equal(tasks, self.tasks):
            raise ValueError(
                f"{self.name}: tasks live in the class and cannot be replaced; expected the "
                f"numbers 0 to {self.n_tasks - 1}"
            )

    def describe_task(self, task_id: int) -> str:
        """Return an empty text, since the task parameters are known to the class only."""
        return ""

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """Reward and end as the class returned them, independent of `task`."""
        nothing = 0 * task[..., 0]  # gives the result the task's leading axes
        return outcome[..., 0] + nothing, outcome[..., 1] + nothing, outcome[..., 2] + nothing > 0.5

    def success(self, outcome: Any, task: Any) -> Any:
        """Success as reported in `info`; None until the class has reported one."""
        return outcome[..., 3] + 0 * task[..., 0] > 0.5 if self._tells_success else None

    def _instance(self, lane: int) -> Any:
        """The instance of a lane, constructed on first use."""
        while len(self._instances) <= lane:
            self._instances.append(self.construct())
        return self._instances[lane]

    def _reset_lanes(
        self, generators: Sequence[np.random.Generator], lanes: np.ndarray
    ) -> np.ndarray:
        for generator, lane in zip(generators, lanes.tolist(), strict=True):
            instance, task_id = self._instance(lane), int(self.task_ids[lane])
            seed, own_seed = generator.integers(2**31, size=2).tolist()
            self._streams[lane] = legacy_source(seed)
            with legacy_random_numbers(self._streams[lane]):
                self._obs[lane] = self.begin(instance, task_id, own_seed, f" (lane {lane})")
            self._outcomes[lane], self._truncated[lane], self._clock[lane] = 0, False, 0
        return self._obs[lanes]

    def _advance(self, action: np.ndarray, lanes: Lanes) -> Advance:
        for row, lane in enumerate(np.arange(self.num_lanes)[lanes].tolist()):
            if self._outcomes[lane, 2] or self._truncated[lane]:
                continue  # a class is never stepped beyond an end
            self._clock[lane] += 1
            where = f" (lane {lane}, step {self._clock[lane]})"
            with legacy_random_numbers(self._streams[lane]):
                self._obs[lane], self._outcomes[lane], self._truncated[lane] = self.advance_one(
                    self._instances[lane], action[row], where
                )
        truncated = self._truncated[lanes].copy()
        return Advance(self._obs[lanes], self._outcomes[lanes], truncated=truncated)

    def start_drawing(self) -> None:
        """Reconstruct the instances with rendering enabled, and render the first one as a check.

        Raises:
            EnvironmentFault: the class cannot be drawn, or lacks a package for that.
        """
        self._close_instances()
        if self.takes_render_mode:
            self._settings["render_mode"] = "rgb_array"
        first = self._instance(0)
        self._try(first)
        self.pictures_per_second = frames_per_second(first)
        picture_of(self.name, first)

    def picture_of(self, lane: int) -> np.ndarray:
        """Let a lane in use draw itself, uint8 [height, width, 3]; see `start_drawing`."""
        where = f" (lane {lane}, step {self._clock[lane]})"
        return picture_of(self.name, self._instances[lane], where)

    def close(self) -> None:
        """Take all lanes out of use and close the instances; may be called twice."""
        super().close()
        self._close_instances()

    def _close_instances(self) -> None:
        instances, self._instances = self._instances, []
        for instance in instances:
            self.close_one(instance)
