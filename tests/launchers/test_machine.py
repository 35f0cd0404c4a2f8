"""Resources of the machine: CPUs by affinity and quota, device, record."""

import json
import os

import pytest

from rlkit.launchers import machine as machine_module
from rlkit.launchers.machine import choose_device, default_threads, granted_cpus, machine, versions


def group(tmp_path, files: dict[str, str]):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.fixture
def eight_cpus(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "300000 100000\n"}, 3),
        ({"cpu.max": "250000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "9900000 100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"cpu.max": "nonsense"}, 8),
    ],
)
def test_the_quota_of_the_control_group_cuts_the_cpus(tmp_path, eight_cpus, files, cpus):
    assert granted_cpus(group(tmp_path, files)) == cpus


@pytest.mark.parametrize(("wish", "threads"), [("3", 3), ("20", 8), ("", 8), ("many", 8), ("0", 1)])
def test_threads_are_the_cpus_granted_or_as_few_as_omp_num_threads_wishes(
    monkeypatch, wish, threads
):
    monkeypatch.setattr(machine_module, "granted_cpus", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", wish)
    assert default_threads() == threads


def test_without_a_gpu_the_cpu_is_used_and_said_so_in_one_line(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    said: list[str] = []
    assert choose_device(True, 0, said.append) == "cpu"
    assert said == ["util_params.use_gpu is true, but no GPU can be used here: running on the CPU"]


def test_without_the_wish_for_a_gpu_nothing_is_said():
    said: list[str] = []
    assert (choose_device(False, 0, said.append), said) == ("cpu", [])


def test_a_gpu_is_chosen_by_its_number_and_a_missing_one_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert choose_device(True, 1, pytest.fail) == "cuda:1"
    with pytest.raises(
        machine_module.UserError,
        match=r"util_params.gpu_id = 2: expected one of the 2 GPUs .*0 to 1",
    ):
        choose_device(True, 2, pytest.fail)


def test_the_record_is_plain_and_names_what_results_depend_on():
    record = {"versions": versions(), "machine": machine("cpu")}
    assert json.loads(json.dumps(record)) == record
    assert {"python", "rlkit", "commit", "torch", "numpy", "mujoco", "gymnasium"} == set(
        record["versions"]
    )
    assert record["machine"]["device"] == "cpu"
    assert record["machine"]["cpu"]


def test_outside_of_a_checkout_the_commit_is_that_of_the_image(monkeypatch, tmp_path):
    monkeypatch.setattr(machine_module, "__file__", str(tmp_path / "rlkit" / "launchers" / "m.py"))
    monkeypatch.delenv("RLKIT_COMMIT", raising=False)
    assert versions()["commit"] is None
    monkeypatch.setenv("RLKIT_COMMIT", "abc")
    assert versions()["commit"] == "abc"


def test_tf32_without_its_units_is_refused():
    with pytest.raises(
        machine_module.UserError, match=r'util_params.precision = "tf32": expected a GPU .* got cpu'
    ):
        machine_module.check_precision("tf32", "cpu")


@pytest.mark.parametrize(
    "flags, warnings", [({"avx2"}, 1), ({"avx2", "avx512_bf16"}, 0), ({"amx_bf16"}, 0)]
)
def test_bf16_on_a_cpu_without_its_units_is_warned_of(monkeypatch, flags, warnings):
    monkeypatch.setattr(machine_module, "_cpu_flags", lambda: flags)
    assert len(machine_module.slow_precision("bf16", "cpu")) == warnings
    assert machine_module.slow_precision("float32", "cpu") == []
