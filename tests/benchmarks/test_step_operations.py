"""A step with the routes of a GPU: its number of operations, and unchanged results."""

from dataclasses import replace

import pytest
import torch

from benchmarks.branch_checks import LateBranch
from benchmarks.step_operations import (
    REST,
    Operations,
    as_on_a_gpu,
    by_kind,
    kind_of,
    operations_of_a_step,
)
from rlkit.launchers.load_config import load_config
from rlkit.torch import gpu_route
from rlkit.torch.adam import AdamInPieces
from rlkit.torch.execution import Branch
from tests.reference.plain_pearl import PlainPEARL
from tests.torch.sac.test_sac import (
    CONFIG,
    CONTEXT_ROWS,
    LATENT,
    ROWS,
    draw,
    draw_noise,
    make_trainer,
    twin_step,
)

MOST = 320  # with Q1 and Q2, and policy and V, as one product a layer it was 268


def test_a_step_of_full_size_launches_no_more_operations_than_it_did():
    config = load_config(
        "configs/cheetah-vel.json",
        ["seed=0", "util_params.physics_threads=1", "n_train_tasks=4", "n_eval_tasks=1"],
    )
    counts = operations_of_a_step(config)
    kinds = by_kind(counts)
    print("\n".join(f"{count:4} {kind}" for kind, count in kinds.items()))
    assert sum(kinds.values()) == counts.total() <= MOST
    assert counts["_fused_adam_"] == counts["_foreach_add_.Scalar"] == 3
    assert counts["_addmm_activation"] == 24  # three hidden layers of eight passes
    assert kinds["products"] == 77


def test_views_are_not_counted_and_launches_are():
    x = torch.ones(4, 6)
    with Operations() as operations:
        (x.view(6, 4).mT[1:] + 1) @ torch.ones(6, 2)
    assert operations.counts == {"add.Tensor": 1, "ones": 1, "mm": 1}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("bmm", "products"),
        ("threshold_backward.grad_input", "ReLUs and their gradients"),
        ("_foreach_norm.Scalar", "optimizers, norms of lists, soft update"),
        ("randint.generator", "draws"),
        ("sum.dim_IntList", "sums, means, norms"),
        ("cat", "copies and joins"),
        ("threshold_backward", REST),
        ("sub.Tensor", REST),
    ],
)
def test_every_operation_has_a_kind(name, kind):
    assert kind_of(name) == kind


@pytest.mark.parametrize("make_branch", [Branch, LateBranch])
@pytest.mark.parametrize("bottleneck", [True, False])
def test_twenty_steps_with_the_routes_of_a_gpu_equal_the_plain_twin_in_float64(
    monkeypatch, make_branch, bottleneck
):
    cut, row_parts = [], gpu_route.row_parts
    monkeypatch.setattr(
        gpu_route, "row_parts", lambda *given: cut.append(row_parts(*given)) or cut[-1]
    )
    config = replace(CONFIG, use_information_bottleneck=bottleneck)
    with as_on_a_gpu():
        trainer = make_trainer(config, make_branch=make_branch)
        generator = torch.Generator().manual_seed(1)
        assert isinstance(trainer.q_optimizer, AdamInPieces)
        plain = PlainPEARL(trainer.networks, config, LATENT)
        for _ in range(20):
            batch, noise = draw(generator, ROWS), draw_noise(generator)
            context = trainer.agent.context_of(draw(generator, CONTEXT_ROWS))
            ours = trainer.take_step(batch, context, noise, with_statistics=True)
            for name, loss in twin_step(plain, batch, context, noise).items():
                assert ours[name].item() == pytest.approx(loss.item(), rel=1e-10, abs=1e-10), name
    assert set(cut) == {4}
    for name, network in trainer.networks.items():
        for key, value in network.state_dict().items():
            torch.testing.assert_close(
                value, getattr(plain, name).state_dict()[key], rtol=1e-10, atol=1e-10
            )
