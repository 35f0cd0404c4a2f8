"""Many MuJoCo simulations of one model, stepped together.

Two routes give the same numbers, bit for bit, for any number of lanes and threads: `mujoco.batch` (MuJoCo ≥ 3.17) and a pool
of threads over `mj_step`, which also serves bodies that need contact forces.
"""

import abc
import contextlib
import copy
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, get_args

import mujoco
import numpy as np

Backend = Literal["auto", "batch", "pool"]
_DIVERGED = [int(getattr(mujoco.mjtWarning, f"mjWARN_{name}")) for name in ("BADQPOS", "BADQVEL", "BADQACC", "BADCTRL")]


@contextlib.contextmanager
def quiet_divergence() -> Iterator[None]:
    """Keep MuJoCo from printing and from writing MUJOCO_LOG.TXT when a simulation diverges; a handler of the user's stays."""
    if mujoco.get_mju_user_warning() is not None:
        yield
        return
    mujoco.set_mju_user_warning(_ignore)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(None)


def _ignore(message: str) -> None:
    """Drop a message: divergence is reported through the warning counters."""


class Simulation(abc.ABC):
    """Simulations ("lanes") of one model.

    Attributes:
        model: the model that all lanes share, but for the fields of `set_model_fields`.
        qpos, qvel: state of each lane, [num_envs, nq] and [num_envs, nv]. Read them; `reset` writes them.
        fields: results of the last step by name, for example "xpos" [num_envs, nbody, 3]. As `mj_step` leaves them they
            belong to the state before the last substep's integration, while qpos and qvel are after it.
    """

    model: mujoco.MjModel
    qpos: np.ndarray
    qvel: np.ndarray
    fields: dict[str, np.ndarray]

    @abc.abstractmethod
    def reset(self, lanes: np.ndarray, qpos: np.ndarray, qvel: np.ndarray) -> None:
        """Put lanes [n] at rest in time 0 with state qpos [n, nq], qvel [n, nv], and compute the fields there."""

    @abc.abstractmethod
    def step(self, ctrl: np.ndarray) -> np.ndarray:
        """Advance lanes 0 … n-1 by `frame_skip` substeps with controls [n, nu]; return which of them diverged, bool [n].

        MuJoCo itself puts a diverged lane back to the model's start; no other lane is touched.
        """

    @abc.abstractmethod
    def set_model_fields(self, lanes: np.ndarray, values: Mapping[str, np.ndarray], *, recompute_constants: bool = False) -> None:
        """Give lanes [n] their own values of fields of the model, each [n, …]; the lanes must be reset afterwards.

        With `recompute_constants`, what MuJoCo derives from the model at load (`mj_setConst`) follows the new values.
        """

    @abc.abstractmethod
    def lane_model(self, lane: int) -> mujoco.MjModel:
        """The model that a lane runs on, its own values included (a copy, or shared: do not write to it)."""

    @abc.abstractmethod
    def close(self) -> None:
        """End the threads."""


class BatchSimulation(Simulation):
    """Simulations on `mujoco.batch`, whose threads sleep between calls."""

    def __init__(self, model: mujoco.MjModel, num_envs: int, frame_skip: int, threads: int, fields: Sequence[str]) -> None:
        from mujoco.batch import Batch  # only on MuJoCo ≥ 3.17

        self.model = model
        self._batch = Batch(model, nsim=num_envs, nthread=min(threads, num_envs))
        self._frame_skip = frame_skip
        self.qpos, self.qvel = self._batch.bind("qpos"), self._batch.bind("qvel")
        self._ctrl = self._batch.bind("ctrl")
        self.fields = {name: self._batch.bind(name) for name in fields}
        self._lanes = np.arange(num_envs, dtype=np.int32)

    def reset(self, lanes: np.ndarray, qpos: np.ndarray, qvel: np.ndarray) -> None:
        self._batch.reset(lanes, stage=mujoco.mjtStage.mjSTAGE_NONE)
        self.qpos[lanes] = qpos
        self.qvel[lanes] = qvel
        with quiet_divergence():
            self._batch.forward(lanes)

    def step(self, ctrl: np.ndarray) -> np.ndarray:
        n = len(ctrl)
        self._ctrl[:n] = ctrl
        warning = self._batch.warning[:n]
        warning[...] = 0  # a diverged lane's counter stays at 1 when it diverges again, so counters start anew each step
        with quiet_divergence():
            self._batch.step(self._lanes[:n], nstep=self._frame_skip)
        return warning[:, _DIVERGED, 1].any(axis=1)

    def set_model_fields(self, lanes: np.ndarray, values: Mapping[str, np.ndarray], *, recompute_constants: bool = False) -> None:
        for name, value in values.items():
            self._batch.expand(name)[lanes] = value
        if recompute_constants:
            self._batch.set_const(lanes)

    def lane_model(self, lane: int) -> mujoco.MjModel:
        return self._batch.get_model(lane)

    def close(self) -> None:
        """Nothing to do: the threads end with the object."""


