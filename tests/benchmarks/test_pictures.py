"""The pictures of docs/environments.md: drawn by the script, small, one per distribution."""

import re
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.publishing.pictures import SET_SIZE, STEPS, TASKS, act, photograph, plot
from rlkit.envs import ENVS

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("name", sorted(ENVS))
def test_the_section_of_a_distribution_begins_with_its_picture(name):
    sections = re.split(r"^## ", (DOCS / "environments.md").read_text(), flags=re.M)
    (section,) = [section for section in sections if section.startswith(f"{name}\n")]
    (picture,) = re.findall(r"!\[[^]]+\]\((images/[^)]+)\)", section)
    assert Path(picture).stem == name
    assert (DOCS / picture).stat().st_size < 150_000


def test_all_lanes_start_alike_and_get_the_same_actions():
    env, start, obs = act("cheetah-vel")
    assert len(obs) == 1 + STEPS["cheetah-vel"]
    assert (obs == obs[:, :1]).all()
    assert env.task_ids.tolist() == TASKS
    assert env.n_tasks == SET_SIZE
    assert start[0] == pytest.approx(obs[0, 0, 17], abs=1e-6), "the cheetah's x"


def test_a_point_robot_is_plotted(tmp_path):
    plot("sparse-point-robot", tmp_path / "robot.png")
    with Image.open(tmp_path / "robot.png") as picture:
        assert picture.width == 960


@pytest.mark.render
def test_a_body_is_photographed_once_per_task(tmp_path):
    try:
        photograph("cheetah-dir", tmp_path / "cheetah.jpg")
    except ValueError as error:
        pytest.skip(str(error))
    with Image.open(tmp_path / "cheetah.jpg") as picture:
        assert picture.size == (2 * 320, 256 + 32)
