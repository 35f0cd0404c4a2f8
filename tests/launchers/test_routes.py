"""The route of products and the device of rollouts are looked up; no timing is involved."""

import time
from dataclasses import replace

import pytest
import torch

from rlkit.core.errors import UserError
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.machine import default_threads
from rlkit.launchers.pearl import PEARL
from rlkit.launchers.record import decisions
from rlkit.launchers.routes import (
    ROUTES,
    choose_rollout_device,
    choose_route,
    instruction_set,
)
from rlkit.torch.mlp_function import MATMUL_ROUTES, SLICE_ROWS


@pytest.mark.parametrize(
    ("instructions", "num_threads", "width", "chosen"),
    [
        ("AVX512", 1, 16, ("default", 0)),
        ("AVX512", 2, 128, ("default", SLICE_ROWS)),
        ("AVX512", 16, 300, ("default", SLICE_ROWS)),
        ("AMD AVX512", 1, 300, ("onednn-all", SLICE_ROWS)),
        ("AMD AVX512", 2, 200, ("onednn", 0)),
        ("AMD AVX512", 1, 16, ("default", 0)),
        ("AVX2", 1, 300, ("onednn", 0)),
        ("AVX2", 2, 300, ("default", SLICE_ROWS)),
        ("something new", 2, 300, ("default", 0)),
    ],
)
def test_a_route_follows_from_instructions_threads_and_width(
    instructions, num_threads, width, chosen
):
    found = choose_route(
        "auto", None, num_threads=num_threads, width=width, instructions=instructions
    )
    assert found == chosen


@pytest.mark.parametrize("instructions", sorted(ROUTES))
def test_every_width_and_number_of_threads_has_a_row_and_rows_name_known_routes(instructions):
    rows = ROUTES[instructions]
    assert (rows[-1].width, rows[-1].threads) == (1, 1)
    assert {row.matmul for row in rows} <= set(MATMUL_ROUTES)


@pytest.mark.parametrize(
    ("vendor", "capability", "key"),
    [
        ("AuthenticAMD", "AVX512", "AMD AVX512"),
        ("AuthenticAMD", "AVX2", "AVX2"),
        ("GenuineIntel", "AVX512", "AVX512"),
        ("", "DEFAULT", "DEFAULT"),
    ],
)
def test_wide_instructions_that_mkl_does_not_take_have_a_key_of_their_own(
    monkeypatch, vendor, capability, key
):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert instruction_set(vendor) == key


@pytest.mark.parametrize("instructions", ["AVX2", "AVX512"])
def test_what_was_asked_for_stays(instructions):
    asked = {"num_threads": 2, "width": 300, "instructions": instructions}
    assert choose_route("onednn", 512, **asked) == ("onednn", 512)
    assert choose_route("default", 0, **asked) == ("default", 0)


def test_no_clock_is_read_while_a_configuration_is_resolved(monkeypatch):
    def never(*arguments):
        raise AssertionError("a clock was read")

    config = parse_config({"env_name": "point-robot", "n_train_tasks": 1, "n_eval_tasks": 1}, "h")
    for clock in ("perf_counter", "process_time", "thread_time", "monotonic", "time"):
        monkeypatch.setattr(time, clock, never)
    chosen = PEARL().resolve(config, "cpu").util_params
    assert (chosen.matmul, chosen.slice_rows) == choose_route(
        "auto", None, num_threads=chosen.torch_threads or default_threads(), width=300
    )


def test_one_line_says_what_was_looked_up_and_not_what_was_given():
    config = parse_config({"env_name": "point-robot", "n_train_tasks": 1, "n_eval_tasks": 1}, "h")
    chosen = PEARL().resolve(config, "cpu")
    util = chosen.util_params
    line = decisions(chosen, config, "cpu")
    assert line.startswith("chosen for this machine: device cpu, ")
    for text in (f"matmul {util.matmul}", f"slice_rows {util.slice_rows}", "rollout_device cpu"):
        assert f", {text}" in line
    assert decisions(chosen, chosen, "cpu") == "chosen for this machine: device cpu"
    asked = replace(config, util_params=replace(config.util_params, matmul="onednn"))
    assert "matmul" not in decisions(PEARL().resolve(asked, "cpu"), asked, "cpu")


@pytest.mark.parametrize("wanted", ["auto", "cpu"])
def test_without_a_gpu_the_policy_acts_on_the_cpu(wanted):
    assert choose_rollout_device(wanted, "cpu", lanes=[10, 128], width=300) == "cpu"


def test_without_a_gpu_acting_on_one_is_refused():
    with pytest.raises(
        UserError,
        match=r'^util_params.rollout_device = "gpu": expected "auto" or "cpu", '
        r"because .* trains on the",
    ):
        choose_rollout_device("gpu", "cpu", lanes=[10], width=300)


@pytest.mark.parametrize("wanted", ["cpu", "gpu"])
def test_on_a_gpu_what_was_asked_for_is_taken(wanted):
    assert choose_rollout_device(wanted, "cuda:0", lanes=[10], width=300) == wanted


@pytest.mark.parametrize(
    ("lanes", "width", "chosen"),
    [
        ([10, 15], 300, "cpu"),
        ([15, 128], 300, "cpu"),
        ([128, 128], 300, "gpu"),
        ([15, 128], 400, "gpu"),
    ],
)
def test_wide_rollouts_of_wide_networks_act_on_the_gpu(lanes, width, chosen):
    assert choose_rollout_device("auto", "cuda:0", lanes=lanes, width=width) == chosen
