"""Point robots: reach an unknown goal in the plane, with a dense or a sparse reward."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from rlkit.envs.base import Advance, MetaEnv
from rlkit.envs.lanes import Lanes

VIEW = 2.0  # an image shows x and y from -VIEW to VIEW; a robot beyond is drawn on the rim
DISC = 0.3  # radius of the robot in an image
# The ground is black: on white the first features hardly change with the robot, and learning takes
# ten times as long to begin.
GROUND, AXES, ROBOT = np.array([0, 0, 0]), np.array([40, 40, 60]), np.array([255, 90, 90])
HAND_MADE_GOALS = ((1, -1), (1, 1), (-1, 1), (-1, -1), (0, 0), (0.7, 0.2), (0, 0.4), (-0.6, 0.9))


class PointRobot(MetaEnv):
    """Goals anywhere in the square; the reward is minus the distance to the goal.

    The outcome is the position (x, y) after the step, the task is the goal (x, y), both without
    unit.
    Source: katerakelly/oyster, rlkit/envs/point_robot.py (class PointEnv).
    """

    name = "point-robot"
    has_sparse_rewards = False
    obs_dim = 2
    act_dim = 2
    outcome_dim = 2
    task_dim = 2
    task_names = ("goal_x", "goal_y")
    max_episode_steps = 20
    action_box = (-0.1, 0.1)

    def __init__(
        self,
        n_tasks: int,
        *,
        randomize_tasks: bool = True,
        task_seed: int = 1337,
        num_envs: int = 1,
        dtype: DTypeLike = np.float32,
    ) -> None:
        """Draw the goals.

        Args:
            n_tasks: number of goals; without `randomize_tasks` it must be 8.
            randomize_tasks: draw goals uniformly from the square (±1, ±1); False: eight goals made
                by hand.
            task_seed: seed of the generator that draws the goals.
            num_envs: the most lanes that can be in use.
            dtype: of observations, outcomes, tasks and rewards.
        Raises:
            ValueError: a value out of its range.
        """
        self.randomize_tasks = randomize_tasks
        super().__init__(n_tasks, task_seed=task_seed, num_envs=num_envs, dtype=dtype)
        self._state = np.zeros((self.num_envs, 2))

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Draw goals, x then y of each in turn.

        Without `randomize_tasks` return the eight made by hand.
        """
        if self.randomize_tasks:
            return rng.uniform(-1.0, 1.0, size=(num_tasks, 2))
        if num_tasks != len(HAND_MADE_GOALS):
            raise ValueError(
                f"n_tasks is {num_tasks}, but {self.name} without randomize_tasks has "
                f"{len(HAND_MADE_GOALS)} goals made by hand"
            )
        return np.array(HAND_MADE_GOALS, np.float64)

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = -‖position - goal‖₂; no sparse form, never terminated."""
        reward = -distance(outcome, task)
        return reward, 0 * abs(reward), reward < reward

    def outcome_of(self, obs: Any, action: Any, next_obs: Any) -> tuple[Any, ...]:
        """The position after the step; see `MetaEnv.outcome_of`."""
        return next_obs[..., 0], next_obs[..., 1]

    def draw(self, lanes: np.ndarray, size: int) -> np.ndarray:
        """Draw the robots of these lanes [n] in the plane with its axes, x to the right, y up.

        Goals are not shown.

        The rim of a disc is a pixel wide and fades, so that an image tells more than the pixel
        that the robot is in.

        Returns:
            Images, uint8 [n, size, size, 3].
        """
        pixel = 2 * VIEW / size
        centers = pixel * (np.arange(size) + 0.5) - VIEW
        x, y = np.clip(self._state[lanes], -VIEW, VIEW).T[:, :, None, None]
        distance = np.hypot(centers - x, centers[::-1, None] - y)
        robot = np.clip((DISC - distance) / pixel + 0.5, 0, 1)[..., None]
        near_axis = np.abs(centers) < pixel
        ground = np.where((near_axis[:, None] | near_axis)[..., None], AXES, GROUND)
        return np.rint(ground + robot * (ROBOT - ground)).astype(np.uint8)

    def get_state(self, lane: int) -> np.ndarray:
        """Copy the position of a lane in use, float64 [2]."""
        (lane,) = self.check_lanes([lane])
        return self._state[lane].copy()

    def set_state(self, position: ArrayLike, lanes: ArrayLike | None = None) -> np.ndarray:
        """Start an episode of these lanes (None: all in use) at given positions.

        Args:
            position: [n, 2].
            lanes: n lanes in use.
        Returns:
            Observations, [n, 2].
        Raises:
            ValueError: a lane not in use, a wrong shape, or numbers that are not finite.
        """
        chosen, positions = self.check_lanes(lanes), np.asarray(position, np.float64)
        if positions.shape != (len(chosen), 2) or not np.isfinite(positions).all():
            raise ValueError(
                f"positions have shape {positions.shape}, expected {(len(chosen), 2)}, all finite"
            )
        self._state[chosen] = positions
        self._begin(chosen)
        return self._state[chosen].astype(self.dtype)

    def _start(self, generator: np.random.Generator) -> np.ndarray:
        return generator.uniform(-1.0, 1.0, size=2)

    def _reset_lanes(
        self, generators: Sequence[np.random.Generator], lanes: np.ndarray
    ) -> np.ndarray:
        self._state[lanes] = [self._start(generator) for generator in generators]
        return self._state[lanes]

    def _advance(self, action: np.ndarray, lanes: Lanes) -> Advance:
        self._state[lanes] += action
        state = self._state[lanes]
        return Advance(state, state)


class SparsePointRobot(PointRobot):
    """Goals on the upper half of the unit circle, start in its centre.

    Sparse reward within `goal_radius` of the goal.

    The step returns the dense reward; the sparse one is 1 - distance inside the radius and 0
    outside it.
    Source: katerakelly/oyster, rlkit/envs/point_robot.py (class SparsePointEnv).
    """

    name = "sparse-point-robot"
    has_sparse_rewards = True
    goal_radius: float

    def __init__(self, n_tasks: int, *, goal_radius: float = 0.2, **settings: Any) -> None:
        """Place the goals.

        Args:
            n_tasks: number of goals, evenly spaced in angle from 0 to π.
            goal_radius: distance from the goal within which the sparse reward is given, positive.
            **settings: see `PointRobot`; without `randomize_tasks` the goals stay in the order of
                their angles.
        Raises:
            ValueError: a value out of its range.
        """
        if not 0 < goal_radius < np.inf:
            raise ValueError(f"goal_radius is {goal_radius!r}, expected a positive number")
        self.goal_radius = float(goal_radius)
        super().__init__(n_tasks, **settings)

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Place goals evenly on the half circle and shuffle them if `randomize_tasks`."""
        angles = np.linspace(0.0, np.pi, num_tasks)
        goals = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        if self.randomize_tasks:
            rng.shuffle(goals)
        return goals

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """Dense r = -‖position - goal‖₂.

        The sparse reward is r + 1 where r ≥ -goal_radius, otherwise 0; never terminated.
        """
        reward = -distance(outcome, task)
        near = reward >= -self.goal_radius
        return (
            reward,
            near * (reward + 1) + 0.0,
            reward < reward,
        )  # + 0.0 turns the -0.0 of far places into 0.0

    def success(self, outcome: Any, task: Any) -> Any:
        """Whether the robot is within the goal's radius."""
        return distance(outcome, task) <= self.goal_radius

    def _start(self, generator: np.random.Generator) -> np.ndarray:
        return np.zeros(2)


