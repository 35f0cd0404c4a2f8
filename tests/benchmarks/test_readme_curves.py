"""The small curves of the README: one per row of its table, drawn from the published runs."""

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks.publishing import readme_curves

ROOT = Path(__file__).resolve().parents[2]


def test_every_curve_of_the_readme_is_drawn_and_nothing_else(tmp_path):
    assert CliRunner().invoke(readme_curves.main, [str(tmp_path)]).exit_code == 0
    drawn = {file.stem for file in tmp_path.glob("*.png")}
    shown = re.findall(r"docs/images/curves/([\w-]+)\.png", (ROOT / "README.md").read_text())
    assert drawn == set(shown)
    for file in tmp_path.glob("*.png"):
        with Image.open(file) as image:
            assert np.asarray(image.convert("L")).std() > 5, f"{file.name} is empty"


def test_rows_without_an_evaluation_are_left_out(tmp_path):
    file = tmp_path / "progress.csv"
    file.write_text(f"{readme_curves.STEPS},return\n10,-5\n20,nan\n30,-3\n")
    steps, values = readme_curves.read(file, "return")
    assert steps.tolist() == [10, 30] and values.tolist() == [-5, -3]


@pytest.mark.parametrize(
    ("steps", "label"), [(0, "0"), (800, "800"), (200_000, "200k"), (1.5e6, "1.5M")]
)
def test_steps_are_written_short(steps, label):
    assert readme_curves.short(steps, 0) == label
