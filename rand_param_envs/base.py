"""`RandomEnv`: tasks that differ in masses, inertias, dampings and frictions of one compiled model."""

import abc
import copy
from typing import Any

import mujoco
import numpy as np

Params = dict[str, np.ndarray]

# Fields of the model that a task multiplies, in the order in which they are drawn, and the base b
# of their factors b^U(-c, c).
FACTOR_BASES = {"body_mass": 1.5, "body_inertia": 1.5, "dof_damping": 1.3, "geom_friction": 1.5}


class RandomEnv(abc.ABC):
    """A planar walker whose dynamics are drawn anew for each task: parameters, observation, reward
    and end of an episode.

    It holds no simulation: step `model`, or a copy of it for each task, with MuJoCo. The root
        joints of the model are x, height
    and angle, in this order. Arrays may have leading axes, one row for each of many simulations.

    Attributes:
        model: the compiled model, a copy of the one handed over; `set_task` writes to it.
        base_params: the randomised fields as they were at construction.
        num_factors: how many numbers of the model a task multiplies.
        frame_skip, timestep: physics steps in one step of the environment, and the length of one
            [s] that models are made for.
        reset_noise: an episode starts at qpos0 and zero velocity, plus uniform noise of this half
            width.
    Source: dennisl88/rand_param_envs, base.py.
    """

    frame_skip = 4  # the walker asks for 5, which its base class never reads
    timestep = 0.004
    reset_noise = 0.005

    def __init__(
        self,
        model: mujoco.MjModel,
        *,
        log_scale_limit: float = 3.0,
        recompute_constants: bool = False,
    ) -> None:
        """Take over a model and remember its parameters.

        Args:
            model: compiled model; it is copied.
            log_scale_limit: c, the largest exponent of a factor, at least 0.
            recompute_constants: let what MuJoCo derives from the model at load (`mj_setConst`:
                inverse weights, masses of subtrees) follow a task's values. False: as published, it
                stays what it was for the base model.
        Raises:
            ValueError: a limit out of its range.
        """
        if not 0 <= log_scale_limit < np.inf:
            raise ValueError(
                f"log_scale_limit is {log_scale_limit!r}, expected a number of at least 0"
            )
        self.model = copy.copy(model)
        self.log_scale_limit = float(log_scale_limit)
        self.recompute_constants = bool(recompute_constants)
        self.base_params: Params = {name: getattr(model, name).copy() for name in FACTOR_BASES}
        self._bases = np.concatenate(
            [np.full(self.base_params[name].size, base) for name, base in FACTOR_BASES.items()]
        )
        self.num_factors = len(self._bases)

    def sample_factors(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Draw the factors of tasks, each number of the model its own.

        Args:
            rng: generator; the numbers and their order are those of the published code.
            num_tasks: how many tasks.
        Returns:
            Factors, [num_tasks, num_factors]; the randomised fields one after the other, each in
            row-major order.
        """
        limit = self.log_scale_limit
        return self._bases ** rng.uniform(-limit, limit, size=(num_tasks, self.num_factors))

    def scaled(self, factors: np.ndarray) -> Params:
        """Multiply the base parameters.

        Args:
            factors: [..., num_factors].
        Returns:
            Values of each randomised field, [..., shape of the field].
        Raises:
            ValueError: another number of factors.
        """
        if factors.shape[-1] != self.num_factors:
            raise ValueError(
                f"{factors.shape[-1]} factors, but the model has {self.num_factors} randomised numbers"
            )
        ends = np.cumsum([base.size for base in self.base_params.values()])
        parts = np.split(factors, ends[:-1], axis=-1)
        named = zip(self.base_params.items(), parts, strict=True)
        return {
            name: base * part.reshape(*part.shape[:-1], *base.shape) for (name, base), part in named
        }

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> list[Params]:
        """Draw tasks: for each the values of the randomised fields."""
        values = self.scaled(self.sample_factors(rng, num_tasks))
        return [{name: value[task] for name, value in values.items()} for task in range(num_tasks)]

    def set_task(self, task: Params) -> None:
        """Write a task's values into `model`, and nothing else unless `recompute_constants`;
        simulations must be reset after it.

        Args:
            task: values of the randomised fields, as `sample_tasks` gives them.
        Raises:
            ValueError: a field missing or unknown, or a wrong shape.
        """
        shapes = {name: np.shape(value) for name, value in task.items()}
        expected = {name: base.shape for name, base in self.base_params.items()}
        if shapes != expected:
            raise ValueError(f"the task has fields {shapes}, expected {expected}")
        for name, value in task.items():
            getattr(self.model, name)[...] = value
        if self.recompute_constants:
            mujoco.mj_setConst(self.model, mujoco.MjData(self.model))

    def get_task(self) -> Params:
        """Copy the values of the randomised fields out of `model`."""
        return {name: getattr(self.model, name).copy() for name in self.base_params}

    def draw_start(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw the state in which an episode starts, qpos [nq] and qvel [nv]."""
        noise = self.reset_noise
        return self.model.qpos0 + generator.uniform(
            -noise, noise, self.model.nq
        ), generator.uniform(-noise, noise, self.model.nv)

    @staticmethod
    def observe(qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        """Leave out x and clip velocities to ±10; [..., nq - 1 + nv]."""
        return np.concatenate([qpos[..., 1:], np.minimum(np.maximum(qvel, -10), 10)], axis=-1)

    @staticmethod
    def outcome(
        velocity: np.ndarray, action: np.ndarray, qpos: np.ndarray, qvel: np.ndarray
    ) -> np.ndarray:
        """Gather what reward and end of an episode depend on.

        Args:
            velocity: of the root along x over the step [m/s], [...].
            action: [..., nu].
            qpos, qvel: state after the step, [..., nq] and [..., nv].
        Returns:
            Velocity, squared norm of the action, height [m], angle [rad], largest size of a number
            of the state but x and height; [..., 5].
        """
        outcome = np.empty((*qpos.shape[:-1], 5))
        outcome[..., 0] = velocity
        outcome[..., 1] = (action * action).sum(axis=-1)
        outcome[..., 2:4] = qpos[..., 1:3]
        outcome[..., 4] = np.abs(np.concatenate([qpos[..., 2:], qvel], axis=-1)).max(axis=-1)
        return outcome

    @staticmethod
    def reward(outcome: Any, alive_bonus: float = 1.0) -> Any:
        """r = velocity + alive bonus - 0.001 ‖u‖², numpy or torch, [...]."""
        return outcome[..., 0] + alive_bonus - 1e-3 * outcome[..., 1]

    @staticmethod
    @abc.abstractmethod
    def healthy(outcome: Any) -> Any:
        """Whether an episode goes on after this outcome, numpy or torch, boolean [...]."""
