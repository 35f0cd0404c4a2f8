"""The twin of STEVE's benchmark computes the same targets; the floor is the published count."""

import pytest
import torch

from benchmarks.steve_target import frame_flops, make, target_flops, twin_of


@pytest.mark.parametrize(("horizon", "gflop"), [(3, 24.85), (1, 8.77), (5, 40.9), (10, 81.1)])
def test_the_floor_counts_the_arithmetic_of_the_targets(horizon, gflop):
    assert target_flops(horizon) / 1e9 == pytest.approx(gflop, rel=1e-3)


def test_the_floor_of_a_frame_counts_all_updates():
    spared = 2 * 512 * 3 * 3 * 35_840 / 1e9  # a row trains one critic instead of all four
    assert frame_flops() / 1e9 == pytest.approx(4 * (25.69 + 5.13 - spared), rel=2e-3)


def test_the_twin_computes_the_same_targets():
    built, batch = make()
    for network in (*built.value.networks.values(), built.snapshot):
        network.double()
    double = type(batch)(*(part[:16].double() for part in batch))
    found = built.value.targets(double)[0].targets[:, 0]
    torch.testing.assert_close(found, twin_of(built).targets(double), rtol=1e-9, atol=1e-9)
