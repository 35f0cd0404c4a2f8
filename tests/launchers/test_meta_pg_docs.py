"""docs/meta_pg.md names every setting with its default, and functions that exist."""

import importlib
import json
import pkgutil
import re
from dataclasses import fields
from pathlib import Path

import pytest

import rlkit.torch.meta_pg
from rlkit.core.settings import AlgorithmSettings
from rlkit.torch.meta_pg.config import (
    GradientSettings,
    MAMLSettings,
    MetaPGSettings,
    ProMPSettings,
    RL2Settings,
)

TEXT = (Path(__file__).parents[2] / "docs" / "meta_pg.md").read_text()
SECTIONS = {
    "All three": (MetaPGSettings, AlgorithmSettings),
    "MAML-TRPO and ProMP": (GradientSettings, MetaPGSettings),
    "MAML-TRPO": (MAMLSettings, GradientSettings),
    "ProMP": (ProMPSettings, GradientSettings),
    "RL²": (RL2Settings, MetaPGSettings),
}


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_setting_is_documented_with_its_default(heading):
    section = TEXT.split("## Settings\n")[1].split(f"### {heading}\n")[1].split("\n##")[0]
    found = {
        key: json.loads(default)
        for key, default in re.findall(r"^\| `(\w+)` \| (.+?) \|", section, re.M)
    }
    schema, base = SECTIONS[heading]
    known = {field.name for field in fields(base)}
    own = {field.name: field.default for field in fields(schema) if field.name not in known}
    assert found == json.loads(json.dumps(own))


def test_defaults_that_a_method_changes_are_named():
    assert (RL2Settings().meta_batch, RL2Settings().gae_lambda) == (80, 0.95)
    assert RL2Settings().num_exp_traj_eval == 2
    for text in ("RL² 80", "RL² 0.95", "RL² 2 |"):
        assert text in TEXT


def test_the_functions_that_stand_beside_equations_exist():
    path = rlkit.torch.meta_pg.__path__
    names = [f"rlkit.torch.meta_pg.{module.name}" for module in pkgutil.iter_modules(path)]
    known = {key: v for name in names for key, v in vars(importlib.import_module(name)).items()}
    tables = [line for line in TEXT.split("## Settings")[0].splitlines() if line.startswith("|")]
    named = [
        name
        for line in tables[6:]  # after the table of methods
        for name in re.findall(r"`([A-Za-z][A-Za-z_.2]+)`", line.split(" | ")[-1])
        if name != "code"
    ]
    assert len(named) > 35
    for name in named:
        first, *rest = name.split(".")
        value = known.get(first)
        for part in rest:
            value = getattr(value, part, None)
        assert value is not None, name
