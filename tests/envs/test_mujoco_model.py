"""Loaded models: inertias of old MuJoCo recomputed by formula, total mass, margins, no warnings."""

import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import mujoco
import numpy as np
import pytest

from rlkit.envs.mujoco_model import gymnasium_asset, load_model

CHEETAH = "half_cheetah.xml"


def numbers(text):
    return np.array([float(part) for part in text.split()])


def capsule_as_cylinder(geom):
    """Mass, centre and inertia of a capsule of density 1000 in MuJoCo ≤ 2.1.0 (a cylinder)."""
    if "fromto" in geom.attrib:
        start, end = numbers(geom.attrib["fromto"]).reshape(2, 3)
        centre, length = (start + end) / 2, np.linalg.norm(end - start)
        axis, radius = (end - start) / length, numbers(geom.attrib["size"])[0]
    else:
        radius, half_length = numbers(geom.attrib["size"])
        angle = numbers(geom.attrib["axisangle"])[3]  # all turn about y, by radians
        axis, centre, length = (
            np.array([math.sin(angle), 0, math.cos(angle)]),
            numbers(geom.attrib["pos"]),
            2 * half_length,
        )
    mass = 1000 * math.pi * radius**2 * (length + radius)
    across, along = mass * (3 * radius**2 + (length + radius) ** 2) / 12, mass * radius**2 / 2
    return mass, centre, across * np.eye(3) + (along - across) * np.outer(axis, axis)


def derived_bodies():
    """Mass, centre of mass and inertia of each body of the cheetah, from the model file."""
    bodies = {}
    for body in ElementTree.parse(gymnasium_asset(CHEETAH)).getroot().iter("body"):
        parts = [capsule_as_cylinder(geom) for geom in body.findall("geom")]
        mass = sum(part[0] for part in parts)
        centre = sum(part[0] * part[1] for part in parts) / mass
        tensor = np.zeros((3, 3))
        for part_mass, part_centre, part_tensor in parts:
            offset = part_centre - centre
            tensor += part_tensor + part_mass * (
                offset @ offset * np.eye(3) - np.outer(offset, offset)
            )
        bodies[body.attrib["name"]] = mass, centre, tensor
    return bodies


def tensor_of(model, body):
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, model.body_iquat[body])
    rotation = rotation.reshape(3, 3)
    return rotation @ np.diag(model.body_inertia[body]) @ rotation.T


def test_old_inertias_of_the_cheetah_follow_from_the_cylinder_formula():
    model = load_model(gymnasium_asset(CHEETAH), physics="mujoco210", total_mass=14)
    bodies = derived_bodies()
    scale = 14 / sum(mass for mass, _, _ in bodies.values())
    assert len(bodies) == model.nbody - 1
    for name, (mass, centre, tensor) in bodies.items():
        body = model.body(name).id
        assert model.body_mass[body] == pytest.approx(scale * mass, rel=1e-12)
        np.testing.assert_allclose(model.body_ipos[body], centre, atol=1e-14)
        np.testing.assert_allclose(tensor_of(model, body), scale * tensor, rtol=1e-12, atol=1e-15)


def test_old_masses_of_the_hopper_are_the_published_ones():
    model = load_model(gymnasium_asset("hopper.xml"), physics="mujoco210")
    np.testing.assert_allclose(
        model.body_mass[1:], [3.53429174, 3.92699082, 2.71433605, 5.0893801], rtol=1e-8
    )


def test_old_total_mass_of_the_humanoid_is_the_published_one():
    assert load_model(
        gymnasium_asset("humanoid.xml"), physics="mujoco210"
    ).body_mass.sum() == pytest.approx(39.646, abs=5e-4)


@pytest.mark.parametrize("physics", ["mujoco210", "native"])
def test_the_cheetah_weighs_fourteen_kilograms(physics):
    model = load_model(gymnasium_asset(CHEETAH), physics=physics, total_mass=14)
    assert model.body_mass.sum() == pytest.approx(14, rel=1e-14)
    assert model.body_subtreemass[0] == pytest.approx(14, rel=1e-14)


def test_native_physics_is_what_mujoco_makes_of_the_file_itself():
    messages = []
    mujoco.set_mju_user_warning(messages.append)
    try:
        expected = mujoco.MjModel.from_xml_path(str(gymnasium_asset(CHEETAH)))
    finally:
        mujoco.set_mju_user_warning(None)
    model = load_model(gymnasium_asset(CHEETAH), physics="native", total_mass=14)
    for name in (
        "body_mass",
        "body_inertia",
        "body_ipos",
        "body_iquat",
        "body_subtreemass",
        "dof_invweight0",
        "actuator_acc0",
    ):
        np.testing.assert_allclose(
            getattr(model, name), getattr(expected, name), rtol=1e-12, atol=1e-15, err_msg=name
        )


def test_shapes_and_joints_are_the_same_in_both_physics_modes():
    old, native = (
        load_model(gymnasium_asset(CHEETAH), physics=physics) for physics in ("mujoco210", "native")
    )
    for name in (
        "geom_type",
        "geom_size",
        "geom_pos",
        "geom_quat",
        "jnt_range",
        "dof_damping",
        "dof_armature",
        "actuator_gear",
    ):
        np.testing.assert_array_equal(getattr(old, name), getattr(native, name), err_msg=name)
    assert not np.array_equal(old.body_mass, native.body_mass)


@pytest.mark.skipif(
    tuple(map(int, mujoco.__version__.split(".")[:2])) < (3, 5),
    reason="margins are summed since MuJoCo 3.5",
)
def test_old_margins_are_halved_because_they_are_summed_now():
    assert set(load_model(gymnasium_asset("ant.xml"), physics="mujoco210").geom_margin) == {0.005}
    assert set(load_model(gymnasium_asset("ant.xml"), physics="native").geom_margin) == {0.01}


def test_loading_prints_nothing_and_leaves_no_log(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    load_model(gymnasium_asset(CHEETAH), physics="mujoco210", total_mass=14)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_physics_mode_is_refused():
    with pytest.raises(
        ValueError, match="physics is 'mujoco150', expected one of mujoco210, native"
    ):
        load_model(gymnasium_asset(CHEETAH), physics="mujoco150")


def test_a_model_file_that_gymnasium_does_not_ship_is_named():
    with pytest.raises(ValueError, match=r"'half_cheeta\.xml'"):
        gymnasium_asset("half_cheeta.xml")


def test_the_model_file_is_found_in_gymnasium():
    assert Path(gymnasium_asset(CHEETAH)).parts[-5:] == (
        "gymnasium",
        "envs",
        "mujoco",
        "assets",
        CHEETAH,
    )
