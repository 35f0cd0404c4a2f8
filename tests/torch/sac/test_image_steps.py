"""A gradient step on images: losses that reach the convolutional net, and no synchronisation."""

import copy

import torch
from torch.nn import functional

from rlkit.core.algorithm import NoLoop
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.pearl import PEARL
from rlkit.torch.distributions import kl_to_standard_normal
from rlkit.torch.sac.sac import Noise
from tests.launchers.test_pearl import SMALL
from tests.torch.sac.test_no_waiting import FailsOnWaiting


def image_config(**algo_params):
    """The small point robot of tests/launchers/test_pearl.py, seen in images of 16 x 16."""
    data = {**copy.deepcopy(SMALL), "obs_mode": "image", "image_size": 16}
    data["algo_params"] |= algo_params
    return parse_config(data, "test")


def collected(**algo_params):
    algorithm = PEARL().build(image_config(**algo_params), "cpu", 0).algorithm
    algorithm.collect_data(0, NoLoop())
    return algorithm


def draw(algorithm):
    """An RL batch, a context batch and noise for three tasks."""
    generator, ids = torch.Generator().manual_seed(1), [0, 1, 2]
    batch, context = (
        b.random_batch(ids, n, generator)
        for b, n in ((algorithm.replay_buffer, 8), (algorithm.encoder_buffer, 6))
    )
    return (
        batch,
        context,
        Noise(torch.randn(3, 5, generator=generator), torch.randn(3, 8, 2, generator=generator)),
    )


def routes(trainer, batch, context, noise):
    """Gradient of the convolutional net by each way on which it learns: Q through o, Q through the
    context, KL through it.
    """
    see, cfg, parameters = (
        trainer.obs_encoder,
        trainer.config,
        list(trainer.obs_encoder.parameters()),
    )
    obs = see(batch.obs)
    means, variances = trainer.agent.posterior(
        torch.cat([see(context.obs), context.actions, context.rewards], dim=-1)
    )
    z = (means + variances.sqrt() * noise.z).unsqueeze(1).expand(-1, 8, -1)
    with torch.no_grad():
        following = trainer.target_vf(see(batch.next_obs), z)
        target = (
            cfg.reward_scale * batch.rewards + (1 - batch.terminated) * cfg.discount * following
        )

    def q_loss(obs, z):
        return sum(
            functional.mse_loss(q(obs, batch.actions, z), target)
            for q in (trainer.qf1, trainer.qf2)
        )

    losses = (
        q_loss(obs, z.detach()),
        q_loss(obs.detach(), z),
        cfg.kl_lambda * kl_to_standard_normal(means, variances),
    )
    return [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in losses]


def test_the_net_learns_only_from_q_through_o_and_from_q_and_kl_through_the_context():
    algorithm = collected(reward_scale=1.0)
    trainer, (batch, context, noise) = algorithm.trainer, draw(algorithm)
    ways = routes(trainer, batch, context, noise)
    for gradients in ways:
        assert all(gradient.abs().max() > 0 for gradient in gradients)
    before = copy.deepcopy(trainer.obs_encoder)
    trainer.take_step(batch, trainer.agent.context_of(context), noise, with_statistics=False)
    # V, the policy, min Q and the target leave nothing in it
    for parameter, *parts in zip(trainer.obs_encoder.parameters(), *ways, strict=True):
        torch.testing.assert_close(parameter.grad, sum(parts), rtol=1e-4, atol=1e-6)
    for parameter, start in zip(trainer.obs_encoder.parameters(), before.parameters(), strict=True):
        moved = (parameter - start).abs().max().item()
        assert 0 < moved <= 1.01 * trainer.config.context_lr  # the first step of Adam at context_lr


def test_a_context_for_acting_is_that_of_training_without_a_graph():
    algorithm = collected(use_next_obs_in_context=True)
    _, context, _ = draw(algorithm)
    agent = algorithm.trainer.agent
    learning = agent.context_of(context)
    assert learning.requires_grad
    assert learning.shape == (3, 6, 2 * 256 + 2 + 1)
    single = type(context)(*(column[1:2] for column in context))
    acting = agent.acting_context(single)
    assert not acting.requires_grad
    torch.testing.assert_close(acting, learning[1].detach(), rtol=1e-4, atol=1e-5)


def test_context_rows_of_trajectories_are_those_of_the_replay_rows():
    algorithm = collected()
    agent, buffer = algorithm.trainer.agent, algorithm.encoder_buffer
    generators = algorithm.evaluation.meta_test.streams(0, "test")
    paths = algorithm.collection.sampler.obtain_samples([0], [generators(0, 0, 0)])
    buffer.clear(0)
    buffer.add_paths([0], paths)
    stored = buffer.gather([0], torch.arange(10)[None])
    torch.testing.assert_close(
        agent.context_of(stored).detach(), agent.context_of_paths(paths), rtol=1e-4, atol=1e-5
    )


def test_a_step_on_pictures_fetches_nothing_from_the_device():
    for encoder in ("mlp", "gru"):
        algorithm = collected(encoder=encoder)
        trainer = algorithm.trainer
        trainer.train_step(
            algorithm.replay_buffer, algorithm.encoder_buffer, with_statistics=True
        )  # Adam makes its state
        with FailsOnWaiting():
            for with_statistics in (True, False):
                trainer.train_step(
                    algorithm.replay_buffer, algorithm.encoder_buffer, with_statistics
                )


def test_the_nets_gradient_norm_is_a_column_of_runs_on_pictures():
    algorithm = collected()
    columns = algorithm.trainer.train(algorithm.replay_buffer, algorithm.encoder_buffer, 2)
    assert columns["Gradient norm obs_encoder (mean)"] > 0
    assert columns["Gradient norm obs_encoder (max)"] >= columns["Gradient norm obs_encoder (mean)"]
    assert (
        list(columns).index("Gradient norm obs_encoder (mean)")
        == list(columns).index("Gradient norm vf (mean)") - 1
    )
