"""Effects of a gradient step's options, and its diagnostics."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rlkit.core.algorithm import NoLoop
from rlkit.torch.distributions import MIN_VARIANCE
from tests.torch.sac.test_no_waiting import FailsOnWaiting, small_experiment
from tests.torch.sac.test_sac import (
    ACT,
    CONFIG,
    LATENT,
    OBS,
    ROWS,
    TASKS,
    draw,
    draw_noise,
    make_trainer,
    one_step,
    weights_of,
)

NETWORKS = ("qf1", "qf2", "context_encoder", "vf", "policy")


def gradient_norm(network) -> float:
    return torch.cat([p.grad.flatten() for p in network.parameters()]).norm().item()


# KL


def test_the_mean_over_tasks_weighs_the_kl_as_a_smaller_lambda_and_still_shows_the_sum():
    mean, smaller = (
        make_trainer(replace(CONFIG, kl_reduction="mean_task")),
        make_trainer(replace(CONFIG, kl_lambda=0.1 / TASKS)),
    )
    ours, expected = one_step(mean), one_step(smaller)
    torch.testing.assert_close(
        weights_of(mean.context_encoder), weights_of(smaller.context_encoder), rtol=0, atol=1e-12
    )
    assert ours["KL Divergence"].item() == expected["KL Divergence"].item()
    assert ours["KL Loss"].item() == pytest.approx(0.1 * ours["KL Divergence"].item() / TASKS)


def test_the_kl_of_the_dimensions_adds_up_to_the_kl():
    statistics = one_step(make_trainer())
    dims = [statistics[f"KL dim {i}"].item() for i in range(LATENT)]
    assert sum(dims) == pytest.approx(statistics["KL Divergence"].item(), rel=1e-12)
    assert len(set(dims)) == LATENT


def test_the_share_of_variances_at_the_floor_counts_rows_and_dimensions():
    trainer = make_trainer()
    # The variance of dimension 0 is softplus(-100) in every row, that of the others is not small.
    with torch.no_grad():
        trainer.context_encoder.last_fc.bias[LATENT] = -100.0
    statistics = one_step(trainer)
    assert statistics["Z variance at floor"].item() == pytest.approx(1 / LATENT)
    assert statistics["Z variance min"].item() == pytest.approx(
        MIN_VARIANCE / CONFIG.embedding_batch_size
    )
    assert one_step(make_trainer())["Z variance at floor"].item() == 0


def test_masked_rows_do_not_count_for_the_share_at_the_floor():
    encoder = make_trainer().context_encoder
    rows = torch.randn(
        2, 4, OBS + ACT + 1, dtype=torch.float64, generator=torch.Generator().manual_seed(2)
    )
    with torch.no_grad():
        encoder.last_fc.weight[LATENT:] = 0
        encoder.last_fc.weight[LATENT:, 0] = (
            1e4  # at the floor or not as the sign of a hidden unit's sum says
        )
        encoder.last_fc.bias[LATENT:] = (
            -1e4 * encoder.last_hidden(rows.flatten(0, 1))[:, 0].median()
        )
    whole = encoder.share_at_floor(rows[:1, :2])
    mask = torch.tensor([[True, True, False, False]])
    torch.testing.assert_close(encoder.share_at_floor(rows[:1], mask), whole)
    assert 0 < encoder.share_at_floor(rows).item() < 1


# Policy


def gradients_of_policy(trainer):
    return {name: p.grad.clone() for name, p in trainer.policy.named_parameters()}


def test_the_pre_activation_weight_adds_the_mean_of_the_summed_squares_of_u():
    """By hand: d mean_n(sum_i u_ni^2) / d u_ni = 2 u_ni / n, du/dm = 1, du/dlog_std = u - m."""
    weight, (plain, weighted) = (
        0.7,
        (make_trainer(replace(CONFIG, policy_pre_activation_weight=w)) for w in (0.0, 0.7)),
    )
    generator = torch.Generator().manual_seed(1)
    batch, context = draw(generator, ROWS), draw(generator, CONFIG.embedding_batch_size)
    noise = draw_noise(generator)
    with torch.no_grad():
        context = plain.agent.context_of(context)
        means, variances = plain.agent.posterior(context)
        z = (means + variances.sqrt() * noise.z)[:, None].expand(-1, ROWS, -1)
        h = torch.cat([batch.obs, z], dim=-1)
        for layer in (plain.policy.fc0, plain.policy.fc1):
            h = torch.relu(h @ layer.weight.T + layer.bias)
        m, log_std = (
            h @ head.weight.T + head.bias
            for head in (plain.policy.last_fc, plain.policy.last_fc_log_std)
        )
        u = m + log_std.exp() * noise.action
    losses = [
        trainer.take_step(batch, context, noise, False)["Policy Loss"].item()
        for trainer in (plain, weighted)
    ]
    n = TASKS * ROWS
    assert losses[1] - losses[0] == pytest.approx(weight * u.square().sum().item() / n, rel=1e-9)
    before, after = map(gradients_of_policy, (plain, weighted))
    for head, of_u in (("last_fc", u), ("last_fc_log_std", u * (u - m))):
        added = after[f"{head}.bias"] - before[f"{head}.bias"]
        torch.testing.assert_close(
            added, weight * 2 * of_u.sum(dim=(0, 1)) / n, rtol=1e-8, atol=1e-12
        )


# Gradients and targets


def test_gradient_norms_are_those_that_the_optimizers_saw():
    trainer = make_trainer()
    statistics = one_step(trainer)
    for name, network in zip(trainer.gradient_norms, NETWORKS, strict=True):
        assert name == f"Gradient norm {network}"
        assert statistics[name].item() == pytest.approx(
            gradient_norm(getattr(trainer, network)), rel=1e-12
        )


def test_clipping_scales_each_large_gradient_down_and_shows_its_norm_from_before():
    trainer = make_trainer()
    free = one_step(trainer)
    norms = [free[name].item() for name in trainer.gradient_norms[:3]]
    limit = sorted(norms)[1]  # above some of them, below others
    trainer = make_trainer(replace(CONFIG, gradient_clip=limit))
    clipped = one_step(trainer)
    for name, network, norm in zip(trainer.gradient_norms, NETWORKS[:3], norms, strict=False):
        assert clipped[name].item() == pytest.approx(norm, rel=1e-12)
        assert gradient_norm(getattr(trainer, network)) == pytest.approx(min(norm, limit), rel=1e-9)


def test_a_clip_that_nothing_reaches_changes_nothing():
    free, clipped = (
        make_trainer(),
        make_trainer(replace(CONFIG, gradient_clip=1e9, target_clip=1e9)),
    )
    one_step(free), one_step(clipped)
    for name in NETWORKS:
        assert torch.equal(weights_of(getattr(free, name)), weights_of(getattr(clipped, name)))


def test_target_clipping_bounds_the_size_of_the_bellman_target():
    free, clipped = make_trainer(), make_trainer(replace(CONFIG, target_clip=2.0))
    batch, z = (
        draw(torch.Generator().manual_seed(1), ROWS),
        torch.zeros(TASKS, ROWS, LATENT, dtype=torch.float64),
    )
    target = free._bellman_target(batch, z)
    assert target.abs().max() > 2
    assert torch.equal(clipped._bellman_target(batch, z), target.clamp(-2, 2))


def test_means_and_maxima_run_over_all_steps_of_an_iteration():
    algorithm = small_experiment(num_train_steps_per_itr=4).algorithm
    algorithm.collect_data(0, NoLoop())
    trainer, seen = algorithm.trainer, []
    take_step = trainer.take_step

    def recorded(*args):
        seen.append(take_step(*args))
        return seen[-1]

    trainer.take_step = recorded
    statistics = trainer.train(algorithm.replay_buffer, algorithm.encoder_buffer, 4)
    assert len(seen) == 4
    for name in trainer.gradient_norms:
        values = torch.stack([step[name] for step in seen])
        assert statistics[f"{name} (mean)"] == pytest.approx(values.mean().item(), rel=1e-6)
        assert statistics[f"{name} (max)"] == values.max().item()
        assert name not in statistics
    assert statistics["QF Loss"] == seen[0]["QF Loss"].item()


# Where the training context comes from


def contexts_of_a_step(**algo_params):
    """The algorithm, and the arguments of its next gradient step."""
    algorithm = small_experiment(**algo_params).algorithm
    algorithm.collect_data(0, NoLoop())
    trainer, seen = algorithm.trainer, []
    take_step = trainer.take_step
    trainer.take_step = lambda *args: seen.append(args) or take_step(*args)
    for _ in range(30):
        trainer.train_step(algorithm.replay_buffer, algorithm.encoder_buffer, False)
    return algorithm, seen


def rows_of(buffer):
    """The context rows [o, a, r] of all tasks of a buffer."""
    width = buffer.obs_dim + buffer.act_dim + 1
    return {
        row[:width].numpy().tobytes()
        for task in range(buffer.num_tasks)
        for row in buffer.rows_of(task)
    }


def test_recent_context_is_of_the_encoder_buffer_and_whole_context_of_all_rl_rows():
    for source, buffer in (("recent", "encoder"), ("whole", "replay")):
        algorithm, steps = contexts_of_a_step(context_source=source)
        drawn = {row.numpy().tobytes() for _, context, *_ in steps for row in context.flatten(0, 1)}
        assert drawn <= rows_of(algorithm.buffers[buffer])
        outside = drawn - rows_of(algorithm.buffers["encoder"])
        assert bool(outside) == (source == "whole")


@pytest.mark.parametrize("sparse", [False, True])
def test_context_of_the_rl_batch_is_its_first_rows(sparse):
    five = {"embedding_batch_size": 5, "embedding_mini_batch_size": 5}
    _, steps = contexts_of_a_step(context_source="rl_batch", **five, sparse_rewards=sparse)
    for batch, context, *_ in steps:
        reward = batch.sparse_rewards if sparse else batch.rewards
        expected = torch.cat([batch.obs, batch.actions, reward], dim=-1)[:, :5]
        assert torch.equal(context, expected)


def test_a_context_of_few_trajectories_has_rows_of_that_many_recent_ones():
    few, every = (
        contexts_of_a_step(num_steps_prior=80, context_trajectories=most) for most in (2, None)
    )
    behind = []
    for algorithm, steps in (few, every):
        buffer = algorithm.encoder_buffer
        places = {}  # row -> task and number of its trajectory
        for task in range(buffer.num_tasks):
            rows, lengths = buffer.rows.oldest_first(task), buffer.episodes.lengths(task)
            for i, row in enumerate(rows):
                places[row[: buffer.obs_dim + buffer.act_dim + 1].numpy().tobytes()] = (
                    task,
                    i // lengths[0],
                )
        contexts = [context for _, step, *_ in steps for context in step]
        assert {len(context) for context in contexts} == {8}
        behind.append(
            [len({places[row.numpy().tobytes()] for row in context}) for context in contexts]
        )
    assert set(behind[0]) == {1, 2}
    assert 0.35 < np.mean(np.array(behind[0]) == 1) < 0.65
    assert max(behind[1]) > 2


@pytest.mark.parametrize(
    "options",
    [
        {"context_source": "whole"},
        {"context_source": "rl_batch"},
        {"context_trajectories": 2},
        {"kl_reduction": "mean_task", "gradient_clip": 1.0, "target_clip": 10.0, "min_sigma": 0.1},
        {"use_information_bottleneck": False, "gradient_clip": 1.0},
    ],
)
def test_no_option_makes_a_step_wait_for_the_device(options):
    algorithm = small_experiment(**options).algorithm
    algorithm.collect_data(0, NoLoop())
    trainer = algorithm.trainer
    trainer.train_step(algorithm.replay_buffer, algorithm.encoder_buffer, with_statistics=True)
    with FailsOnWaiting():
        for with_statistics in (True, False):
            trainer.train_step(algorithm.replay_buffer, algorithm.encoder_buffer, with_statistics)
