"""PEARL's schedule: which trajectories are collected under which belief and where they go."""

from dataclasses import replace

import numpy as np
import pytest

from rlkit.core.algorithm import NoLoop
from rlkit.core.loop import Progress
from rlkit.core.seeding import stream
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.torch.sac import collection as collection_module
from rlkit.torch.sac.collection import Collection
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
    """Remembers what is stored, in which block."""

    sampler_buffer = None

    def __init__(self):
        self.visits, self.stored, self.blocks = [], [], []

    def begin(self, task_ids, iteration):
        self.visits.append(list(task_ids))

    def store(self, paths, *, to_encoder, visits=None):
        self.stored.append((to_encoder, visits, paths.task_ids.tolist(), paths.lengths.tolist()))

    def end_block(self, group_size):
        self.blocks.append((len(self.stored), group_size))

    def end_collection(self, iteration):
        return {"Relabeled": 0.0}


class TextRows:
    """Rows of visits; a context batch is a text that records its request."""

    def __init__(self, stored, every_block=False):
        self.stored, self.every_block, self.drawn = stored, every_block, []

    def begin(self, task_ids):
        pass

    def store(self, paths, *, to_encoder, visits=None):
        pass

    def draw(self, visit, num_rows, generator):
        self.drawn.append((visit, num_rows, len(self.stored)))
        return [f"visit {visit}, draw {len(self.drawn)}"]

    def end(self):
        pass


class ContextPolicy(RecordingPolicy):
    def acting_context(self, batch):
        return batch[0]


def make_collection(config=CONFIG, tasks=range(3), num_envs=64, every_block=False):
    env, policy, relabeler = CountingEnv(num_envs), ContextPolicy(), RecordingRelabeler()
    collection = Collection(
        env=env,
        agent=policy,
        sampler=InPlacePathSampler(env, policy, config.max_path_length),
        replay_buffer=MultiTaskReplayBuffer(len(tasks), 1, 1),
        encoder_buffer=MultiTaskReplayBuffer(len(tasks), 1, 1),
        relabeler=relabeler,
        train_tasks=tasks,
        config=config,
        seed=0,
    )
    collection.visit_rows = TextRows(relabeler.stored, every_block)
    return collection, policy, relabeler


def of_iteration(config, iteration=1, **options):
    """The stores and the inferences of one iteration after the first."""
    collection, policy, relabeler = make_collection(config, **options)
    collection.collect(iteration, NoLoop())
    return relabeler, policy, collection


def test_initial_pool_covers_every_train_task_and_goes_to_both_buffers():
    collection, policy, relabeler = make_collection(tasks=range(0, 1 + 4))
    collection.collect_initial_pool(Progress(NoLoop(), total=0))
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
    collection, _, relabeler = make_collection(tasks=range(5), num_envs=num_envs)
    collection.collect_initial_pool(Progress(NoLoop(), total=0))
    by_task = {}
    for _, _, task_ids, lengths in relabeler.stored:
        for task_id, length in zip(task_ids, lengths, strict=True):
            by_task.setdefault(task_id, []).append(length)
    assert by_task == {0: [4, 4], 1: [1] * 8, 2: [2] * 4, 3: [3] * 3, 4: [4] * 2}


def test_prior_block_feeds_the_encoder_and_extra_block_does_not():
    relabeler, _, collection = of_iteration(CONFIG, tasks=range(1))
    assert [(to_encoder, visits) for to_encoder, visits, _, _ in relabeler.stored] == [
        (True, [0, 0, 1, 1]),
        (False, [0, 0, 0, 1, 1, 1]),
    ]
    assert collection.num_env_steps == 2 * (8 + 12)
    assert collection.num_rollouts == 10


def test_first_trajectory_of_a_posterior_block_uses_the_prior_and_later_ones_a_context_each():
    _, policy, collection = of_iteration(CONFIG, tasks=range(1))
    assert [(visit, rows) for visit, rows, _ in collection.visit_rows.drawn] == [
        (0, 5),
        (0, 5),
        (1, 5),
        (1, 5),
    ]
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
    relabeler, policy, collection = of_iteration(config, tasks=range(1))
    assert [visits for to_encoder, visits, _, _ in relabeler.stored[1:]] == [[0, 1], [0, 1], [0, 1]]
    assert all(to_encoder for to_encoder, *_ in relabeler.stored)
    # each context is drawn only after the trajectory before it was stored
    assert [stores for _, _, stores in collection.visit_rows.drawn] == [2, 2, 3, 3]
    assert [lanes for _, lanes in policy.inferred] == [[0, 1], [0, 1]]


def test_an_extra_block_goes_in_rounds_too_where_contexts_hold_its_rows():
    collection, _, relabeler = make_collection(CONFIG, tasks=range(1), every_block=True)
    collection.collect(1, NoLoop())
    assert [visits for to_encoder, visits, _, _ in relabeler.stored if not to_encoder] == [
        [0, 1],
        [0, 1],
        [0, 1],
    ]
    assert [stores for _, _, stores in collection.visit_rows.drawn] == [2, 2, 3, 3]


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
    relabeler, _, collection = of_iteration(
        replace(CONFIG, num_extra_rl_steps_posterior=0), tasks=range(3, 4)
    )
    lengths = [length for _, _, _, stored in relabeler.stored for length in stored]
    assert (
        lengths == [3] * 6
    )  # two visits of three trajectories: the shortest number that reaches 8 steps
    assert collection.num_env_steps == 18


def test_streams_of_a_trajectory_do_not_depend_on_the_number_of_lanes():
    wide, narrow = of_iteration(CONFIG, num_envs=64)[1], of_iteration(CONFIG, num_envs=2)[1]
    assert sum(wide.z, []) == sum(narrow.z, [])


def test_visits_are_drawn_anew_each_iteration_from_the_train_tasks():
    collection, _, relabeler = make_collection(replace(CONFIG, num_tasks_sample=40), tasks=range(3))
    collection.collect(1, NoLoop()), collection.collect(2, NoLoop())
    assert relabeler.visits[0] != relabeler.visits[1]
    assert set(np.concatenate(relabeler.visits)) == {0, 1, 2}


@pytest.fixture
def keys(monkeypatch):
    """Keys of all random streams that the collection makes."""
    made = []

    def recorded(seed, *key):
        made.append(key)
        return stream(seed, *key)

    monkeypatch.setattr(collection_module, "stream", recorded)
    return made


@pytest.mark.parametrize("num_envs", [2, 64])
def test_no_two_trajectories_and_no_two_contexts_share_a_random_stream(keys, num_envs):
    config = replace(CONFIG, num_steps_posterior=12, posterior_from_start=True)
    collection, _, _ = make_collection(config, tasks=range(5), num_envs=num_envs)
    collection._check_rows = lambda: None
    collection.collect(0, NoLoop()), collection.collect(1, NoLoop())
    assert len(keys) == len(set(keys))
    assert {purpose for purpose, *_ in keys} == {
        "initial pool",
        "visits",
        "collection",
        "collection context",
    }
    contexts = [key for key in keys if key[0] == "collection context"]
    assert len(contexts) == len(collection.visit_rows.drawn) > 20


def test_each_block_that_keeps_its_z_has_a_z_of_its_own(keys):
    config = replace(CONFIG, num_steps_posterior=12, posterior_from_start=True, update_post_train=0)
    _, policy, _ = of_iteration(config, tasks=range(1))
    of_z = {key for key in keys if key[0] == "collection z"}
    assert len(of_z) == 2 * 2  # visits, blocks
    assert len(set(policy.z[1]) | set(policy.z[2])) == 4
