"""The two learners of STEVE, alternating on one replay buffer and one device."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from rlkit.core.algorithm import Loop
from rlkit.data_management.simple_replay_buffer import SimpleReplayBuffer
from rlkit.torch.gradient_steps import GradientSteps
from rlkit.torch.optimizers import soft_update_
from rlkit.torch.steve.config import ModelSettings, PolicySettings, STEVESettings
from rlkit.torch.steve.learner import Learner, Stopwatch
from rlkit.torch.steve.records import Records
from rlkit.torch.steve.value_learner import ValueLearner
from rlkit.torch.steve.world_model import ModelLearner, Transitions, WorldModel


class Learners:
    """A value learner and, for all methods but DDPG, a model learner.

    Targets use the model from the value learner's last checkpoint, or the current one with
    `fresh_model`.

    Args:
        settings: settings of the algorithm.
        buffer: source of both learners' batches.
        weights: generator of the initial weights.
        generator: draws batches and members, on the buffer's device.
        records: writes backups.
    """

    def __init__(
        self,
        settings: STEVESettings,
        buffer: SimpleReplayBuffer,
        weights: torch.Generator,
        generator: torch.Generator,
        records: Records,
    ) -> None:
        self.settings, self.buffer, self.generator = settings, buffer, generator
        self.watch = Stopwatch()
        # On the device, because a captured update cannot copy it from the host.
        self._task = torch.zeros(1, dtype=torch.int64, device=buffer.device)
        sizes, model, policy = (
            (buffer.obs_dim, buffer.act_dim),
            settings.model_config,
            settings.policy_config,
        )
        self.model: ModelLearner | None = None
        self.model_learner: Learner | None = None
        self.snapshot: WorldModel | None = None
        if settings.has_model:
            world = WorldModel(*sizes, model, settings.ensemble_init, weights).to(buffer.device)
            learner = ModelLearner(world, generator, routed=settings.row_routing)
            self.model = learner
            self.snapshot = world if model.fresh_model else copy.deepcopy(world)
            self.snapshot.requires_grad_(model.fresh_model)
            steps = GradientSteps(
                lambda with_statistics: learner.update(self._batch(model.batch_size)),
                networks=[world],
                optimizers=[learner.optimizer],
                generator=generator,
                means=learner.columns,
                captured_state=lambda: buffer.addresses,
            )
            self.model_learner = Learner(
                steps,
                learner.columns,
                cadence(model),
                self.watch,
                checkpoint=lambda: None,  # the value learner copies the model itself
                backup=lambda epoch: records.backup("worldmodel", epoch, {"world_model": world}),
            )
        self.value = ValueLearner(*sizes, settings, weights, generator, self.snapshot)
        steps = GradientSteps(
            lambda with_statistics: self.value.update(self._batch(policy.batch_size)),
            networks=[*self.value.networks.values()],
            optimizers=[self.value.optimizer],
            generator=generator,
            means=self.value.columns,
            captured_state=lambda: buffer.addresses,
        )
        self.policy_learner = Learner(
            steps,
            self.value.columns,
            cadence(policy),
            self.watch,
            checkpoint=self._hand_over,
            backup=lambda epoch: records.backup("valuerl", epoch, self.value.networks),
        )

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks by the names of their weight files."""
        world = {} if self.model is None else {"world_model": self.model.model}
        return {**self.value.networks, **world}

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of both learners' statistics."""
        return (*self.value.columns, *(() if self.model is None else self.model.columns))

    @property
    def log_rows(self) -> dict[str, list[list[float]]]:
        """Lines of each log, by the reference's name of the log."""
        model = {} if self.model_learner is None else {"worldmodel": self.model_learner.rows}
        return {"valuerl": self.policy_learner.rows, **model}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Allow updates inside the block."""
        with ExitStack() as stack:
            for learner in self._each():
                stack.enter_context(learner.steps.running())
            yield

    def pretrain(self, total_frames: int, loop: Loop) -> None:
        """Train the model alone, then publish it for the first time."""
        learner, wanted = self.model_learner, self.settings.model_config.pretrain_n
        if learner is not None:
            while learner.updates < wanted:
                learner.update(total_frames, hand_over=False)
                loop.tick(learner.updates, wanted, "pretraining", save="due")
            learner.restart()
            learner.checkpoint()
        self.policy_learner.checkpoint()

    def update(self, total_frames: int) -> None:
        """Take the updates that the frames allow, alternating between the learners."""
        frames = total_frames - self.settings.frames_before_learning
        while due := [learner for learner in self._each() if learner.may_update(frames)]:
            for learner in due:
                learner.update(total_frames)

    def statistics(self) -> dict[str, float]:
        """Means over the updates since the last call, and counters."""
        found = {"Learner Epochs": float(self.policy_learner.epoch)}
        for learner in self._each():
            found |= learner.statistics()
        return found | {"Number of train steps total": float(self.policy_learner.updates)}

    def _each(self) -> list[Learner]:
        first = [] if self.model_learner is None else [self.model_learner]
        return [*first, self.policy_learner]

    def _hand_over(self) -> None:
        """Copy the critics to their targets, and the model to its snapshot."""
        self.value.copy_targets()
        if self.model is not None and self.snapshot not in (None, self.model.model):
            assert self.snapshot is not None
            soft_update_(self.model.model, self.snapshot, 1.0)

    def _batch(self, size: int) -> Transitions:
        """Draw transitions uniformly with replacement."""
        batch = self.buffer.random_batch(self._task, size, self.generator)
        obs, action, reward, _, next_obs, terminated = (part[0] for part in batch)
        return Transitions(obs, action, reward.squeeze(-1), next_obs, terminated.squeeze(-1))

    def _parts(self) -> dict[str, Any]:
        """The parts that have a state, by name."""
        found: dict[str, Any] = {**self.networks, "policy_learner": self.policy_learner}
        found["policy_optimizer"] = self.value.optimizer
        if self.model is not None and self.model_learner is not None:
            found |= {"model_learner": self.model_learner, "model_optimizer": self.model.optimizer}
            found |= {"snapshot": self.snapshot}
        return found

    def state_dict(self) -> dict[str, Any]:
        """Networks, Adam's moments, counters and the generator's state."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return {**parts, "generator": self.generator.get_state(), "seconds": self.watch.seconds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.generator.set_state(state["generator"])
        self.watch.restore(state["seconds"])


def cadence(settings: PolicySettings | ModelSettings) -> tuple[float, int, int, int]:
    """Frames per update, and updates between logs, checkpoints and backups."""
    every = settings.log_every_n, settings.epoch_every_n, settings.backup_every_n
    return settings.frames_per_update, *every
