"""STEVE in one process, with a fixed ratio of frames to updates of both learners."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from rlkit.core.algorithm import Loop
from rlkit.core.checkpoint import SavedRows
from rlkit.core.logger import Table
from rlkit.core.seeding import stream
from rlkit.data_management.simple_replay_buffer import SimpleReplayBuffer
from rlkit.envs.base import MetaEnv
from rlkit.samplers.util import rollout
from rlkit.torch.execution import torch_threads
from rlkit.torch.steve.lanes import Lanes
from rlkit.torch.steve.learners import Learners
from rlkit.torch.steve.policy import GreedyPolicy, explore
from rlkit.torch.steve.records import Records

NO_EPISODE = np.zeros(0, np.int64)  # rows are stored before their episode ends


class STEVE:
    """The loop of STEVE.

    Iteration 0 collects random frames and pretrains the model. Each later iteration collects
    `frames_per_iteration`, and after each step takes as many updates as the frames allow.

    Args:
        lanes: collect frames.
        eval_env: environment of the greedy episodes.
        learners: both learners.
        buffer: their training data; one task.
        records: writes the reference's files.
        num_threads: CPU threads of the updates.
    """

    def __init__(
        self,
        lanes: Lanes,
        eval_env: MetaEnv,
        learners: Learners,
        buffer: SimpleReplayBuffer,
        records: Records,
        num_threads: int = 1,
    ) -> None:
        self.lanes, self.eval_env, self.learners, self.buffer = lanes, eval_env, learners, buffer
        self.records, self.num_threads = records, num_threads
        self.settings, self.seed = learners.settings, lanes.seed
        self.policy = GreedyPolicy(learners.value.policy)
        self.total_frames = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The first columns of progress.csv."""
        returns = "AverageReturn", "MinReturn", "MaxReturn", "AverageLength"
        return (*returns, "Learner Epochs", *self.learners.columns)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks by the names of their weight files."""
        return self.learners.networks

    @property
    def buffers(self) -> Mapping[str, SavedRows]:
        """The replay buffer."""
        return self.buffer.saved_as("replay")

    def collect_data(self, iteration: int, loop: Loop) -> dict[str, float]:
        """Collect the random frames in iteration 0; later iterations collect in `do_training`."""
        if iteration == 0:
            self.records.write_settings()
            total = self.settings.frames_after(0)
            while self.total_frames < total:
                self._step_lanes(random=True)
                loop.tick(self.total_frames, total, "random frames", save="due")
        return {"Number of env steps total": float(self.settings.frames_after(iteration))}

    def do_training(self, iteration: int, loop: Loop) -> dict[str, float]:
        """Pretrain the model in iteration 0; later, collect frames and update after each step."""
        learners, settings = self.learners, self.settings
        learners.watch.start()
        with learners.running(), torch_threads(self.num_threads):
            if iteration == 0:
                learners.pretrain(self.total_frames, loop)
            first = settings.frames_after(max(iteration - 1, 0))
            last = settings.frames_after(iteration)
            while iteration > 0 and self.total_frames < last:
                with loop.phase("sample"):
                    self._step_lanes(random=False)
                learners.update(self.total_frames)
                loop.tick(self.total_frames - first, last - first, "frames", save="due")
        return learners.statistics()

    def _step_lanes(self, *, random: bool) -> None:
        """Take a step in every lane and store the transitions."""
        obs, number = self.lanes.begin(), self.total_frames // self.lanes.num_lanes
        with torch_threads(1):
            if random:
                shape = len(obs), self.lanes.env.act_dim
                generator = stream(self.seed, "random action", number)
                action = generator.uniform(-1.0, 1.0, shape).astype(np.float32)
            else:
                generator = stream(self.seed, "exploration", number)
                epsilon = self.settings.policy_config.epsilon
                action = explore(self.policy.outputs(obs), epsilon, generator)
            rows = self.lanes.step(action)
        self.buffer.add_rows(0, rows.to(self.buffer.device), NO_EPISODE)
        self.total_frames += len(rows)

    def evaluate(self, iteration: int, loop: Loop) -> dict[str, float]:
        """Run greedy episodes and write the reference's files."""
        wanted, lanes = self.settings.num_eval_episodes, self.eval_env.num_envs
        returns: list[float] = []
        lengths: list[int] = []
        while len(returns) < wanted:
            numbers = range(len(returns), min(len(returns) + lanes, wanted))
            generators = [self._evaluation_stream(iteration, number) for number in numbers]
            horizon, tasks = self.settings.max_path_length, [0] * len(numbers)
            paths = rollout(
                self.eval_env, self.policy, tasks, generators, horizon, deterministic=True
            )
            returns += paths.returns().tolist()
            lengths += paths.lengths.tolist()
            loop.tick(len(returns), wanted, f"return {returns[-1]:.1f}")
        epoch, hours = self.learners.policy_learner.epoch, self.learners.watch.hours
        self.records.greedy += [[hours, epoch, self.total_frames, score] for score in returns]
        self.write_logs()
        return {
            "AverageReturn": float(np.mean(returns)),
            "MinReturn": min(returns),
            "MaxReturn": max(returns),
            "AverageLength": float(np.mean(lengths)),
        }

    def _evaluation_stream(self, iteration: int, number: int) -> np.random.Generator:
        """Generator of a greedy episode; if fixed, independent of seed and iteration."""
        if self.settings.fixed_eval_starts:
            return stream(0, "fixed evaluation", number)
        return stream(self.seed, "evaluation", iteration, number)

    def write_logs(self) -> None:
        """Write the reference's files from the rows so far."""
        self.records.write_logs(self.learners.log_rows)

    def tables(self, iteration: int) -> Mapping[str, Table]:
        """No tables."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """The complete state, except the replay buffer."""
        return {
            "lanes": self.lanes.state_dict(),
            "learners": self.learners.state_dict(),
            "records": self.records.state_dict(),
            "total_frames": self.total_frames,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state and rewrite the reference's files to match it."""
        self.lanes.load_state_dict(state["lanes"])
        self.learners.load_state_dict(state["learners"])
        self.records.load_state_dict(state["records"])
        self.total_frames = state["total_frames"]
        self.records.write_settings()
        self.write_logs()
