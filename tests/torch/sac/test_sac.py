"""The meta-gradient step compared with a plain twin, and which networks get which gradients."""

import copy
from dataclasses import replace

import pytest
import torch

from rlkit.data_management.batch import Batch
from rlkit.torch.encoders import MlpEncoder
from rlkit.torch.execution import Branch, sharing_threads
from rlkit.torch.mlp_function import MATMUL_ROUTES, Arithmetic
from rlkit.torch.networks import FlattenMlp
from rlkit.torch.sac.agent import PEARLAgent
from rlkit.torch.sac.config import PEARLConfig
from rlkit.torch.sac.networks import PEARLNetworks
from rlkit.torch.sac.policies import TanhGaussianPolicy
from rlkit.torch.sac.sac import Noise, PEARLSoftActorCritic
from tests.reference.plain_pearl import FIELDS, PlainPEARL

OBS, ACT, LATENT, TASKS, ROWS, CONTEXT_ROWS = 4, 2, 3, 5, 60, 60
CONFIG = PEARLConfig(meta_batch=TASKS, batch_size=ROWS, embedding_batch_size=CONTEXT_ROWS)


def make_trainer(
    config=CONFIG, dtype=torch.float64, matmul="default", make_branch=Branch
) -> PEARLSoftActorCritic:
    generator = torch.Generator().manual_seed(0)
    context_dim = OBS + ACT + 1 + (OBS if config.use_next_obs_in_context else 0)
    options = {"generator": generator, "arithmetic": Arithmetic(matmul)}
    encoder = MlpEncoder(
        context_dim, LATENT, use_information_bottleneck=config.use_information_bottleneck, **options
    )
    policy = TanhGaussianPolicy([16, 16], OBS, LATENT, ACT, **options)
    sizes = {"qf1": OBS + ACT, "qf2": OBS + ACT, "vf": OBS}
    nets = {name: FlattenMlp([16, 16], size + LATENT, 1, **options) for name, size in sizes.items()}
    for network in (encoder, policy, *nets.values()):
        network.to(dtype)
    agent = PEARLAgent(
        LATENT,
        encoder,
        policy,
        use_information_bottleneck=config.use_information_bottleneck,
        use_next_obs_in_context=config.use_next_obs_in_context,
        sparse_rewards=config.sparse_rewards,
    )
    target = copy.deepcopy(nets["vf"])
    networks = PEARLNetworks(**nets, target_vf=target, policy=policy, context_encoder=encoder)
    return PEARLSoftActorCritic(agent, networks, config, generator, make_branch=make_branch)


def draw(generator: torch.Generator, rows: int, dtype=torch.float64) -> Batch:
    def normal(dim):
        return torch.randn(TASKS, rows, dim, generator=generator, dtype=dtype)

    terminated = (torch.rand(TASKS, rows, 1, generator=generator, dtype=dtype) < 0.3).to(dtype)
    return Batch(normal(OBS), normal(ACT).tanh(), normal(1), normal(1), normal(OBS), terminated)


def draw_noise(generator: torch.Generator, dtype=torch.float64) -> Noise:
    z = torch.randn(TASKS, LATENT, generator=generator, dtype=dtype)
    return Noise(z, torch.randn(TASKS, ROWS, ACT, generator=generator, dtype=dtype))


def twin_step(
    plain: PlainPEARL, batch: Batch, context: torch.Tensor, noise: Noise
) -> dict[str, torch.Tensor]:
    return plain.take_step(
        [getattr(batch, name) for name in FIELDS], context, noise.z, noise.action
    )


@pytest.mark.parametrize("bottleneck", [True, False])
@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("next_obs", [True, False])
def test_twenty_steps_equal_the_plain_twin_in_float64(bottleneck, sparse, next_obs):
    config = replace(
        CONFIG,
        use_information_bottleneck=bottleneck,
        sparse_rewards=sparse,
        use_next_obs_in_context=next_obs,
    )
    trainer, generator = make_trainer(config), torch.Generator().manual_seed(1)
    plain = PlainPEARL(trainer.networks, config, LATENT)
    for _ in range(20):
        batch, context, noise = (
            draw(generator, ROWS),
            draw(generator, CONTEXT_ROWS),
            draw_noise(generator),
        )
        parts = [
            context.obs,
            context.actions,
            context.sparse_rewards if sparse else context.rewards,
        ]
        context_rows = torch.cat([*parts, context.next_obs] if next_obs else parts, dim=-1)
        ours = trainer.take_step(
            batch, trainer.agent.context_of(context), noise, with_statistics=True
        )
        for name, loss in twin_step(plain, batch, context_rows, noise).items():
            assert ours[name].item() == pytest.approx(loss.item(), rel=1e-10, abs=1e-10), name
    for name, network in trainer.networks.items():
        for key, value in network.state_dict().items():
            torch.testing.assert_close(
                value, getattr(plain, name).state_dict()[key], rtol=1e-10, atol=1e-10
            )


