"""docs/pets.md names every setting with its default, and functions that exist."""

import importlib
import json
import pkgutil
import re
from pathlib import Path

from rlkit.core.config import flatten, to_dict
from rlkit.envs.pets.base import PetsEnv
from rlkit.launchers.pets_config import PETSExperiment

TEXT = (Path(__file__).parents[2] / "docs" / "pets.md").read_text()
EVERY_ALGORITHMS = {"eval_every", "max_path_length"}


def test_every_setting_is_documented_with_its_default():
    section = TEXT.split("## Settings\n")[1].split("\n## ")[0]
    found = {
        key: json.loads(default)
        for key, default in re.findall(r"^\| `([\w.]+)` \| (.+?) \|", section, re.M)
    }
    settings = flatten(to_dict(PETSExperiment())["algo_params"])
    expected = json.loads(
        json.dumps({k: v for k, v in settings.items() if k not in EVERY_ALGORITHMS})
    )
    assert found == expected


def test_the_functions_that_stand_beside_equations_exist():
    import rlkit.torch.ensembles
    import rlkit.torch.pets

    names = [f"rlkit.torch.pets.{m.name}" for m in pkgutil.iter_modules(rlkit.torch.pets.__path__)]
    modules = [importlib.import_module(name) for name in names] + [rlkit.torch.ensembles]
    known = {name: value for module in modules for name, value in vars(module).items()}
    tables = [line for line in TEXT.split("## Settings")[0].splitlines() if line.startswith("|")]
    named = [
        name for line in tables for name in re.findall(r"`([A-Za-z_.]+)`", line.split(" | ")[-1])
    ]
    assert len(named) > 25
    for name in named:
        first, *rest = name.split(".")
        value = known.get(first, getattr(PetsEnv, first, None))
        for part in rest:
            value = getattr(value, part, None)
        assert value is not None, name
