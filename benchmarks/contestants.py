"""The contestants of `env_throughput`.

Our lanes, MuJoCo alone on the same states, and gymnasium's vector environments.

Each has `run(actions)`, which steps all lanes once per row of actions [num_steps, num_lanes,
act_dim] in [-1, 1] and begins a new episode where one ends, and `worker_cpu_seconds()`, the CPU
time of its other processes.
"""

import time
import warnings

import gymnasium
import mujoco
import numpy as np

from rlkit.envs import env_class, make_env
from rlkit.envs.lanes import Lanes
from rlkit.envs.mujoco_env import MujocoMetaEnv

HORIZON = 200
Starts = list[tuple[int, np.ndarray, np.ndarray, np.ndarray]]


class OurLanes:
    """A task distribution, stepped as in training: observation, outcome, reward, termination.

    Attributes:
        env: the environment.
        body: the environment without wrappers, if it has simulations.
        starts: of the last run, the episodes that began in it: (step, lanes [n], qpos [n, nq], qvel
            [n, nv]).
        given: of the last run, controls and places of mocap bodies in each step, if actions are not
            the controls.
    """

    def __init__(self, name: str, num_envs: int, threads: int, seed: int) -> None:
        n_tasks = env_class(name).fixed_n_tasks or 10
        self.env = make_env(name, n_tasks=n_tasks, num_envs=num_envs, physics_threads=threads)
        self.env.reset_task(np.arange(num_envs) % n_tasks)
        self._generators = [np.random.default_rng((seed, lane)) for lane in range(num_envs)]
        self.env.reset(self._generators)
        # As if the lanes had begun at different times, so that not all end at once.
        self._age = np.random.default_rng(seed).integers(
            min(HORIZON, self.env.max_episode_steps), size=num_envs
        )
        body = self.env.unwrapped
        self.body = body if isinstance(body, MujocoMetaEnv) else None
        self._simulation = None if self.body is None else self.body.simulation
        self.starts: Starts = []
        self.given: list[tuple[np.ndarray, np.ndarray]] = []
        if self._simulation is not None and self._simulation.model.nmocap:
            self._record()

    def _record(self) -> None:
        """Record the inputs of the simulation."""
        simulation, step = self._simulation, self._simulation.step

        def recorded(ctrl: np.ndarray, lanes: Lanes | None = None) -> np.ndarray:
            self.given.append((ctrl, simulation.mocap_pos.copy()))
            return step(ctrl, lanes)

        simulation.step = recorded

    def run(self, actions: np.ndarray) -> None:
        self.starts, self.given = [], []
        for step, action in enumerate(actions):
            terminated = self.env.step(action)[2]
            self._age += 1
            ended = np.flatnonzero(terminated | (self._age >= self.env.max_episode_steps))
            if len(ended):
                self.env.reset([self._generators[lane] for lane in ended], ended)
                self._age[ended] = 0
                if self._simulation is not None:
                    self.starts.append(
                        (step, ended, self._simulation.qpos[ended], self._simulation.qvel[ended])
                    )

    def worker_cpu_seconds(self) -> float:
        return 0.0

    def close(self) -> None:
        self.env.close()


