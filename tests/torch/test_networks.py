"""Networks: gradients, initial weights, names of parameters, routes of the products."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from rlkit.torch import fast_torch
from rlkit.torch.execution import rounded_factors
from rlkit.torch.mlp_function import SMALLEST_SHARE, WIDE, Arithmetic, MlpFunction, Route
from rlkit.torch.networks import Mlp


def make_mlp(hidden=(7, 6), inputs=4, outputs=3, **options) -> Mlp:
    return Mlp(list(hidden), inputs, outputs, generator=torch.Generator().manual_seed(0), **options)


def route_of(mlp: Mlp, rows: torch.Tensor) -> Route:
    return mlp.arithmetic.route_of(rows, mlp.workers, mlp.num_threads)


def parameters_in_order(mlp: Mlp) -> list[torch.Tensor]:
    return [p for pair in mlp._layers() for p in pair]


@pytest.mark.parametrize("num_slices", [1, 2, 5])
def test_mlp_function_passes_gradcheck_in_float64(num_slices):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(5, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    shapes = [(7, 4), (7,), (6, 7), (6,), (3, 6), (3,)]
    parameters = [
        torch.randn(s, dtype=torch.float64, generator=generator, requires_grad=True) for s in shapes
    ]
    assert torch.autograd.gradcheck(
        lambda x, *p: MlpFunction.apply(x, Route(num_slices), *p), (x, *parameters)
    )


@pytest.mark.parametrize(("init", "axis"), [("fanout", 0), ("fanin", 1)])
def test_hidden_weights_scale_with_the_width_that_init_names(init, axis):
    mlp = make_mlp(hidden=(400, 50), inputs=100, init=init)
    for layer in (mlp.fc0, mlp.fc1):
        bound = layer.weight.shape[axis] ** -0.5
        assert 0.95 * bound < layer.weight.abs().max() <= bound
        assert (layer.bias == 0.1).all()
    assert mlp.last_fc.weight.abs().max() <= 3e-3


def test_mlp_equals_the_layers_written_out():
    mlp, x = make_mlp(), torch.randn(5, 4, generator=torch.Generator().manual_seed(2))
    h = torch.relu(x @ mlp.fc0.weight.T + mlp.fc0.bias)
    h = torch.relu(h @ mlp.fc1.weight.T + mlp.fc1.bias)
    torch.testing.assert_close(mlp(x), h @ mlp.last_fc.weight.T + mlp.last_fc.bias)


def test_inputs_are_concatenated_in_the_given_order():
    mlp, x = make_mlp(), torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(mlp(x[..., :1], x[..., 1:]), mlp(x))


def test_frozen_weights_get_no_gradient_but_the_input_gets_the_same_one():
    mlp = make_mlp()
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(2), requires_grad=True)
    (free,) = torch.autograd.grad(mlp(x).sum(), x)
    mlp(x, frozen=True).sum().backward()
    torch.testing.assert_close(x.grad, free)
    assert all(p.grad is None for p in mlp.parameters())


def test_slices_of_rows_change_the_result_by_rounding_only():
    mlp = make_mlp()
    x = torch.randn(37, 4, generator=torch.Generator().manual_seed(2))
    whole = MlpFunction.apply(x, Route(), *parameters_in_order(mlp))
    sliced = MlpFunction.apply(x, Route(5), *parameters_in_order(mlp))
    torch.testing.assert_close(sliced, whole, rtol=1e-5, atol=1e-6)


def test_threads_that_share_the_slices_change_nothing():
    alone, shared = make_mlp(), make_mlp()
    x = torch.randn(4 * SMALLEST_SHARE + 3, 4, generator=torch.Generator().manual_seed(2))
    alone.share_slices(None, 2)  # the same slices, one thread
    with ThreadPoolExecutor(2) as workers:
        shared.share_slices(workers, 2)
        for mlp in (alone, shared):
            mlp(x).square().sum().backward()
    assert route_of(shared, x).num_slices == 2
    for ours, theirs in zip(shared.parameters(), alone.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad)


def test_onednn_route_agrees_with_the_default_route():
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("this build of torch lacks the operator")
    plain, fused = make_mlp((32, 32)), make_mlp((32, 32), arithmetic=Arithmetic("onednn"))
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(2))
    for mlp in (plain, fused):
        mlp(x).square().sum().backward()
    torch.testing.assert_close(fused(x), plain(x), rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(fused.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("num_slices", [1, 3])
def test_wide_weight_gradients_go_through_onednn_if_asked_and_agree(monkeypatch, num_slices):
    if not fast_torch.has_onednn():
        pytest.skip("this build of torch lacks the operator")
    calls, grads, multiply = [], [], fast_torch.onednn_linear
    monkeypatch.setattr(
        fast_torch, "onednn_linear", lambda *given: calls.append(0) or multiply(*given)
    )
    for matmul in ("onednn", "onednn-all"):
        mlp = make_mlp((WIDE + 3, WIDE), arithmetic=Arithmetic(matmul, slice_rows=100))
        x = torch.randn(100 * num_slices, 4, generator=torch.Generator().manual_seed(2))
        assert route_of(mlp, x).num_slices == num_slices
        mlp(x).square().sum().backward()
        grads.append({name: p.grad for name, p in mlp.named_parameters()})
    forward, inputs, wide = 3, 2, 1
    assert len(calls) == num_slices * (2 * (forward + inputs) + wide)
    ours, theirs = grads
    torch.testing.assert_close(ours["fc1.weight"], theirs["fc1.weight"], rtol=1e-4, atol=1e-5)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if name != "fc1.weight")


def test_unknown_route_is_refused_by_name():
    with pytest.raises(
        ValueError, match="matmul is 'mkl'; expected one of default, onednn, onednn-all"
    ):
        make_mlp(arithmetic=Arithmetic("mkl"))


def test_hidden_weights_are_scaled_by_the_output_width_and_biases_are_a_tenth():
    mlp = Mlp([300, 300], 31, 1, generator=torch.Generator().manual_seed(0))
    bound = 300**-0.5
    for layer in (mlp.fc0, mlp.fc1):
        assert layer.weight.abs().max() <= bound
        assert (
            layer.weight.abs().max() > 0.99 * bound
        )  # thousands of draws reach the edge; fan-in of 31 would give 0.18
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.03)
        assert torch.all(layer.bias == 0.1)


def test_last_layer_is_small():
    mlp = Mlp([300], 31, 200, generator=torch.Generator().manual_seed(0))
    for p in mlp.last_fc.parameters():
        assert 0.9 * 3e-3 < p.abs().max() <= 3e-3


def test_initial_weights_come_from_the_generator_only():
    torch.manual_seed(5)  # must not matter
    first = make_mlp()
    torch.manual_seed(6)
    second = make_mlp()
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


def test_parameter_names_are_those_of_the_reference_weight_files():
    assert list(make_mlp((4, 4, 4)).state_dict()) == [
        f"{layer}.{kind}"
        for layer in ("fc0", "fc1", "fc2", "last_fc")
        for kind in ("weight", "bias")
    ]


def test_bf16_rounds_the_factors_and_keeps_weights_outputs_and_gradients_in_float32():
    plain, rounded = make_mlp((64, 64)), make_mlp((64, 64), arithmetic=Arithmetic(precision="bf16"))
    x = torch.randn(300, 4, generator=torch.Generator().manual_seed(2))
    with rounded_factors([plain, rounded]):
        for mlp in (plain, rounded):
            y = mlp(x)
            y.square().mean().backward()
            assert y.dtype == torch.float32 and all(
                p.grad.dtype == torch.float32 for p in mlp.parameters()
            )
        assert not torch.equal(rounded(x), plain(x))
        torch.testing.assert_close(rounded(x), plain(x), rtol=2e-2, atol=2e-4)
    for ours, exact in zip(rounded.parameters(), plain.parameters(), strict=True):
        assert (ours.grad - exact.grad).norm() < 0.03 * exact.grad.norm()


def test_bf16_does_not_round_the_last_layer():
    """Outputs around -517, where neighbours in bfloat16 are 4 apart."""
    plain, rounded = make_mlp((64, 64)), make_mlp((64, 64), arithmetic=Arithmetic(precision="bf16"))
    for mlp in (plain, rounded):
        torch.nn.init.constant_(mlp.last_fc.bias, -517.0)
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(2))
    with rounded_factors([rounded]):
        y = rounded(x)
    assert len(y.unique()) == len(plain(x).unique()) > 50
    assert 0 < (y - plain(x)).abs().max() < 1e-3


def test_bf16_rounds_inside_its_block_only():
    plain, rounded = make_mlp((64, 64)), make_mlp((64, 64), arithmetic=Arithmetic(precision="bf16"))
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(2))
    assert torch.equal(rounded(x), plain(x))
    with pytest.raises(ValueError, match="inside"), rounded_factors([rounded]):
        assert not torch.equal(rounded(x), plain(x))
        raise ValueError("inside")
    assert torch.equal(rounded(x), plain(x))


def test_acting_is_exact_whatever_the_precision_of_the_updates():
    plain, rounded = make_mlp(), make_mlp(arithmetic=Arithmetic(precision="bf16"))
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))
    assert torch.equal(rounded.last_hidden(x), plain.last_hidden(x))


def test_all_rows_at_once_where_slices_do_not_pay():
    x = torch.zeros(5000, 4)
    assert route_of(make_mlp(arithmetic=Arithmetic(slice_rows=0)), x).num_slices == 1
    assert route_of(make_mlp(), x).num_slices == 5


def test_few_rows_are_not_shared_by_threads():
    mlp = make_mlp()
    mlp.share_slices(None, 4)
    assert route_of(mlp, torch.zeros(2 * SMALLEST_SHARE - 1, 4)).num_slices == 1
    assert route_of(mlp, torch.zeros(2 * SMALLEST_SHARE, 4)).num_slices == 4


def test_onednn_is_taken_for_float32_alone():
    onednn, rounded = (Arithmetic("onednn", precision) for precision in ("float32", "bf16"))
    x = torch.zeros(5, 4)
    assert onednn.route_of(x, None, 1).onednn
    assert not onednn.route_of(x.double(), None, 1).onednn
    assert not rounded.route_of(x, None, 1).onednn
    assert rounded.route_of(x, None, 1).dtype == torch.bfloat16


def test_frozen_weights_and_inputs_that_need_no_gradient_cost_no_product():
    mlp = make_mlp((8, 8))
    layers = 2 * 16 * (4 * 8 + 8 * 8 + 8 * 3)  # operations of one product per layer

    def flops(x, **options):
        with FlopCounterMode(display=False) as counter:
            mlp(x, **options).sum().backward()
        return counter.get_total_flops()

    x, needing = torch.ones(16, 4), torch.ones(16, 4, requires_grad=True)
    assert flops(needing) == 3 * layers  # forward, weights, inputs
    assert flops(needing, frozen=True) == 2 * layers
    assert flops(x) == 3 * layers - 2 * 16 * 4 * 8
