"""Lanes on MuJoCo 2.1.0, the original engine, through mujoco-py.

It is the parity oracle and an optional backend of every task.

Slower than `mujoco_batch` where there are cores to use: mujoco-py holds Python's lock, so that
lanes step one after another.
"""

import copy
import importlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from rlkit.envs.lanes import Lanes
from rlkit.envs.simulation import Simulation

EDITED_FIELDS = (
    "actuator_gear",
)  # of models, beside the timestep: what tasks change in a model file
_RENAMED = {
    "xpos": "body_xpos",
    "xquat": "body_xquat",
    "xmat": "body_xmat",
}  # fields with a name of their own in mujoco-py
_DIVERGED = ("WARN_BADQPOS", "WARN_BADQVEL", "WARN_BADQACC", "WARN_BADCTRL")


def import_mujoco_py() -> Any:
    """Import mujoco-py.

    The first import compiles it, which takes minutes and prints many lines.

    Returns:
        The module `mujoco_py`.
    Raises:
        ValueError: it is not installed, or does not find MuJoCo 2.1.0 or what it needs to compile.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # it is built on parts of Python's library that have become old
            return importlib.import_module("mujoco_py")
    except Exception as error:  # a missing library or variable is a bare Exception there
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"backend is 'mujoco-py', but mujoco_py cannot be imported ({lines[0]}); "
            "run benchmarks/mujoco210/install.sh and set the two variables that it prints, or use "
            "backend 'mujoco'"
        ) from error


class MujocoPySimulation(Simulation):
    """Simulations with one `mjData` of MuJoCo 2.1.0 each.

    The engine compiles the model file itself. `model` is the same file compiled by the official
    bindings; it is used for names, sizes and rendering.
    """

    def __init__(
        self,
        path: Path,
        model: mujoco.MjModel,
        num_envs: int,
        frame_skip: int,
        fields: Sequence[str],
        contact_forces: bool,
    ) -> None:
        """Compile the file and make the lanes.

        Args:
            path: MJCF file that MuJoCo 2.1.0 can read.
            model: the same file, compiled by the official bindings and edited; the timestep and
                `EDITED_FIELDS` are taken over.
            num_envs, frame_skip, fields, contact_forces: see `make_simulation`.
        Raises:
            ValueError: mujoco-py does not work here, see `import_mujoco_py`.
        """
        self._mujoco_py = import_mujoco_py()
        self._path = path
        self.model = model
        self._base = self._compile()
        self._models = [self._base] * num_envs
        self._data = [self._mujoco_py.MjSim(self._base).data for _ in range(num_envs)]
        self._own_values: list[dict[str, np.ndarray]] = [{} for _ in range(num_envs)]
        self._frame_skip = frame_skip
        self._contact_forces = contact_forces
        self.qpos, self.qvel = np.zeros((num_envs, model.nq)), np.zeros((num_envs, model.nv))
        names = {name: _RENAMED.get(name, name) for name in fields}
        self.fields = {
            name: np.zeros((num_envs, *getattr(self._data[0], theirs).shape))
            for name, theirs in names.items()
        }
        ours = {"qpos": self.qpos, "qvel": self.qvel, **self.fields}
        self._copies = [
            [(values[lane], getattr(data, names.get(name, name))) for name, values in ours.items()]
            for lane, data in enumerate(self._data)
        ]
        const = self._mujoco_py.const
        self._warnings = [
            [data.warning[getattr(const, name)] for name in _DIVERGED] for data in self._data
        ]

    def _compile(self) -> Any:
        """Compile the file and make the task's edits to it."""
        compiled = self._mujoco_py.load_model_from_path(str(self._path))
        compiled.opt.timestep = self.model.opt.timestep
        for name in EDITED_FIELDS:
            getattr(compiled, name)[...] = getattr(self.model, name)
        self._set_constants(compiled)
        return compiled

    def _set_constants(self, compiled: Any) -> None:
        self._mujoco_py.functions.mj_setConst(compiled, self._mujoco_py.MjSim(compiled).data)

    def _read(self, lane: int) -> None:
        if self._contact_forces:
            self._mujoco_py.functions.mj_rnePostConstraint(self._models[lane], self._data[lane])
        for values, theirs in self._copies[lane]:
            values[...] = theirs

    def reset(self, lanes: np.ndarray, qpos: np.ndarray, qvel: np.ndarray) -> None:
        engine = self._mujoco_py.functions
        with self._mujoco_py.ignore_mujoco_warnings():
            for row, lane in enumerate(lanes.tolist()):
                model, data = self._models[lane], self._data[lane]
                engine.mj_resetData(model, data)
                data.qpos[:] = qpos[row]
                data.qvel[:] = qvel[row]
                engine.mj_forward(model, data)
                self._read(lane)

    def step(self, ctrl: np.ndarray, lanes: Lanes | None = None) -> np.ndarray:
        numbers = np.arange(len(self._data))[slice(len(ctrl)) if lanes is None else lanes]
        step, diverged = self._mujoco_py.functions.mj_step, np.zeros(len(ctrl), bool)
        with self._mujoco_py.ignore_mujoco_warnings():
            for row, (lane, control) in enumerate(zip(numbers.tolist(), ctrl, strict=True)):
                model, data = self._models[lane], self._data[lane]
                data.ctrl[:] = control
                for warning in self._warnings[lane]:
                    warning.number = 0
                for _ in range(self._frame_skip):
                    step(model, data)
                diverged[row] = any(warning.number for warning in self._warnings[lane])
                self._read(lane)
        return diverged

    def set_model_fields(
        self,
        lanes: np.ndarray,
        values: Mapping[str, np.ndarray],
        *,
        recompute_constants: bool = False,
    ) -> None:
        for row, lane in enumerate(lanes.tolist()):
            if self._models[lane] is self._base:
                self._models[lane] = self._compile()
            for name, value in values.items():
                getattr(self._models[lane], name)[...] = value[row]
                self._own_values[lane][name] = np.array(value[row])
            if recompute_constants:
                self._set_constants(self._models[lane])

    def lane_model(self, lane: int) -> mujoco.MjModel:
        """The official bindings' model with the lane's own values, for an image.

        The lane runs on MuJoCo 2.1.0's.
        """
        model = copy.copy(self.model)
        for name, value in self._own_values[lane].items():
            getattr(model, name)[...] = value
        return model

    def close(self) -> None:
        """Nothing to do: there are no threads."""
