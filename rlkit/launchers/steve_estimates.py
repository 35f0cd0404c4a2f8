"""Estimated cost of a run of STEVE: steps, memory, disk, seconds."""

import time

import torch

from rlkit.data_management.simple_replay_buffer import SimpleReplayBuffer
from rlkit.launchers.launcher import Requirements
from rlkit.torch.steve.config import STEVESettings
from rlkit.torch.steve.learners import Learners
from rlkit.torch.steve.records import Records

FLOAT_BYTES = 4
PROCESS_BYTES = 0.8e9  # of Python, torch and MuJoCo
COPIES = 5  # of the trained weights: themselves, gradients, moments, targets or snapshot
TIMED_UPDATES = 3


def requirements(algo: STEVESettings, obs_dim: int, act_dim: int) -> Requirements:
    """Estimate steps, memory and disk."""
    row = FLOAT_BYTES * (2 * obs_dim + act_dim + 3)
    frames = algo.frames_after(algo.num_iterations - 1)
    replay = float(row * min(algo.replay_size, frames))
    built = build(algo, obs_dim, act_dim, torch.device("cpu"))
    counts = (p.numel() for network in built.networks.values() for p in network.parameters())
    weights = float(FLOAT_BYTES * sum(counts))
    updates = [algo.frames_per_iteration / algo.policy_config.frames_per_update]
    if algo.has_model:
        updates.append(algo.frames_per_iteration / algo.model_config.frames_per_update)
    most = max(algo.policy_config.batch_size, algo.model_config.batch_size)
    width = max(algo.policy_config.hidden_dim, algo.model_config.transition_hidden_dim)
    activations = FLOAT_BYTES * most * width * (algo.horizon + 1) * 64.0
    return Requirements(
        initial_steps=max(0, algo.frames_before_learning - algo.frames_per_iteration),
        iteration_steps=algo.frames_per_iteration,
        evaluation_steps=algo.num_eval_episodes * algo.max_path_length,
        gradient_steps=round(sum(updates)),
        memory=PROCESS_BYTES + replay + COPIES * weights + activations,
        replay=replay,
        row=row,
        disk=2 * replay + 2 * COPIES * weights,
    )


def iteration_seconds(
    algo: STEVESettings, obs_dim: int, act_dim: int, device: torch.device
) -> float:
    """Seconds of the updates of an iteration, from a few of each learner on random rows."""
    built = build(algo, obs_dim, act_dim, device)
    rows = torch.rand(1024, 2 * obs_dim + act_dim + 3, device=device)
    built.buffer.add_rows(0, rows)
    total = 0.0
    with built.running():
        for learner in (built.model_learner, built.policy_learner):
            if learner is not None:
                learner.steps.take(1)
                began = time.perf_counter()
                learner.steps.take(TIMED_UPDATES)
                learner.steps.fetch()
                seconds = (time.perf_counter() - began) / TIMED_UPDATES
                total += seconds * algo.frames_per_iteration / learner.frames_per_update
    return total


def build(algo: STEVESettings, obs_dim: int, act_dim: int, device: torch.device) -> Learners:
    """Learners with an empty replay, which write nothing."""
    buffer = SimpleReplayBuffer(obs_dim, act_dim, capacity=algo.replay_size, device=device)
    records = Records(lambda name, content: None, lambda name: None, lambda: "", {})
    generator = torch.Generator(device).manual_seed(0)
    return Learners(algo, buffer, torch.Generator().manual_seed(0), generator, records)
