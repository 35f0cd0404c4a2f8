"""The record of a measurement: machine, load by other processes, one file per machine."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks.machine import BUSY, Table, Value, Watch, _cpu_seconds, result_path, write_result

ON = {"cpu": "Some Processor (TM) 9000 @ 3 GHz", "cpus": 8, "gpu": None}
TABLE = Table(
    "Speed", ["task"], [Value("steps", wall=True)], [["ant", 12.5], ["cheetah", None]], "A note."
)


def test_every_machine_has_a_file_of_its_own(tmp_path):
    assert (
        result_path(tmp_path, "speed", ON).name == "speed-some-processor-tm-9000-3-ghz-8-cpus.json"
    )
    others = [{**ON, "cpus": 4}, {**ON, "cpu": "Another"}, {**ON, "gpu": "NVIDIA H200"}]
    assert len({result_path(tmp_path, "speed", on) for on in (ON, *others)}) == 4


def test_a_result_holds_its_tables_the_machine_the_versions_and_the_command(tmp_path):
    with Watch() as watch:
        pass
    path = write_result(
        "speed",
        [TABLE],
        watch,
        command="python -m benchmarks.speed",
        details={"extra": [1]},
        folder=tmp_path / "new",
    )
    content = json.loads(path.read_text())
    assert (content["benchmark"], content["command"]) == ("speed", "python -m benchmarks.speed")
    assert content["tables"][0]["rows"] == [["ant", 12.5], ["cheetah", None]]
    assert content["tables"][0]["values"] == [{"name": "steps", "digits": 0, "wall": True}]
    assert content["details"] == {"extra": [1]}
    assert content["machine"]["cpus"] >= 1
    assert content["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert content.keys() >= {"load_before", "load_after", "others_cores", "busy"}


def test_a_machine_is_busy_when_others_used_a_tenth_of_a_core():
    quiet, used, unknown = Watch(5.0, 5.0, 0.02), Watch(0.0, 0.0, 0.5), Watch(load_before=0.0)
    assert [watch.record()["busy"] for watch in (quiet, used, unknown)] == [False, True, False]
    assert Watch(load_before=2.0).record()[
        "busy"
    ]  # where the system does not report the CPU time of others
    assert 0 < BUSY < 1


def test_others_are_what_all_used_less_ones_own(monkeypatch):
    readings = iter(
        [(100.0, 50.0, 3.0), (110.0, 66.0, 12.0)]
    )  # uptime, CPU seconds of all, of this process
    monkeypatch.setattr("benchmarks.machine._cpu_seconds", lambda: next(readings))
    with Watch() as watch:
        pass
    assert watch.record()["others_cores"] == 0.7


def test_a_system_that_does_not_tell_leaves_others_open(monkeypatch):
    monkeypatch.setattr("benchmarks.machine._cpu_seconds", lambda: None)
    with Watch() as watch:
        pass
    assert watch.record()["others_cores"] is None


@pytest.mark.skipif(
    not os.path.exists("/proc/stat"),
    reason="this system does not tell the CPU time of all processes",
)
def test_ones_own_work_and_that_of_ended_children_is_ones_own():
    work = "import time\nwhile time.process_time() < 0.3: pass"
    before = _cpu_seconds()
    subprocess.run([sys.executable, "-c", work], check=True)
    after = _cpu_seconds()
    assert after[2] - before[2] >= 0.29
    assert after[1] - before[1] >= 0.2
