"""The choice of the route of products: by measurement, with a margin, and only where it was left open."""

import time

import pytest

from rlkit.core.errors import UserError
from rlkit.launchers.calibrate import _acting, choose_rollout_device, choose_route
from rlkit.torch.mlp_function import SLICE_ROWS


def clock(onednn: float, sliced: float):
    """Seconds of a route of which oneDNN takes `onednn` and slices `sliced` times as long as the plain one."""
    return lambda route: (
        (onednn if route.onednn else 1.0)
        * (sliced if route.num_slices > route.num_threads else 1.0)
    )


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
@pytest.mark.parametrize("num_threads", [1, 2, 3])
def test_only_a_clear_gain_leaves_the_default(onednn, sliced, chosen, num_threads):
    assert choose_route("auto", None, num_threads, clock(onednn, sliced)) == chosen


def test_one_disturbed_turn_changes_nothing():
    turns = iter([3.0, 1.0, 1.0])  # of a plain route that another job slows down once
    assert choose_route("auto", 0, 1, lambda route: 0.9 if route.onednn else next(turns)) == (
        "default",
        0,
    )


def test_what_was_asked_for_is_not_measured():
    def never(route):
        raise AssertionError("measured")

    assert choose_route("onednn", 512, 2, never) == ("onednn", 512)
    assert choose_route("default", 0, 2, never) == ("default", 0)


def test_the_measurement_gives_a_known_route_in_about_a_second_of_cpu_time():
    start = time.thread_time()
    matmul, slice_rows = choose_route("auto", None, 2)
    assert matmul in ("default", "onednn") and slice_rows in (0, SLICE_ROWS)
    assert time.thread_time() - start < 5.0


def never(*arguments):
    raise AssertionError("measured")


@pytest.mark.parametrize("wanted", ["auto", "cpu"])
def test_without_a_gpu_the_policy_acts_on_the_cpu_and_nothing_is_measured(wanted):
    assert choose_rollout_device(wanted, "cpu", "default", [10, 128], never) == "cpu"


def test_the_measurement_of_acting_gives_seconds():
    seconds_of = _acting("cpu", "default", repeats=3)
    assert 0 < seconds_of("cpu", 1) < 1


def test_without_a_gpu_acting_on_one_is_refused():
    with pytest.raises(
        UserError,
        match=r'^util_params.rollout_device = "gpu": expected "auto" or "cpu", because .* trains on the',
    ):
        choose_rollout_device("gpu", "cpu", "default", [10], never)


@pytest.mark.parametrize("wanted", ["cpu", "gpu"])
def test_on_a_gpu_what_was_asked_for_is_taken(wanted):
    assert choose_rollout_device(wanted, "cuda:0", "default", [10], never) == wanted


@pytest.mark.parametrize(("widths", "chosen"), [([10, 15], "cpu"), ([10, 128], "gpu")])
def test_the_policy_acts_where_all_widths_together_take_less_time(widths, chosen):
    def seconds_of(place, width):  # a GPU takes as long for any number of lanes
        return 0.006 * width if place == "cpu" else 0.15

    assert choose_rollout_device("auto", "cuda:0", "default", widths, seconds_of) == chosen
