"""The learned reward: its training data and its use in relabeling."""

import copy

import numpy as np
import torch

from rlkit.data_management.batch import Batch
from rlkit.data_management.labels import labels_of
from rlkit.torch.hfr.learned_reward import LearnedReward
from rlkit.torch.networks import FlattenMlp
from tests.torch.hfr.test_relabelers import TO_TASK_2, collect
from tests.torch.hfr.toy import ENV, HORIZON, TASKS, ChosenTask, make_path, make_relabeler


def make_learned(learning_rate=1e-2) -> LearnedReward:
    network = FlattenMlp((32, 32), 3, 1, generator=torch.Generator().manual_seed(0)).double()
    return LearnedReward(network, TASKS, learning_rate)


def make_batch(marks=0.0) -> tuple[Batch, torch.Tensor]:
    """40 transitions of tasks 2 and 0; the outcome is the observation."""
    task_ids = torch.tensor([2, 0])
    obs = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 40, 1)))
    rewards = -(obs - torch.from_numpy(TASKS)[task_ids].unsqueeze(1)).abs()
    column = torch.full_like(rewards, marks)
    return Batch(obs, torch.zeros_like(obs), rewards, column, obs, torch.zeros_like(obs)), task_ids


def test_it_learns_the_reward_of_the_row_s_task():
    learned, (batch, task_ids) = make_learned(), make_batch()
    losses = [learned.train_step(batch, task_ids).item() for _ in range(400)]
    assert losses[-1] < 0.05 * losses[0]


def test_the_loss_is_the_mean_over_rows_whose_reward_is_the_environments():
    learned, (batch, task_ids) = make_learned(), make_batch()
    marks = (torch.arange(40) % 4 == 0).double().expand(2, 40).unsqueeze(-1)
    goals = torch.from_numpy(TASKS)[task_ids].unsqueeze(1).expand(2, 40, 1)
    errors = (learned.network(batch.obs, batch.actions, goals) - batch.rewards) ** 2
    expected = errors[marks == 0].mean().item()
    assert (
        abs(learned.train_step(batch._replace(sparse_rewards=marks), task_ids).item() - expected)
        < 1e-12
    )


def test_rows_of_its_own_making_teach_it_nothing():
    learned, (batch, task_ids) = make_learned(), make_batch(marks=1.0)
    before = [p.clone() for p in learned.network.parameters()]
    assert learned.train_step(batch, task_ids) == 0
    assert all(torch.equal(p, q) for p, q in zip(learned.network.parameters(), before, strict=True))


def test_it_gives_the_rewards_of_other_tasks_and_leaves_own_rewards_and_ends():
    learned, path = make_learned(), make_path(1, steps=4)
    true = labels_of(path, TASKS, ENV)
    labels, error = learned.relabel(path, true)
    np.testing.assert_array_equal(labels.rewards[1], path.rewards[0, :4])
    np.testing.assert_array_equal(labels.terminated, true.terminated)
    np.testing.assert_array_equal(labels.sparse_rewards, [[1] * 4, [0] * 4, [1] * 4])
    for task in range(3):
        row = torch.from_numpy(
            np.stack(
                [path.obs[0, :4, 0], path.actions[0, :4, 0], np.full(4, TASKS[task, 0])], axis=1
            )
        )
        predicted = learned.network(row)[:, 0].detach().numpy()
        if task == 1:
            np.testing.assert_allclose(
                error, ((predicted - path.rewards[0, :4]) ** 2).mean(), rtol=1e-12
            )
        else:
            np.testing.assert_allclose(labels.rewards[task], predicted, rtol=1e-12)


def test_stored_rows_tell_whose_reward_they_carry():
    relabeler = make_relabeler(
        ChosenTask(TO_TASK_2), learned_reward=make_learned(), use_learned_reward=True
    )
    relabeler.store(make_path(2), to_encoder=True)  # the pool
    collect(relabeler, 0, [make_path(0)])  # iteration 0 does not relabel
    collect(relabeler, 1, [make_path(0), make_path(2)])
    assert relabeler.replay_buffer.rows_of(0)[:, 3].tolist() == [0] * HORIZON
    assert (
        relabeler.replay_buffer.rows_of(2)[:, 3].tolist()
        == [0] * HORIZON + [1] * HORIZON + [0] * HORIZON
    )


def test_its_state_is_weights_and_optimizer():
    first, second, (batch, task_ids) = make_learned(), make_learned(), make_batch()
    for _ in range(3):
        first.train_step(batch, task_ids)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    losses = [
        [learned.train_step(batch, task_ids).item() for _ in range(3)]
        for learned in (first, second)
    ]
    assert losses[0] == losses[1]
