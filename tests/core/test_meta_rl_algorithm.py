"""PEARL's schedule: which trajectories are collected under which belief and where they are stored."""

from dataclasses import replace

import numpy as np
import pytest

from rlkit.core.loop import NoLoop
from rlkit.core.meta_rl_algorithm import MetaRLAlgorithm
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.torch.sac.config import PEARLConfig
from tests.toy import CountingEnv, RecordingPolicy

CONFIG = PEARLConfig(
    num_initial_steps=8,
    num_tasks_sample=2,
    num_steps_prior=8,
    num_steps_posterior=0,
    num_extra_rl_steps_posterior=12,
    max_path_length=4,
    embedding_batch_size=5,
)


class RecordingRelabeler:
    """Remembers what is stored; a context batch is the text of who asked for it."""

    contexts_of_every_block = False

    def __init__(self):
        self.visits, self.stored, self.drawn = [], [], []
        self.blocks, self.buffers, self.networks = [], {}, {}

    def begin_visits(self, task_ids, iteration):
        self.visits.append(list(task_ids))

    def store(self, paths, *, to_encoder, visits=None):
        self.stored.append((to_encoder, visits, paths.task_ids.tolist(), paths.lengths.tolist()))

    def end_block(self, group_size):
        self.blocks.append((len(self.stored), group_size))

    def collection_context(self, visit, generator, num_rows):
        self.drawn.append((visit, num_rows, len(self.stored)))
        return [f"visit {visit}, draw {len(self.drawn)}"]

    def end_collection(self, iteration):
        return {"Relabeled": 0.0}


class ContextPolicy(RecordingPolicy):
    def acting_context(self, batch):
        return batch[0]


def make_algorithm(config=CONFIG, tasks=range(3), num_envs=64):
    env, policy, relabeler = CountingEnv(num_envs), ContextPolicy(), RecordingRelabeler()
    algorithm = MetaRLAlgorithm(
        env=env,
        agent=policy,
        sampler=InPlacePathSampler(env, policy, config.max_path_length),
        trainer=None,
        replay_buffer=None,
        encoder_buffer=None,
        relabeler=relabeler,
        train_tasks=tasks,
        eval_tasks=tasks,
        config=config,
        seed=0,
    )
    return algorithm, policy, relabeler


def of_iteration(config, iteration=1, **options):
    """The stores and the inferences of one iteration after the first."""
    algorithm, policy, relabeler = make_algorithm(config, **options)
    counts = algorithm.collect_data(iteration, NoLoop())
    return relabeler, policy, counts


def test_initial_pool_covers_every_train_task_and_goes_to_both_buffers():
    algorithm, policy, relabeler = make_algorithm(tasks=range(0, 1 + 4))
    algorithm._collect_initial_pool()
    steps = {}
    for to_encoder, visits, task_ids, lengths in relabeler.stored:
        assert to_encoder and visits is None
        for task_id, length in zip(task_ids, lengths, strict=True):
            steps[task_id] = steps.get(task_id, 0) + length
    # task 0 never terminates, task k after k steps; whole trajectories until at least 8 steps
    assert steps == {0: 8, 1: 8, 2: 8, 3: 9, 4: 8}
    assert not policy.inferred


@pytest.mark.parametrize("num_envs", [1, 3, 64])
def test_initial_pool_does_not_depend_on_the_number_of_lanes(num_envs):
    algorithm, _, relabeler = make_algorithm(tasks=range(5), num_envs=num_envs)
    algorithm._collect_initial_pool()
    by_task = {}
    for _, _, task_ids, lengths in relabeler.stored:
        for task_id, length in zip(task_ids, lengths, strict=True):
            by_task.setdefault(task_id, []).append(length)
    assert by_task == {0: [4, 4], 1: [1] * 8, 2: [2] * 4, 3: [3] * 3, 4: [4] * 2}


def test_prior_block_feeds_the_encoder_and_extra_block_does_not():
    relabeler, _, counts = of_iteration(CONFIG, tasks=range(1))
    assert [(to_encoder, visits) for to_encoder, visits, _, _ in relabeler.stored] == [
        (True, [0, 0, 1, 1]),
        (False, [0, 0, 0, 1, 1, 1]),
    ]
    assert counts["Number of env steps total"] == 2 * (8 + 12)
    assert counts["Number of rollouts total"] == 10


def test_first_trajectory_of_a_posterior_block_uses_the_prior_and_later_ones_a_context_each():
    relabeler, policy, _ = of_iteration(CONFIG, tasks=range(1))
    assert [(visit, rows) for visit, rows, _ in relabeler.drawn] == [(0, 5), (0, 5), (1, 5), (1, 5)]
    ((contexts, lanes),) = policy.inferred
    assert lanes == [1, 2, 4, 5]
    assert contexts == ["visit 0, draw 1", "visit 0, draw 2", "visit 1, draw 3", "visit 1, draw 4"]


