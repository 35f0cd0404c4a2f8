"""Three goals on a line, float64 networks, buffers of trajectories of unequal length."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import torch

from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.launchers.hfr_config import HFRConfig
from rlkit.torch.encoders import MlpEncoder
from rlkit.torch.hfr.methods import Scores, UniformTask
from rlkit.torch.hfr.relabelers import HindsightLabels
from rlkit.torch.networks import FlattenMlp
from rlkit.torch.sac.agent import PEARLAgent
from rlkit.torch.sac.policies import TanhGaussianPolicy

TASKS = np.array([[-1.0], [0.0], [2.0]])
HORIZON = 6
LATENT = 2


def compute_reward(outcome, task):
    """Reward: minus the distance to the goal; sparse: 1 near it; the end: very near."""
    distance = abs(outcome[..., 0] - task[..., 0])
    return -distance, (distance < 0.5) * 1.0, distance < 0.1


def success(outcome, task):
    return abs(outcome[..., 0] - task[..., 0]) < 0.1


ENV = SimpleNamespace(compute_reward=compute_reward, success=success, relabelable=True, task_dim=1)


def make_path(task_id, steps=HORIZON, seed=0) -> Paths:
    """A random walk on one task; obs is the place, so that outcomes can be read from it."""
    rng = np.random.default_rng(seed)
    path = Paths.empty(1, HORIZON, 1, 1, 1, dtype=np.float64)
    path.lengths[:], path.task_ids[:] = steps, task_id
    path.obs[0, : steps + 1, 0] = rng.normal(size=steps + 1)
    path.actions[0, :steps, 0] = rng.uniform(-1, 1, size=steps)
    path.outcomes[0, :steps] = path.obs[0, 1 : steps + 1]
    labels = compute_reward(path.outcomes[0, :steps], TASKS[task_id])
    path.rewards[0, :steps], path.sparse_rewards[0, :steps], path.terminated[0, :steps] = labels
    return path


def make_buffer(seed=0) -> MultiTaskReplayBuffer:
    """Three trajectories of 1 to HORIZON steps for each task."""
    buffer = MultiTaskReplayBuffer(len(TASKS), 1, 1, dtype=torch.float64)
    for task_id in range(len(TASKS)):
        for n in range(3):
            buffer.add_paths(
                [task_id],
                make_path(task_id, steps=(1, 4, HORIZON)[n], seed=seed + 10 * task_id + n),
            )
    return buffer


def make_agent(config=None, seed=0):
    """An agent and its networks, with weights large enough to tell contexts apart."""
    config = config or HFRConfig()
    generator = torch.Generator().manual_seed(seed)
    encoder = MlpEncoder(
        3,
        LATENT,
        use_information_bottleneck=config.use_information_bottleneck,
        hidden_sizes=(8,),
        generator=generator,
    )
    policy = TanhGaussianPolicy((8,), 1, LATENT, 1, generator=generator)
    critics = {
        name: FlattenMlp((8,), 2 + LATENT, 1, generator=generator) for name in ("qf1", "qf2")
    }
    target_vf = FlattenMlp((8,), 1 + LATENT, 1, generator=generator)
    networks = SimpleNamespace(
        policy=policy, context_encoder=encoder, target_vf=target_vf, **critics
    )
    for network in vars(networks).values():
        network.double()
        for parameter in network.parameters():
            parameter.data.normal_(generator=generator)
    agent = PEARLAgent(
        LATENT,
        encoder,
        policy,
        use_information_bottleneck=config.use_information_bottleneck,
        sparse_rewards=config.sparse_rewards,
        min_sigma=config.min_sigma,
    )
    return agent, networks


class ChosenTask(UniformTask):
    """A method whose logits are given: one array for every trajectory."""

    def __init__(self, logits) -> None:
        super().__init__(len(TASKS))
        self.logits = np.asarray(logits, float)
        self.judged = []

    def score(self, path, labels, generator) -> Scores:
        self.judged.append(int(path.task_ids[0]))
        nothing = np.zeros(self.num_tasks)
        logits = self.logits if self.logits.ndim == 1 else self.logits[:, : path.lengths[0]]
        return Scores(logits, nothing, nothing, nothing)


def make_relabeler(method, *, num_tasks=3, learned_reward=None, **changes) -> HindsightLabels:
    """A relabeler over empty buffers of float64."""
    config = replace(
        HFRConfig(num_tasks_sample=4, max_path_length=HORIZON, relabel_prob=1.0), **changes
    )
    buffers = [MultiTaskReplayBuffer(num_tasks, 1, 1, dtype=torch.float64) for _ in range(3)]
    names = ("replay_buffer", "encoder_buffer", "sampler_buffer")
    return HindsightLabels(
        env=ENV,
        tasks=TASKS[:num_tasks],
        method=method,
        settings=config,
        sparse_rewards=config.sparse_rewards,
        seed=0,
        learned_reward=learned_reward,
        **dict(zip(names, buffers, strict=True)),
    )


def fill_pool(relabeler) -> None:
    """The initial pool: one trajectory for each task."""
    for task_id in range(len(relabeler.tasks)):
        relabeler.store(make_path(task_id, seed=1000 + task_id), to_encoder=True)
