"""The page of benchmarks: machines next to each other, and equal to the result files."""

import json
import re

import pytest

from benchmarks.machine import RESULTS
from benchmarks.report import (
    ON_A_GPU,
    PAGE,
    load_results,
    merged_table,
    not_measured,
    page,
    shown,
    with_code_blocks,
)

VALUES = [
    {"name": "steps / s", "digits": 0, "wall": True},
    {"name": "ratio", "digits": 2, "wall": False},
]


def result(
    cpu="A processor",
    rows=(("ant", 4000.4, 0.961), ("cheetah", None, 1.1)),
    busy=False,
    benchmark="speed",
):
    return {
        "benchmark": benchmark,
        "command": f"python -m benchmarks.{benchmark}",
        "machine": {"cpu": cpu, "cpus": 2, "gpu": None},
        "versions": {"python": "3.11.7", "mujoco": "4.0.0", "commit": "0123456789abcdef-dirty"},
        "load_before": 0.1,
        "load_after": 1.0,
        "others_cores": 0.5 if busy else 0.0,
        "busy": busy,
        "tables": [
            {
                "title": "Speed",
                "labels": ["task"],
                "values": VALUES,
                "rows": [list(row) for row in rows],
                "note": "A note.",
            }
        ],
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "speed.py").write_text(
        '"""What is measured.\n\npython -m benchmarks.speed [--lanes 1]\n\nMore of it.\n"""\n'
    )
    return tmp_path


def test_one_machine_makes_a_plain_table(folder):
    text = page([result()], folder)
    assert "| task | steps / s | ratio |" in text
    assert "| ant | 4,000 | 0.96 |" in text
    assert "| cheetah | – | 1.10 |" in text
    assert "A note." in text
    row = "| A | A processor, 2 CPUs | `python -m benchmarks.speed` | python 3.11.7, mujoco 4.0.0 "
    assert f"{row}| 0123456789-dirty |" in text


def test_a_second_machine_adds_columns_and_rows_and_takes_nothing_away(folder):
    results = [result(), result("B processor", [("ant", 9000, 1.0), ("hopper", 7000, 0.9)])]
    text = merged_table("Speed", results, {"A processor, 2 CPUs": "A", "B processor, 2 CPUs": "B"})
    assert "| task | steps / s, A | ratio, A | steps / s, B | ratio, B |" in text
    assert "| ant | 4,000 | 0.96 | 9,000 | 1.00 |" in text
    assert "| cheetah | – | 1.10 | – | – |" in text
    assert "| hopper | – | – | 7,000 | 0.90 |" in text
    assert page(results, folder).count("### Speed") == 1


def test_wall_clock_figures_of_a_busy_machine_are_marked(folder):
    assert "| task | steps / s (busy) | ratio |" in page([result(busy=True)], folder)


def test_what_is_measured_stands_in_the_benchmarks_own_docstring(folder):
    text = page([result()], folder)
    command = "```\npython -m benchmarks.speed [--lanes 1]\n```"
    assert f"## speed\n\nWhat is measured.\n\n{command}\n\nMore of it.\n" in text
    assert with_code_blocks("python is a language.") == "python is a language."


def test_figures_are_shown_with_their_digits():
    assert [shown(12345.678, 0), shown(0.5, 2), shown(None, 2), shown("7.5 in 10", 0)] == [
        "12,346",
        "0.50",
        "–",
        "7.5 in 10",
    ]


def test_the_committed_page_is_what_the_committed_results_give():
    assert PAGE.read_text() == page(load_results(RESULTS))


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.name)
def test_a_committed_result_carries_no_path_of_the_machine_and_the_name_of_its_benchmark(path):
    text = path.read_text()
    assert json.loads(text)["benchmark"] == re.match(r"[a-z0-9_]+", path.name).group()
    assert not re.search(r'"(/|~)[^"]*"', text)


def test_what_no_gpu_has_measured_is_named_with_its_command_until_there_is_a_result(folder):
    text = page([result()], folder)
    assert text.count("`bash benchmarks/gpu.sh ") == len(ON_A_GPU)
    assert "| a captured step, ms | 1.31 | 1.6 | 0.82 | 0.95 | `bash benchmarks/gpu.sh step` |" in (
        text
    )
    _, table = not_measured(["gpu_checks_step"])
    assert "gpu.sh step" not in table and "gpu.sh weights" in table
    assert not_measured({entry[0] for entry in ON_A_GPU}) == []
