"""docs/steve.md names every setting with its default, every column, and functions that exist."""

import importlib
import json
import pkgutil
import re
from pathlib import Path

import rlkit.torch.steve
from rlkit.core.config import flatten, to_dict
from rlkit.launchers.steve_config import STEVEExperiment
from rlkit.torch.steve.world_model import ModelLearner

TEXT = (Path(__file__).parents[2] / "docs" / "steve.md").read_text()


def test_every_setting_is_documented_with_its_default():
    section = TEXT.split("## Settings\n")[1].split("\n## ")[0]
    found = {
        key: json.loads(default)
        for key, default in re.findall(r"^\| `([\w.]+)` \| (.+?) \|", section, re.M)
    }
    assert found == flatten(to_dict(STEVEExperiment())["algo_params"])


def test_every_column_of_the_model_is_documented():
    assert all(f"`{name}`" in TEXT for name in ModelLearner.columns)


def test_the_functions_that_stand_beside_equations_exist():
    package = rlkit.torch.steve
    names = [f"{package.__name__}.{m.name}" for m in pkgutil.iter_modules(package.__path__)]
    modules = [importlib.import_module(name) for name in names]
    known = {name: value for module in modules for name, value in vars(module).items()}
    tables = [line for line in TEXT.split("## Settings")[0].splitlines() if line.startswith("|")]
    named = [
        name for line in tables for name in re.findall(r"`([A-Za-z_.]+)`", line.split(" | ")[-1])
    ]
    assert len(named) > 25
    for name in named:
        value = known
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else getattr(value, part, None)
        assert value is not None, name
