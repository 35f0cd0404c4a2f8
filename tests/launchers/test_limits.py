"""A run that does not fit into memory or onto the disk is refused before anything is made."""

from dataclasses import replace
from pathlib import Path

import pytest

from rlkit.core.errors import UserError
from rlkit.launchers import limits
from rlkit.launchers.limits import check_it_fits, free_bytes, memory_bytes
from rlkit.launchers.load_config import load_config
from rlkit.launchers.pearl_sizes import harmonic_number
from tests.tiny_runs import launch

CONFIGS = Path(__file__).parents[2] / "configs"
ENORMOUS = 2**63 - 1
COUNTS = [
    "latent_size",
    "net_size",
    "algo_params.meta_batch",
    "algo_params.num_initial_steps",
    "algo_params.num_tasks_sample",
    "algo_params.num_steps_prior",
    "algo_params.num_steps_posterior",
    "algo_params.num_extra_rl_steps_posterior",
    "algo_params.num_evals",
    "algo_params.num_steps_per_eval",
    "algo_params.batch_size",
    "util_params.num_envs",
    "util_params.replay_reserve",
]

HFRS_COUNTS = ["num_partition_samples", "utility_batch_size", "utility_z_samples"]


@pytest.mark.parametrize("key", COUNTS)
def test_an_enormous_count_is_refused_with_what_it_needs_and_what_there_is(here, key):
    result = launch("tiny.json", "--set", f"{key}={ENORMOUS}")
    assert result.exit_code == 2, result.output
    assert "this run needs about " in result.stderr
    assert "this machine has " in result.stderr or "the free space at output is " in result.stderr
    assert not Path("output").exists()


@pytest.mark.parametrize("key", HFRS_COUNTS)
def test_an_enormous_count_of_hfr_is_refused_where_it_is_used(key):
    config = load_config(CONFIGS / "hfr" / "quick" / "four-corners.json")
    check_it_fits(config)
    enormous = replace(config, algo_params=replace(config.algo_params, **{key: ENORMOUS}))
    with pytest.raises(
        UserError, match=r"this run needs about \S+ GB of memory, but this machine has "
    ):
        check_it_fits(enormous)
    unused = replace(enormous.algo_params, relabel_method="random")
    check_it_fits(replace(enormous, algo_params=unused))


def test_memory_and_disk_are_named_with_both_numbers(monkeypatch):
    config = load_config(CONFIGS / "cheetah-vel.json")
    monkeypatch.setattr(limits, "free_bytes", lambda folder: 10**15)
    monkeypatch.setattr(limits, "memory_bytes", lambda device: 900_000_000)
    with pytest.raises(
        UserError, match=r"needs about 1\.\d GB of memory, but this machine has 900 MB"
    ):
        check_it_fits(config)
    monkeypatch.setattr(limits, "memory_bytes", lambda device: 10**15)
    check_it_fits(config)
    monkeypatch.setattr(limits, "free_bytes", lambda folder: 50_000_000)
    with pytest.raises(UserError, match="of disk, but the free space at output is 50 MB"):
        check_it_fits(config)
    for unknown in ("free_bytes", "memory_bytes"):
        monkeypatch.setattr(limits, unknown, lambda where: None)
    check_it_fits(config)


def test_an_earlier_run_is_resumed_whatever_it_needs(here, monkeypatch):
    assert launch("tiny.json", "--set", "algo_params.num_iterations=1").exit_code == 0
    (run_dir,) = Path("output").glob("*/*")
    monkeypatch.setattr(limits, "memory_bytes", lambda device: 1)
    longer = ("--set", "algo_params.num_iterations=2")
    assert launch("tiny.json").exit_code == 2
    assert launch("--resume", run_dir, *longer).exit_code == 0


def test_the_memory_of_a_control_group_counts(tmp_path):
    machine = memory_bytes(cgroup=tmp_path)
    assert machine is not None and machine > 2**28
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_bytes(cgroup=tmp_path) == machine
    (tmp_path / "memory.max").write_text("1000000\n")
    assert memory_bytes(cgroup=tmp_path) == 1_000_000


def test_free_space_is_that_of_the_folder_that_will_hold_a_new_one(tmp_path):
    there = free_bytes(tmp_path / "not" / "yet")
    assert there is not None and there > 0


def test_the_harmonic_number_of_many_tasks_is_that_of_the_sum():
    assert harmonic_number(3) == 1 + 1 / 2 + 1 / 3
    assert harmonic_number(1001) == pytest.approx(sum(1 / i for i in range(1, 1002)), rel=1e-7)