def test_trajectories_between_two_updates_share_one_context_batch():
    config = replace(CONFIG, update_post_train=2, num_extra_rl_steps_posterior=20)
    _, policy, _ = of_iteration(replace(config, num_tasks_sample=1), tasks=range(1))
    ((contexts, lanes),) = policy.inferred
    assert lanes == [2, 3, 4]
    assert contexts == ["visit 0, draw 1", "visit 0, draw 1", "visit 0, draw 2"]


def test_posterior_block_that_feeds_the_encoder_goes_in_rounds():
    config = replace(CONFIG, num_steps_posterior=12, num_extra_rl_steps_posterior=0)
    relabeler, policy, _ = of_iteration(config, tasks=range(1))
    assert [visits for to_encoder, visits, _, _ in relabeler.stored[1:]] == [[0, 1], [0, 1], [0, 1]]
    assert all(to_encoder for to_encoder, *_ in relabeler.stored)
    # each context is drawn only after the trajectory before it was stored
    assert [stores for _, _, stores in relabeler.drawn] == [2, 2, 3, 3]
    assert [lanes for _, lanes in policy.inferred] == [[0, 1], [0, 1]]


def test_an_extra_block_goes_in_rounds_too_where_contexts_hold_its_rows():
    algorithm, _, relabeler = make_algorithm(CONFIG, tasks=range(1))
    relabeler.contexts_of_every_block = True
    algorithm.collect_data(1, NoLoop())
    assert [visits for to_encoder, visits, _, _ in relabeler.stored if not to_encoder] == [
        [0, 1],
        [0, 1],
        [0, 1],
    ]
    assert [stores for _, _, stores in relabeler.drawn] == [2, 2, 3, 3]


def test_the_relabeler_is_told_when_a_block_is_over_and_how_its_trajectories_were_grouped():
    config = replace(CONFIG, num_steps_posterior=12, update_post_train=2)
    relabeler, _, _ = of_iteration(config, tasks=range(1))
    assert relabeler.blocks == [(1, 0), (3, 2), (4, 2)]


def test_posterior_from_the_start_gives_the_first_trajectories_a_context_too():
    _, policy, _ = of_iteration(
        replace(CONFIG, posterior_from_start=True, num_tasks_sample=1), tasks=range(1)
    )
    ((contexts, lanes),) = policy.inferred
    assert lanes == [0, 1, 2]
    assert contexts == ["visit 0, draw 1", "visit 0, draw 2", "visit 0, draw 3"]


def test_posterior_from_the_start_needs_encoder_rows():
    config = replace(
        CONFIG,
        posterior_from_start=True,
        num_steps_prior=0,
        num_steps_posterior=8,
        num_tasks_sample=1,
    )
    _, policy, _ = of_iteration(config, tasks=range(1))
    # the posterior block finds none for its first trajectory; the extra block comes after it
    assert [lanes for _, lanes in policy.inferred] == [[0], [0, 1, 2]]


@pytest.mark.parametrize("block", ["num_steps_posterior", "num_extra_rl_steps_posterior"])
def test_without_updates_a_block_keeps_its_first_z(block):
    counts = {"num_steps_posterior": 0, "num_extra_rl_steps_posterior": 0, block: 12}
    config = replace(CONFIG, posterior_from_start=True, update_post_train=0, **counts)
    relabeler, policy, _ = of_iteration(config, tasks=range(1))
    assert [visits for _, visits, *_ in relabeler.stored[1:]] == [
        [0, 0, 0, 1, 1, 1]
    ]  # nothing has to wait for anything
    ((contexts, _),) = policy.inferred
    assert contexts == ["visit 0, draw 1"] * 3 + ["visit 1, draw 2"] * 3
    first, second = policy.z[-1][:3], policy.z[-1][3:]
    assert len(set(first)) == len(set(second)) == 1
    assert first[0] != second[0]
    assert len(set(policy.z[0])) == 4  # with the prior every trajectory has a z of its own


def test_episodes_that_end_early_are_made_up_for_and_none_is_collected_in_vain():
    relabeler, _, counts = of_iteration(
        replace(CONFIG, num_extra_rl_steps_posterior=0), tasks=range(3, 4)
    )
    lengths = [length for _, _, _, stored in relabeler.stored for length in stored]
    assert (
        lengths == [3] * 6
    )  # two visits of three trajectories: the shortest number that reaches 8 steps
    assert counts["Number of env steps total"] == 18


def test_streams_of_a_trajectory_do_not_depend_on_the_number_of_lanes():
    wide, narrow = of_iteration(CONFIG, num_envs=64)[1], of_iteration(CONFIG, num_envs=2)[1]
    assert sum(wide.z, []) == sum(narrow.z, [])


def test_visits_are_drawn_anew_each_iteration_from_the_train_tasks():
    algorithm, _, relabeler = make_algorithm(replace(CONFIG, num_tasks_sample=40), tasks=range(3))
    algorithm.collect_data(1, NoLoop()), algorithm.collect_data(2, NoLoop())
    assert relabeler.visits[0] != relabeler.visits[1]
    assert set(np.concatenate(relabeler.visits)) == {0, 1, 2}
