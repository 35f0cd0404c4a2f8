"""Requirements of a collection on a relabeler, and the source of contexts."""

import numpy as np
import pytest

from rlkit.core.algorithm import NoLoop
from rlkit.core.errors import UserError
from rlkit.data_management.original_labels import OriginalLabels
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.torch.sac.collection import Collection
from rlkit.torch.sac.config import PEARLConfig
from tests.toy import CountingEnv, RecordingPolicy

CONFIG = PEARLConfig(
    num_initial_steps=8,
    num_tasks_sample=2,
    num_steps_prior=8,
    num_extra_rl_steps_posterior=12,
    max_path_length=4,
    embedding_batch_size=5,
)


class ToLastTask(OriginalLabels):
    """Breaks the contract: everything that is collected goes to one task."""

    def store(self, paths, *, to_encoder, visits=None):
        self.replay_buffer.add_paths(np.full(paths.num_paths, 2), paths)


def make_real_collection(relabeler_class, **options):
    env, policy = CountingEnv(64), RecordingPolicy()
    policy.acting_context = lambda batch: batch.rewards[0]
    replay, encoder = (MultiTaskReplayBuffer(3, 1, 1) for _ in range(2))
    return Collection(
        env=env,
        agent=policy,
        sampler=InPlacePathSampler(env, policy, CONFIG.max_path_length),
        replay_buffer=replay,
        encoder_buffer=encoder,
        relabeler=relabeler_class(replay, **options),
        train_tasks=range(3),
        config=CONFIG,
        seed=0,
    )


def test_a_relabeler_that_leaves_tasks_without_rows_is_named_with_the_tasks():
    collection = make_real_collection(ToLastTask)
    with pytest.raises(UserError, match=r"ToLastTask has left the train tasks \[0, 1\] without"):
        collection.collect(0, NoLoop())


def test_the_encoder_buffer_counts_too_where_a_relabeler_fills_it():
    class RLRowsOnly(OriginalLabels):
        def __init__(self, replay_buffer):
            super().__init__(replay_buffer)
            self.sampler_buffer = MultiTaskReplayBuffer(3, 1, 1)

    collection = make_real_collection(RLRowsOnly)
    with pytest.raises(UserError, match=r"RLRowsOnly has left the train tasks \[0, 1, 2\]"):
        collection.collect(0, NoLoop())


def test_contexts_come_from_the_encoder_buffer_or_from_the_relabelers_own():
    class WithSampler(OriginalLabels):
        def __init__(self, replay_buffer):
            super().__init__(replay_buffer)
            self.sampler_buffer = MultiTaskReplayBuffer(3, 1, 1)

    plain, own = make_real_collection(OriginalLabels), make_real_collection(WithSampler)
    assert plain.visit_rows.buffer is plain.encoder_buffer and not plain.visit_rows.every_block
    assert own.visit_rows.buffer is own.relabeler.sampler_buffer and own.visit_rows.every_block
