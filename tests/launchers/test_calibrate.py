"""The choice of the route of products: by measurement, with a margin, and only where it was left open."""

import time

import pytest

from rlkit.launchers.calibrate import choose_route
from rlkit.torch.networks import SLICE_ROWS


def clock(onednn: float, sliced: float):
    """Seconds of a route of which oneDNN takes `onednn` and slices `sliced` times as long as the plain one."""
    return lambda route: (onednn if route.onednn else 1.0) * (sliced if route.num_slices > 1 else 1.0)


@pytest.mark.parametrize(
    "onednn, sliced, chosen",
    [
        (1.0, 1.0, ("default", 0)),
        (0.81, 0.92, ("default", 0)),  # gains of 1.23 and 1.09 are ties
        (0.79, 0.92, ("onednn", 0)),
        (0.81, 0.90, ("default", SLICE_ROWS)),
        (0.5, 0.7, ("onednn", SLICE_ROWS)),
    ],
)
def test_only_a_clear_gain_leaves_the_default(onednn, sliced, chosen):
    assert choose_route("auto", None, clock(onednn, sliced)) == chosen


def test_a_gain_that_only_some_turns_show_is_none():
    disturbed = iter([3.0, 1.0] * 9)  # of a plain route that another job slows down every other time
    measure = lambda route: 0.9 if route.onednn else next(disturbed)  # noqa: E731
    assert choose_route("auto", 0, measure) == ("default", 0)


def test_what_was_asked_for_is_not_measured():
    def never(route):
        raise AssertionError("measured")

    assert choose_route("onednn", 512, never) == ("onednn", 512)
    assert choose_route("default", 0, never) == ("default", 0)


def test_the_measurement_gives_a_known_route_in_about_a_second_of_cpu_time():
    start = time.thread_time()
    matmul, slice_rows = choose_route("auto", None)
    assert matmul in ("default", "onednn") and slice_rows in (0, SLICE_ROWS)
    assert time.thread_time() - start < 5.0