class PointMaml(PointRobot):
    """Goals in the square (±0.5, ±0.5), start at (0, 0), an end at the goal.

    The 2-D navigation of MAML; its policies learn the task from 40 trajectories of 100 steps.
    Source: MAML, section 5.3; cbfinn/maml_rl, rllab/envs/mujoco/point_env_randgoal.py.
    """

    name = "point-maml"
    has_sparse_rewards = False
    goal_radius = 0.01
    max_episode_steps = 100

    def __init__(self, n_tasks: int, **settings: Any) -> None:
        """Draw the goals.

        Args:
            n_tasks: number of goals.
            **settings: see `MetaEnv`.
        Raises:
            ValueError: a value out of its range.
        """
        if not settings.get("randomize_tasks", True):
            raise ValueError(f"randomize_tasks is false, but {self.name} has no goals made by hand")
        super().__init__(n_tasks, **settings)

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Draw goals, x then y of each in turn."""
        return rng.uniform(-0.5, 0.5, size=(num_tasks, 2))

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = -‖position - goal‖₂; no sparse form, terminated within `goal_radius`."""
        reward = -distance(outcome, task)
        return reward, 0 * abs(reward), reward > -self.goal_radius

    def success(self, outcome: Any, task: Any) -> Any:
        """Whether the robot has arrived."""
        return distance(outcome, task) < self.goal_radius

    def _start(self, generator: np.random.Generator) -> np.ndarray:
        return np.zeros(2)


def distance(position: Any, goal: Any) -> Any:
    """Euclidean distance of two places, each [..., 2]; [...]."""
    return ((position[..., 0] - goal[..., 0]) ** 2 + (position[..., 1] - goal[..., 1]) ** 2) ** 0.5
