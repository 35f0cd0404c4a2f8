"""The GPU's route of products on a CPU: parts of rows, epilogues, and a whole step."""

import pytest
import torch

from rlkit.torch.gpu_route import GpuRoute, row_parts
from rlkit.torch.mlp_function import Route


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize(
    ("shape", "num_inputs", "parts"),
    [
        ((4096, 300), 300, 16),  # 25 tiles
        ((1600, 200), 200, 20),  # the encoder: 20 parts of 80 rows
        ((4096, 12), 300, 64),  # the policy's head
        ((4096, 300), 31, 64),  # first layers
        ((4096, 1), 300, 64),  # never enough: as many parts of 64 rows as there are
        ((4096, 2048), 2048, 1),  # enough without parts
        ((63, 300), 300, 1),  # too few rows for two parts
        ((4099, 300), 300, 1),  # a prime number of rows has no equal parts
    ],
)
def test_the_parts_are_the_fewest_equal_ones_that_fill_a_gpu(shape, num_inputs, parts):
    assert row_parts(shape, num_inputs) == parts
    assert shape[-2] % parts == 0


@pytest.mark.parametrize("widths", [(30, 20), (1, 30), (70, 65)])
def test_a_weight_gradient_by_parts_is_the_whole_one(widths):
    grad, h = (normal(640, width, seed=k) for k, width in enumerate(widths))
    assert row_parts(grad.shape, h.shape[-1]) > 1
    whole, parts = (route.outer(grad, h, torch.float64) for route in (Route(), GpuRoute()))
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-12)
    assert torch.equal(parts, GpuRoute().outer(grad, h, torch.float64))


def test_parts_are_no_less_exact_than_the_whole_and_bf16_is_summed_in_float32():
    grad, h = normal(4096, 40), normal(4096, 30, seed=1)
    exact = grad.mT @ h

    def error(route, dtype):
        found = route.outer(grad.to(dtype), h.to(dtype), torch.float32)
        assert found.dtype == torch.float32
        return ((found - exact).abs().max() / exact.abs().mean()).item()

    assert error(GpuRoute(), torch.float32) <= 1.2 * error(Route(), torch.float32) < 1e-5
    assert error(GpuRoute(), torch.bfloat16) < 0.05


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("relu", [True, False])
def test_bias_and_relu_in_the_products_pass_are_equal_bit_for_bit(dtype, relu):
    x, weight, bias = (
        normal(*shape, seed=k, dtype=dtype) for k, shape in enumerate([(50, 7), (6, 7), (6,)])
    )
    ours, theirs = (route.linear(x, weight, bias, relu) for route in (GpuRoute(), Route()))
    assert torch.equal(ours, theirs)
    assert bool((ours == 0).any()) == relu
    without = GpuRoute().linear(x, weight, None, relu)
    assert torch.equal(without, Route().linear(x, weight, None, relu))