class BareMujoco:
    """The limit: `mj_step` (then `mj_rnePostConstraint`, if ours calls it), nothing read.

    One `MjData` per lane, one thread.

    Models, starts and actions are those of our lanes, so that the states are the same.
    """

    def __init__(self, ours: OurLanes) -> None:
        self._ours, env = ours, ours.body
        self._frame_skip = env.frame_skip
        self._contact_forces = "cfrc_ext" in env.simulation.fields
        self._models = [env.simulation.lane_model(lane) for lane in range(env.num_envs)]
        self._data = [mujoco.MjData(model) for model in self._models]
        self._ctrl = [data.ctrl for data in self._data]
        self._low = env.action_low
        self._half_width = 0.5 * (env.action_high - env.action_low)
        for lane in range(env.num_envs):
            self._start(lane, env.simulation.qpos[lane], env.simulation.qvel[lane])

    def _start(self, lane: int, qpos: np.ndarray, qvel: np.ndarray) -> None:
        model, data = self._models[lane], self._data[lane]
        mujoco.mj_resetData(model, data)
        data.qpos[:] = qpos
        data.qvel[:] = qvel
        mujoco.mj_forward(model, data)

    def run(self, actions: np.ndarray) -> None:
        """Step the lanes; our lanes must have run the same actions just before."""
        starts = {step: found for step, *found in self._ours.starts}
        lanes = list(zip(self._models, self._data, self._ctrl, strict=True))
        controls = self._low + (actions.astype(np.float64) + 1.0) * self._half_width
        given = self._ours.given or [(control, [()] * len(lanes)) for control in controls]
        for step, (controls, places) in enumerate(given):
            for (model, data, ctrl), control, place in zip(lanes, controls, places, strict=True):
                ctrl[:] = control
                if len(place):
                    data.mocap_pos[:] = place
                mujoco.mj_step(model, data, self._frame_skip)
                if self._contact_forces:
                    mujoco.mj_rnePostConstraint(model, data)
            for lane, qpos, qvel in zip(*starts.get(step, ((), (), ())), strict=True):
                self._start(lane, qpos, qvel)

    def difference(self) -> float:
        """Largest difference between these states and those of our lanes."""
        qpos = self._ours.body.simulation.qpos
        return max(
            float(np.abs(data.qpos - qpos[lane]).max()) for lane, data in enumerate(self._data)
        )

    def worker_cpu_seconds(self) -> float:
        return 0.0

    def close(self) -> None:
        """Nothing to release."""


class CpuTime(gymnasium.Wrapper):
    """Reports the CPU time of the process that the environment runs in."""

    def cpu_seconds(self) -> float:
        return time.process_time()


class GymnasiumLanes:
    """A gymnasium vector environment with lanes in this process ("Sync") or one each ("Async")."""

    def __init__(self, env_id: str, num_envs: int, kind: str, seed: int) -> None:
        def make() -> gymnasium.Env:
            mujoco.set_mju_user_warning(
                _ignore
            )  # the cheetah's model file has a deprecated attribute
            return CpuTime(gymnasium.make(env_id, max_episode_steps=HORIZON))

        vector_class = {
            "Sync": gymnasium.vector.SyncVectorEnv,
            "Async": gymnasium.vector.AsyncVectorEnv,
        }[kind]
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # about fork beside threads, which the workers do not touch
            self._env = vector_class(
                [make] * num_envs, autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP
            )
        self._has_workers = kind == "Async"
        self._env.reset(seed=seed)
        self._high = self._env.single_action_space.high
        self.act_dim = len(self._high)

    def run(self, actions: np.ndarray) -> None:
        for action in (actions * self._high).astype(np.float32):
            self._env.step(action)

    def worker_cpu_seconds(self) -> float:
        return sum(self._env.call("cpu_seconds")) if self._has_workers else 0.0

    def close(self) -> None:
        self._env.close()


def timed(
    contestant: OurLanes | BareMujoco | GymnasiumLanes, actions: np.ndarray
) -> tuple[float, float]:
    """Run, and measure CPU seconds of all processes and wall-clock seconds per step of a lane."""
    workers = contestant.worker_cpu_seconds()
    wall, cpu = time.perf_counter(), time.process_time()
    contestant.run(actions)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    steps = actions.shape[0] * actions.shape[1]
    return (cpu + contestant.worker_cpu_seconds() - workers) / steps, wall / steps


def draw(rng: np.random.Generator, num_steps: int, num_lanes: int, act_dim: int) -> np.ndarray:
    """Draw uniform actions, [num_steps, num_lanes, act_dim] in [-1, 1]."""
    return rng.uniform(-1, 1, (num_steps, num_lanes, act_dim)).astype(np.float32)


def _ignore(message: str) -> None:
    """Drop a message of MuJoCo's."""
