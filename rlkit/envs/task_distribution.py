"""`TaskDistribution`: a set of tasks and their reward as pure functions."""

import abc
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


class TaskDistribution(abc.ABC):
    """The part of an environment that concerns tasks, independent of running lanes.

    Attributes:
        name: registered name, for example "cheetah-vel".
        n_tasks: size of the task set.
        task_dim: size of a task.
        task_names: names of its `task_dim` entries; empty: they are numbered.
        fixed_n_tasks: the number of tasks if it cannot be chosen, otherwise None.
        relabelable: whether tasks differ only in rewards and termination, so that `compute_reward`
            can relabel a trajectory with another task. False if they also differ in dynamics or
            initial states.
        has_sparse_rewards: whether the sparse reward of `compute_reward` is ever nonzero; None: not
            declared.
        goal_radius: distance within which a goal counts as reached; None if there is no goal.
        has_simulation: whether lanes are MuJoCo simulations, which can be rendered.
    """

    name: str
    n_tasks: int
    task_dim: int
    task_names: tuple[str, ...] = ()
    fixed_n_tasks: int | None = None
    relabelable: bool = True
    has_sparse_rewards: bool | None = None
    goal_radius: float | None = None
    has_simulation: bool = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "compute_reward" in vars(cls) and "has_sparse_rewards" not in vars(cls):
            cls.has_sparse_rewards = None  # a parent's declaration is not inherited

    @property
    @abc.abstractmethod
    def tasks(self) -> np.ndarray:
        """The task set, [n_tasks, task_dim]."""

    @abc.abstractmethod
    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Draw tasks, float64 [num_tasks, task_dim]."""

    @abc.abstractmethod
    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """Compute the reward of an outcome under a task.

        The function is pure and uses only operators, so that numpy arrays and torch tensors give
        the same numbers.

        Args:
            outcome: of a step, [..., outcome_dim].
            task: [..., task_dim]; leading axes broadcast.
        Returns:
            Reward, sparse reward (zero if the task has no sparse form) and terminated
            (boolean), each [...].
        """

    def sparse_form(self) -> bool | None:
        """Whether the task has a sparse reward; None if the class does not declare it."""
        return self.has_sparse_rewards

    def outcome_of(self, obs: Any, action: Any, next_obs: Any) -> tuple[Any, ...] | None:
        """Outcome of a transition, so that a planner can reward predicted states.

        Use only operators and methods that numpy arrays and torch tensors share, so that both give
        the same numbers.

        Args:
            obs, next_obs: observations before and after the step, [..., obs_dim].
            action: in the action box of this environment, [..., act_dim]; leading axes broadcast.
        Returns:
            The `outcome_dim` columns of the outcome, each [...] or of a shape that broadcasts to
            it, to be stacked along a last axis for `compute_reward`. None if observations do not
            determine the outcome.
        """
        return None

    def speed(self, outcome: Any, task: Any) -> Any:
        """Speed in the sense of the task, [m/s], [...]; None if undefined.

        Arguments as for `compute_reward`.
        """
        return None

    def describe_task(self, task_id: int) -> str:
        """Describe a task in a few words, for captions."""
        return np.array2string(self.tasks[task_id], precision=2, threshold=8)

    def set_tasks(self, tasks: ArrayLike) -> None:
        """Replace the task set, for example by the one stored with a run.

        Lanes keep their task numbers.

        Args:
            tasks: [n_tasks, task_dim].
        Raises:
            ValueError: wrong shape, or a non-finite number.
        """
        replaced = np.array(tasks, dtype=self.tasks.dtype)
        if replaced.shape != self.tasks.shape or not np.isfinite(replaced).all():
            raise ValueError(
                f"{self.name}: expected {self.tasks.shape} finite numbers as tasks, got shape "
                f"{replaced.shape}"
            )
        self._set_tasks(replaced)

    @abc.abstractmethod
    def _set_tasks(self, tasks: np.ndarray) -> None:
        """Store a checked task set."""

    def get_all_task_idx(self) -> range:
        """Indices of all tasks."""
        return range(self.n_tasks)

    @property
    def can_be_drawn(self) -> bool:
        """Whether lanes can be rendered: MuJoCo simulations, or a class with `draw`."""
        return self.has_simulation or type(self).draw is not TaskDistribution.draw

    def draw(self, lanes: np.ndarray, size: int) -> np.ndarray:
        """Draw these lanes [n] as square images, uint8 [n, size, size, 3]; optional."""
        raise NotImplementedError(f"{self.name} has no method draw")
