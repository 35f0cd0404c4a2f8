"""Several updates in a train step, each on its part of one context, as in the published code."""

import copy
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from rlkit.core.algorithm import NoLoop
from rlkit.torch.sac.config import PEARLConfig
from rlkit.torch.sac.meta_batch import MetaBatchSampler
from tests.reference.plain_pearl import FIELDS, PlainPEARL
from tests.torch.sac.test_no_waiting import small_experiment
from tests.torch.sac.test_training import assert_equal_weights, collected


def config_of(size, batch=64, **options):
    return PEARLConfig(embedding_mini_batch_size=size, embedding_batch_size=batch, **options)


@pytest.mark.parametrize(
    ("size", "batch", "rows", "updates"),
    [(None, 64, 64, 1), (None, 256, 64, 4), (None, 100, 64, 1), (0, 256, 256, 1), (30, 100, 30, 3)],
)
def test_null_is_the_published_default_and_zero_is_all_at_once(size, batch, rows, updates):
    config = config_of(size, batch)
    assert (config.rows_per_update, config.updates_per_step) == (rows, updates)


@pytest.mark.parametrize(
    "options",
    [{"encoder": "gru"}, {"context_source": "whole"}, {"context_trajectories": 3}],
    ids=str,
)
def test_other_contexts_are_one_update(options):
    assert config_of(None, 256, **options).updates_per_step == 1


def sampler_of(trainer, buffers, generator=None):
    generator = generator or torch.Generator().manual_seed(7)
    return MetaBatchSampler(*buffers, trainer.config, trainer.agent.latent_dim, generator)


def test_the_updates_of_a_step_share_tasks_and_a_context_and_draw_rows_and_noise_again():
    trainer, buffers = collected(embedding_batch_size=10, embedding_mini_batch_size=3)
    at_once = replace(trainer.config, embedding_mini_batch_size=0)
    parts = list(sampler_of(trainer, buffers).updates())
    trainer.config = at_once
    (whole,) = sampler_of(trainer, buffers).updates()
    assert len(parts) == 3  # the tenth row is drawn and not used
    for i, part in enumerate(parts):
        assert torch.equal(part.task_ids, whole.task_ids)
        for ours, theirs in zip(part.context_rows, whole.context_rows, strict=True):
            assert torch.equal(ours, theirs[:, 3 * i : 3 * i + 3])
    assert torch.equal(parts[0].batch.obs, whole.batch.obs)
    assert torch.equal(parts[0].noise.action, whole.noise.action)
    for earlier, later in pairwise(parts):
        assert not torch.equal(earlier.batch.obs, later.batch.obs)
        assert not torch.equal(earlier.noise.z, later.noise.z)


def test_train_steps_of_several_updates_equal_the_plain_twin():
    trainer, buffers = collected(embedding_batch_size=8, embedding_mini_batch_size=4)
    plain = PlainPEARL(trainer.networks, trainer.config, trainer.agent.latent_dim)
    start = copy.deepcopy({name: net.state_dict() for name, net in trainer.networks.items()})
    generator = torch.Generator()
    generator.set_state(trainer.generator.get_state())
    sampler, losses = sampler_of(trainer, buffers, generator), []
    for _ in range(5):
        for drawn in sampler.updates():
            fields = [getattr(drawn.batch, name) for name in FIELDS]
            rows = trainer.agent.context_of(drawn.context_rows)
            losses.append(plain.take_step(fields, rows, drawn.noise.z, drawn.noise.action))
    report = trainer.train(*buffers, 5)
    assert len(losses) == 10
    mean = sum(loss["QF Loss"].item() for loss in losses) / 10
    assert report["QF Loss"] == pytest.approx(losses[0]["QF Loss"].item(), rel=1e-4)
    assert report["QF Loss (mean)"] == pytest.approx(mean, rel=1e-4)
    for name in ("qf1", "vf", "target_vf", "policy", "context_encoder"):
        theirs = getattr(plain, name).state_dict()
        for key, value in trainer.networks[name].state_dict().items():
            torch.testing.assert_close(value, theirs[key], rtol=1e-3, atol=3e-5)
            assert name == "target_vf" or not torch.equal(value, start[name][key])


def test_a_training_of_several_updates_a_step_resumes_in_its_middle():
    options = {"embedding_batch_size": 8, "embedding_mini_batch_size": 4}
    whole, buffers = collected(**options)
    expected = whole.train(*buffers, 4)
    first, second = (collected(**options)[0] for _ in range(2))
    with first.training(*buffers):
        first.take(2)
    second.load_state_dict(first.state_dict())
    with second.training(*buffers):
        second.take(2)
    assert second.fetch() == expected
    assert_equal_weights(second, whole)


def test_train_steps_are_counted_not_their_updates():
    algorithm = small_experiment(
        embedding_batch_size=8, embedding_mini_batch_size=2, num_train_steps_per_itr=3
    ).algorithm
    counts = [algorithm.collect_data(i, NoLoop()) for i in range(2)]
    assert [row["Number of train steps total"] for row in counts] == [3, 6]
    algorithm.do_training(0, NoLoop())
    assert algorithm.trainer.num_train_steps == 3
