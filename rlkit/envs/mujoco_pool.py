"""Many MuJoCo simulations of one model, stepped together.

Two routes give the same numbers, bit for bit, for any number of lanes and threads: `mujoco.batch`
(MuJoCo ≥ 3.17) and a pool of threads over `mj_step`, which also serves bodies that need contact
forces.
"""

import copy
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, get_args

import mujoco
import numpy as np

from rlkit.envs.lanes import Lanes
from rlkit.envs.mujoco_batch import BatchSimulation, QuietDivergence
from rlkit.envs.simulation import Simulation

Backend = Literal[
    "mujoco", "batch", "pool", "mujoco-py", "auto"
]  # "auto" stands for "mujoco" in older run folders
# Warnings that mean divergence; the four have neighbouring numbers.
_DIVERGED = slice(int(mujoco.mjtWarning.mjWARN_BADQPOS), int(mujoco.mjtWarning.mjWARN_BADCTRL) + 1)


class PoolSimulation(Simulation):
    """Simulations with one `MjData` each, stepped by a pool of threads.

    MuJoCo's functions let other Python threads run; only a few calls between them hold the
    interpreter lock. Results are read for all lanes together, through views made beforehand.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        num_envs: int,
        frame_skip: int,
        threads: int,
        fields: Sequence[str],
        contact_forces: bool,
    ) -> None:
        self.model = model
        self._models = [model] * num_envs
        self._data = [mujoco.MjData(model) for _ in range(num_envs)]
        self._frame_skip = frame_skip
        self._contact_forces = contact_forces
        self.qpos, self.qvel = np.zeros((num_envs, model.nq)), np.zeros((num_envs, model.nv))
        self.fields = {
            name: np.zeros((num_envs, *getattr(self._data[0], name).shape)) for name in fields
        }
        self._warnings = np.zeros((num_envs, len(self._data[0].warning.number)), np.int32)
        self._ctrl = [data.ctrl for data in self._data]
        self._mocap = [data.mocap_pos for data in self._data] if model.nmocap else []
        read = {"qpos": self.qpos, "qvel": self.qvel, **self.fields}
        if self._mocap:
            self.mocap_pos = read["mocap_pos"] = np.zeros((num_envs, model.nmocap, 3))
        self._copies = [
            (values, [getattr(data, name).reshape(-1) for data in self._data])
            for name, values in read.items()
        ]
        self._copies.append((self._warnings, [data.warning.number for data in self._data]))
        self._threads = min(threads, num_envs)
        self._pool = ThreadPoolExecutor(self._threads - 1) if self._threads > 1 else None

    def _share(self, work: Callable[[range], None], num_rows: int) -> None:
        """Call work(rows) on all threads, so that together they do rows 0 … num_rows-1."""
        shares = [
            range(first, num_rows, self._threads) for first in range(min(self._threads, num_rows))
        ]
        with QuietDivergence():
            others = [self._pool.submit(work, share) for share in shares[1:]] if self._pool else []
            work(shares[0])
            for other in others:
                other.result()

    def _read(self, num_lanes: int) -> None:
        """Copy the results of lanes 0 … num_lanes-1 out of their `MjData`."""
        for values, views in self._copies:
            np.concatenate(views[:num_lanes], out=values[:num_lanes].reshape(-1))

    def reset(self, lanes: np.ndarray, qpos: np.ndarray, qvel: np.ndarray) -> None:
        def work(rows: range) -> None:
            for row in rows:
                model, data = self._models[lanes[row]], self._data[lanes[row]]
                mujoco.mj_resetData(model, data)
                data.qpos[:] = qpos[row]
                data.qvel[:] = qvel[row]
                mujoco.mj_forward(model, data)
                if self._contact_forces:
                    mujoco.mj_rnePostConstraint(model, data)

        if len(lanes):
            self._share(work, len(lanes))
            self._read(int(lanes.max()) + 1)

    def step(self, ctrl: np.ndarray, lanes: Lanes | None = None) -> np.ndarray:
        models, simulations, targets = self._models, self._data, self._ctrl
        frame_skip, mocap = self._frame_skip, self._mocap
        numbers = np.arange(len(models))[slice(len(ctrl)) if lanes is None else lanes].tolist()

        def work(rows: range) -> None:
            for row in rows:
                lane = numbers[row]
                model, data = models[lane], simulations[lane]
                targets[lane][:] = ctrl[row]
                if mocap:
                    mocap[lane][:] = self.mocap_pos[lane]
                mujoco.mj_step(model, data, frame_skip)
                if self._contact_forces:
                    mujoco.mj_rnePostConstraint(model, data)

        self._share(work, len(ctrl))
        self._read(numbers[-1] + 1)
        diverged = np.logical_or.reduce(self._warnings[numbers][:, _DIVERGED], axis=1)
        # The counter of a lane stays at 1 when it diverges again, so it restarts here.
        for row in np.flatnonzero(diverged).tolist():
            self._data[numbers[row]].warning.number[:] = 0
        return diverged

    def set_model_fields(
        self,
        lanes: np.ndarray,
        values: Mapping[str, np.ndarray],
        *,
        recompute_constants: bool = False,
    ) -> None:
        for row, lane in enumerate(lanes):
            if self._models[lane] is self.model:
                self._models[lane] = copy.copy(self.model)
            for name, value in values.items():
                getattr(self._models[lane], name)[...] = value[row]
            if recompute_constants:
                mujoco.mj_setConst(self._models[lane], mujoco.MjData(self.model))

    def lane_model(self, lane: int) -> mujoco.MjModel:
        return self._models[lane]

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()


def make_simulation(
    model: mujoco.MjModel,
    num_envs: int,
    frame_skip: int,
    *,
    threads: int = 1,
    fields: Sequence[str] = ("xpos",),
    contact_forces: bool = False,
    backend: Backend = "mujoco",
    path: Path | None = None,
) -> Simulation:
    """Make the lanes of a model.

    Args:
        model: compiled model.
        num_envs: number of lanes.
        frame_skip: substeps of one step.
        threads: how many threads step the lanes, the caller's included.
        fields: names of `MjData` arrays to be read after each step.
        contact_forces: call `mj_rnePostConstraint` after the substeps and after a reset (cfrc_ext
            and cfrc_int are zero without).
        backend: "mujoco": the official bindings, by the faster route that can do what is asked;
            "batch" or "pool": by this route; "mujoco-py": MuJoCo 2.1.0.
        path: the file that the model was compiled from, for "mujoco-py", which compiles it again.
    Returns:
        The simulation, every lane waiting for its first reset.
    Raises:
        ValueError: an unknown backend, or one that cannot do what is asked.
    """
    if backend not in get_args(Backend):
        raise ValueError(f"backend is {backend!r}, expected one of {', '.join(get_args(Backend))}")
    if backend == "mujoco-py":
        from rlkit.envs.mujoco_py_simulation import (
            MujocoPySimulation,
        )  # imports mujoco_py, so only when asked

        if path is None:
            raise ValueError("backend is 'mujoco-py', which needs the path of the model file")
        return MujocoPySimulation(path, model, num_envs, frame_skip, fields, contact_forces)
    installed = importlib.util.find_spec("mujoco.batch") is not None
    if backend == "batch" and (not installed or contact_forces):
        reason = (
            "has no place for contact forces"
            if installed
            else f"is not part of MuJoCo {mujoco.__version__}"
        )
        raise ValueError(f"backend is 'batch', but mujoco.batch {reason}; use 'pool' or 'mujoco'")
    if backend == "pool" or not installed or contact_forces:
        return PoolSimulation(model, num_envs, frame_skip, threads, fields, contact_forces)
    return BatchSimulation(model, num_envs, frame_skip, threads, fields)