@pytest.mark.parametrize("bottleneck", [True, False])
@pytest.mark.parametrize("matmul", MATMUL_ROUTES)
@pytest.mark.parametrize("num_threads", [1, 2])
def test_twenty_float32_steps_agree_with_the_plain_twin_on_every_route(
    bottleneck, matmul, num_threads
):
    config = replace(CONFIG, use_information_bottleneck=bottleneck)
    trainer, generator = (
        make_trainer(config, torch.float32, matmul),
        torch.Generator().manual_seed(1),
    )
    plain = PlainPEARL(trainer.networks, config, LATENT)
    start = {name: weights_of(network) for name, network in trainer.networks.items()}
    with sharing_threads(trainer.networks.values(), num_threads):
        for _ in range(20):
            batch, context = (
                draw(generator, ROWS, torch.float32),
                draw(generator, CONTEXT_ROWS, torch.float32),
            )
            noise, context = draw_noise(generator, torch.float32), trainer.agent.context_of(context)
            ours = trainer.take_step(batch, context, noise, with_statistics=False)
            for name, loss in twin_step(plain, batch, context, noise).items():
                assert ours[name].item() == pytest.approx(loss.item(), rel=1e-5, abs=1e-5), name
    for name, network in trainer.networks.items():
        # Adam makes steps of rounding where a gradient is nearly zero, so that single weights have
        # no bound.
        moved = (weights_of(network) - start[name]).square().mean().sqrt()
        apart = (weights_of(network) - weights_of(getattr(plain, name))).square().mean().sqrt()
        assert apart <= 0.02 * moved, name


def one_step(trainer, **changes):
    generator = torch.Generator().manual_seed(1)
    batch, context, noise = (
        draw(generator, ROWS),
        draw(generator, CONTEXT_ROWS),
        draw_noise(generator),
    )
    return trainer.take_step(
        batch._replace(**changes), trainer.agent.context_of(context), noise, with_statistics=True
    )


def weights_of(network) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in network.parameters()])


def test_policy_and_value_losses_never_reach_the_encoder():
    trainer = make_trainer(replace(CONFIG, qf_lr=0.0, kl_lambda=0.0))
    for q in (
        trainer.qf1,
        trainer.qf2,
    ):  # Q that does not look at z gives the encoder nothing to learn
        with torch.no_grad():
            q.fc0.weight[:, -LATENT:] = 0
    before = weights_of(trainer.context_encoder)
    one_step(trainer)
    assert torch.equal(weights_of(trainer.context_encoder), before)


def test_encoder_learns_from_the_q_loss_alone():
    trainer = make_trainer(replace(CONFIG, kl_lambda=0.0))
    before = weights_of(trainer.context_encoder)
    one_step(trainer)
    assert not torch.equal(weights_of(trainer.context_encoder), before)


def test_target_value_moves_by_tau_towards_the_stepped_value():
    trainer = make_trainer(replace(CONFIG, soft_target_tau=0.25, vf_lr=0.1))
    before = weights_of(trainer.target_vf)
    one_step(trainer)
    torch.testing.assert_close(
        weights_of(trainer.target_vf), 0.75 * before + 0.25 * weights_of(trainer.vf)
    )


def test_terminated_rows_do_not_bootstrap_and_others_do():
    trainer = make_trainer()
    generator = torch.Generator().manual_seed(1)
    batch, z = draw(generator, ROWS), torch.zeros(TASKS, ROWS, LATENT, dtype=torch.float64)
    with torch.no_grad():
        expected = 5.0 * batch.rewards + 0.99 * trainer.target_vf(batch.next_obs, z)
    target = trainer._bellman_target(batch, z)
    ended = batch.terminated.bool()
    torch.testing.assert_close(target[ended], 5.0 * batch.rewards[ended])
    torch.testing.assert_close(target[~ended], expected[~ended])


def test_q_loss_uses_dense_rewards_also_when_the_context_is_sparse():
    dense = one_step(make_trainer(replace(CONFIG, sparse_rewards=True)))
    other = one_step(
        make_trainer(replace(CONFIG, sparse_rewards=True)),
        sparse_rewards=torch.zeros(TASKS, ROWS, 1),
    )
    assert torch.equal(dense["QF Loss"], other["QF Loss"])


def test_statistics_stand_in_the_reference_order():
    names = list(one_step(make_trainer()))
    blocks = ["Q Predictions", "V Predictions", "Log Pis", "Policy mu", "Policy log std"]
    assert names[:7] == [
        "Z mean train",
        "Z variance train",
        "KL Divergence",
        "KL Loss",
        "QF Loss",
        "VF Loss",
        "Policy Loss",
    ]
    assert names[7:27] == [
        f"{block} {kind}" for block in blocks for kind in ("Mean", "Std", "Max", "Min")
    ]


def test_deterministic_latent_reports_nothing_where_there_is_no_posterior():
    trainer = make_trainer(replace(CONFIG, use_information_bottleneck=False))
    statistics = one_step(trainer)
    ours = [*(f"KL dim {i}" for i in range(LATENT)), "Z variance min", "Z variance at floor"]
    of_posterior = {"Z mean train", "Z variance train", "KL Divergence", "KL Loss", *ours}
    assert set(one_step(make_trainer())) - set(statistics) == of_posterior
    assert of_posterior < set(trainer.statistic_names)
    assert statistics["QF Loss"].isfinite()


def test_batches_of_different_tasks_are_refused():
    trainer, generator = make_trainer(), torch.Generator().manual_seed(1)
    context = trainer.agent.context_of(draw(generator, CONTEXT_ROWS))[:2]
    with pytest.raises(ValueError, match="batch has 5 tasks, context 2"):
        trainer.take_step(
            draw(generator, ROWS), context, draw_noise(generator), with_statistics=False
        )


def test_state_dict_carries_everything_that_the_next_step_depends_on():
    first, second = make_trainer(), make_trainer()
    one_step(first)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    one_step(first), one_step(second)
    for name in first.networks:
        assert torch.equal(weights_of(first.networks[name]), weights_of(second.networks[name]))
