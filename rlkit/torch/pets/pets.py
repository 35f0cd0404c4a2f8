"""PETS: alternate between trials with model-predictive control and training of the model."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import nn

from rlkit.core.algorithm import Loop
from rlkit.core.logger import Table
from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.data_management.saved_rows import SavedRows
from rlkit.torch.execution import torch_threads
from rlkit.torch.pets.config import PETSSettings
from rlkit.torch.pets.dynamics import Dynamics
from rlkit.torch.pets.records import LogsSchedule, logs_mat, predictions_mat
from rlkit.torch.pets.saved_model import saved_model
from rlkit.torch.pets.trials import Progress, Trials

RECENT = 10  # number of evaluated trials in the mean of recent returns
Report = Callable[[int, int, str], None]  # progress: steps done, total steps, a note
Film = Callable[[int, Paths, Report], None]  # iteration, trials, progress report


class PETS:
    """The loop of PETS, algorithm 1.

    Iteration 0 runs random trials and the first fit. Without random trials it is like the others,
    which run planned trials and then train on all trials so far.

    Args:
        trials: runs the trials.
        dynamics: the model.
        buffer: the training trials; one task, unlimited.
        settings: settings whose nulls have been filled in.
        write: writes a file into the run folder, given its name and content.
        film: records videos of the last trials.
        trained: whether the initial networks of `dynamics` are already trained.
        num_threads: CPU threads for the training.
    Source: PETS; kchua/handful-of-trials, dmbrl/misc/MBExp.py. The reference does not train after
    its last iteration, so its longer runs differ from shorter ones.
    """

    def __init__(
        self,
        trials: Trials,
        dynamics: Dynamics,
        buffer: MultiTaskReplayBuffer,
        settings: PETSSettings,
        write: Callable[[str, bytes], None],
        *,
        film: Film = lambda iteration, paths, report: None,
        trained: bool = False,
        num_threads: int = 1,
    ) -> None:
        self.trials, self.dynamics, self.buffer, self.settings = trials, dynamics, buffer, settings
        self.write, self.film = write, film
        self.trained, self.num_threads = trained, num_threads
        self.num_env_steps = self.num_train_steps = 0
        self.returns: list[float] = []  # of the evaluated trials
        self.logs_schedule = LogsSchedule(settings.num_iterations)

    @property
    def columns(self) -> tuple[str, ...]:
        """The first columns of progress.csv."""
        members = range(self.dynamics.num_nets)
        errors = [f"{kind} Error {m}" for kind in ("Training", "Holdout") for m in members]
        returns = "AverageReturn", "BestReturn", "RecentReturn", "RandomReturn"
        return (*returns, "Model Loss", *errors)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The ensemble with its normalizer."""
        return {"dynamics": self.dynamics.ensemble}

    @property
    def buffers(self) -> Mapping[str, SavedRows]:
        """The training trials."""
        return self.buffer.saved_as("trials")

    def collect_data(self, iteration: int, loop: Loop) -> dict[str, float]:
        """Run the trials of an iteration."""
        rollouts, horizon = self.settings.exp_cfg.exp_cfg, self.settings.task_hor
        initial = iteration == 0 and rollouts.ninit_rollouts > 0
        num_lanes = rollouts.ninit_rollouts if initial else self.settings.trials_per_iteration

        def report(progress: Progress) -> None:
            so_far = ", ".join(f"{value:.1f}" for value in progress.returns)
            note = f"return so far {so_far}"
            if progress.seconds:
                note += f", {progress.seconds:.2f} s per plan"
            loop.tick(progress.step, horizon, note, save="due")

        paths = self.trials.run(iteration, num_lanes, random=not self.trained, report=report)
        num_learned = rollouts.ninit_rollouts if initial else rollouts.nrollouts_per_iter
        self.buffer.add_paths(np.zeros(num_learned, int), paths.select(slice(num_learned)))
        self.num_env_steps += paths.num_steps
        self._write_predictions(iteration, paths)
        statistics = {"Number of env steps total": float(self.num_env_steps)}
        statistics["Plan Time (s)"] = self.trials.plan_seconds
        if initial:
            return statistics | {"RandomReturn": float(paths.returns().mean())}
        self.film(iteration, paths, loop.tick)
        evaluated = paths.returns()[: self.settings.exp_cfg.log_cfg.neval]
        self.returns += evaluated.tolist()
        return statistics | {
            "AverageReturn": float(evaluated.mean()),
            "BestReturn": max(self.returns),
            "RecentReturn": float(np.mean(self.returns[-RECENT:])),
        }

    def do_training(self, iteration: int, loop: Loop) -> dict[str, float]:
        """Train on all trials so far, then write the logs and the model."""
        rows, epochs = (
            self.buffer.rows_of(0),
            self.settings.ctrl_cfg.prop_cfg.model_train_cfg.epochs,
        )
        obs, action, _, _, next_obs, _ = rows.split(self.buffer.columns, dim=1)
        done = 0

        def tick() -> None:
            nonlocal done
            done += 1
            loop.tick(done, epochs)

        with torch_threads(self.num_threads):
            result = self.dynamics.train(obs, action, next_obs, tick)
        self.trained = True
        self._write_files(iteration)
        self.num_train_steps += result.num_steps
        statistics = {"Model Loss": float(result.losses.mean())}
        statistics["Number of train steps total"] = float(self.num_train_steps)
        for kind, errors in (("Training", result.errors), ("Holdout", result.holdout_errors)):
            statistics |= {f"{kind} Error {m}": e for m, e in enumerate(errors.tolist())}
        return statistics

    def _write_files(self, iteration: int) -> None:
        """Write logs.mat if it is due, and the networks in the reference's format."""
        if self.logs_schedule.due(iteration, self.buffer.num_rows * self.buffer.row_bytes):
            self.write("logs.mat", logs_mat(self.buffer, self.returns))
        for name, content in saved_model(self.dynamics.ensemble, self.weight_decays).items():
            self.write(name, content)
            if self.settings.ctrl_cfg.log_cfg.save_all_models:
                self.write(f"train_iter{iteration}/{name}", content)

    def _write_predictions(self, iteration: int, paths: Paths) -> None:
        """Write the predictions for the plans of these trials, if they were kept."""
        controller, logged = self.trials.controller, self.settings.ctrl_cfg.log_cfg
        if controller.predictions:
            num_plans = [-(-length // controller.per) for length in paths.lengths.tolist()]
            particles = logged.log_particles
            content = predictions_mat(controller.predictions, num_plans, particles=particles)
            self.write(f"train_iter{iteration}/predictions.mat", content)

    @property
    def weight_decays(self) -> tuple[float, ...]:
        """Weight decay of each layer."""
        return self.dynamics.settings.weight_decays

    def evaluate(self, iteration: int, loop: Loop) -> dict[str, float]:
        """Do nothing: the trials are the evaluation."""
        return {}

    def tables(self, iteration: int) -> Mapping[str, Table]:
        """No tables."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """The complete state, except the stored trials."""
        return {
            "dynamics": self.dynamics.state_dict(),
            "trials": self.trials.state_dict(),
            "returns": list(self.returns),
            "num_env_steps": self.num_env_steps,
            "num_train_steps": self.num_train_steps,
            "trained": self.trained,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""
        self.dynamics.load_state_dict(state["dynamics"])
        self.trials.load_state_dict(state["trials"])
        self.returns = [float(value) for value in state["returns"]]
        self.num_env_steps, self.num_train_steps = state["num_env_steps"], state["num_train_steps"]
        self.trained = state["trained"]