class PoolSimulation(Simulation):
    """Simulations with one `MjData` each, stepped by a pool of threads.

    MuJoCo's functions let other Python threads run. What is left between them is copying, through views made beforehand.
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
        self.fields = {name: np.zeros((num_envs, *getattr(self._data[0], name).shape)) for name in fields}
        self._ctrl = [data.ctrl for data in self._data]
        self._warnings = [data.warning.number for data in self._data]
        ours = {"qpos": self.qpos, "qvel": self.qvel, **self.fields}
        self._copies = [
            [(values[lane], getattr(data, name)) for name, values in ours.items()] for lane, data in enumerate(self._data)
        ]
        self._threads = min(threads, num_envs)
        self._pool = ThreadPoolExecutor(self._threads - 1) if self._threads > 1 else None

    def _share(self, work: Callable[[int, int], None], lanes: Sequence[int]) -> None:
        """Call work(row, lane) for each of these lanes, on all threads."""

        def some(first: int) -> None:
            for row in range(first, len(lanes), self._threads):
                work(row, lanes[row])

        with quiet_divergence():
            others = [self._pool.submit(some, first) for first in range(1, min(self._threads, len(lanes)))] if self._pool else []
            some(0)
            for other in others:
                other.result()

    def _read(self, lane: int) -> None:
        if self._contact_forces:
            mujoco.mj_rnePostConstraint(self._models[lane], self._data[lane])
        for values, theirs in self._copies[lane]:
            values[...] = theirs

    def reset(self, lanes: np.ndarray, qpos: np.ndarray, qvel: np.ndarray) -> None:
        def work(row: int, lane: int) -> None:
            model, data = self._models[lane], self._data[lane]
            mujoco.mj_resetData(model, data)
            data.qpos[:] = qpos[row]
            data.qvel[:] = qvel[row]
            mujoco.mj_forward(model, data)
            self._read(lane)

        self._share(work, lanes.tolist())

    def step(self, ctrl: np.ndarray) -> np.ndarray:
        warnings: np.ndarray = np.zeros((len(ctrl), len(self._warnings[0])), np.int32)

        def work(row: int, lane: int) -> None:
            self._ctrl[lane][:] = ctrl[lane]
            self._warnings[lane][:] = 0
            mujoco.mj_step(self._models[lane], self._data[lane], self._frame_skip)
            self._read(lane)
            warnings[lane] = self._warnings[lane]

        self._share(work, range(len(ctrl)))
        return np.logical_or.reduce(warnings[:, _DIVERGED], axis=1)

    def set_model_fields(self, lanes: np.ndarray, values: Mapping[str, np.ndarray], *, recompute_constants: bool = False) -> None:
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
    backend: Backend = "auto",
) -> Simulation:
    """Make the lanes of a model.

    Args:
        model: compiled model.
        num_envs: number of lanes.
        frame_skip: substeps of one step.
        threads: how many threads step the lanes, the caller's included.
        fields: names of `MjData` arrays to be read after each step.
        contact_forces: call `mj_rnePostConstraint` after the substeps and after a reset (cfrc_ext and cfrc_int are zero without).
        backend: "batch", "pool", or "auto": batch where it is installed and can do what is asked.
    Returns:
        The simulation, every lane waiting for its first reset.
    Raises:
        ValueError: an unknown backend, or one that cannot do what is asked.
    """
    if backend not in get_args(Backend):
        raise ValueError(f"backend is {backend!r}, expected one of {', '.join(get_args(Backend))}")
    installed = importlib.util.find_spec("mujoco.batch") is not None
    if backend == "batch" and (not installed or contact_forces):
        reason = "has no place for contact forces" if installed else f"is not part of MuJoCo {mujoco.__version__}"
        raise ValueError(f"backend is 'batch', but mujoco.batch {reason}; use 'pool' or 'auto'")
    if backend == "pool" or not installed or contact_forces:
        return PoolSimulation(model, num_envs, frame_skip, threads, fields, contact_forces)
    return BatchSimulation(model, num_envs, frame_skip, threads, fields)
