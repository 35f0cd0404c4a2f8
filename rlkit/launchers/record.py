"""The record of a run in variant.json: complete configuration, machine and versions."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlkit.core import config as config_lib
from rlkit.core.errors import UserError
from rlkit.core.files import replace_file, report_exhaustion
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.launcher import launcher_for
from rlkit.launchers.machine import PACKAGES, machine, versions


def experiment_name(path: str | Path) -> str:
    """Name an experiment after its JSON file, such as "quick-point-robot".

    The name of a variant.json is the one stored in it. Viskit groups runs by this name.
    """
    path = Path(path)
    if path.name == "variant.json":
        name = config_lib.read_json(path).get("exp_name")
        return str(name) if name else path.parent.name
    parts = path.resolve().with_suffix("").parts
    return "-".join(parts[parts.index("configs") + 1 :] if "configs" in parts[:-1] else parts[-1:])


def variant_record(
    config: ExperimentConfig, requested: ExperimentConfig, exp_name: str, device: str
) -> dict[str, Any]:
    """Build variant.json: the complete configuration plus machine and versions.

    Args:
        config: the resolved configuration.
        requested: the configuration before it was resolved; its open settings are listed under
            "requested".
        exp_name: name of the experiment, for viskit.
        device: name of the torch device.
    """
    complete = config_lib.to_dict(config)
    before = config_lib.flatten(config_lib.to_dict(requested))
    left_open = {
        key: before.get(key)
        for key, value in config_lib.flatten(complete).items()
        if before.get(key) != value
    }
    record = {
        "exp_name": exp_name,
        "requested": left_open,
        "headline": dict(launcher_for(config).headline),
        "versions": versions(),
        "machine": machine(device),
    }
    return {**complete, **record}


def decisions(config: ExperimentConfig, requested: ExperimentConfig, device: str) -> str:
    """One line with the choices made at the start: device, threads, lanes, product route.

    Args:
        config: the resolved configuration.
        requested: the configuration before it was resolved.
        device: name of the torch device.
    """
    chosen, before = vars(config.util_params), vars(requested.util_params)
    parts = [f"{name} {value}" for name, value in chosen.items() if value != before[name]]
    return ", ".join([f"chosen for this machine: device {device}", *parts])


def changes_since(record: Mapping[str, Any], device: str) -> list[str]:
    """Differences from the start of the run that may break bit-for-bit reproducibility."""
    parts = {"versions": record.get("versions", {}), "machine": record.get("machine", {})}
    then = config_lib.flatten(parts)
    now = config_lib.flatten({"versions": versions(), "machine": machine(device)})
    relevant = [key for key in now if key not in ("machine.cpus", "machine.platform")]
    return [
        f"{key} {then[key]} -> {now[key]}"
        for key in relevant
        if key in then and then[key] != now[key]
    ]


def other_versions(run_dir: str | Path) -> str | None:
    """Report the libraries of which a run folder was made with another version.

    Returns:
        One line; None if nothing differs or the folder has no record (oyster's).
    """
    try:
        recorded = config_lib.read_json(Path(run_dir) / "variant.json").get("versions")
    except UserError:
        return None
    then, now = recorded if isinstance(recorded, Mapping) else {}, versions()
    changed = [
        f"{name} {then[name]} (here {now[name]})"
        for name in PACKAGES
        if name in then and then[name] != now[name]
    ]
    made = f"{run_dir} was made with {', '.join(changed)}"
    return f"{made}: returns may differ slightly" if changed else None


def write_variant(run_dir: Path, variant: Mapping[str, Any]) -> None:
    """Write variant.json, indented and with sorted keys.

    Raises:
        ValueError: a number is not finite, which JSON cannot represent.
        ResourceError: the disk is full.
    """
    text = json.dumps(variant, indent=2, sort_keys=True, allow_nan=False) + "\n"
    with report_exhaustion(f"cannot write {run_dir / 'variant.json'}"):
        replace_file(run_dir / "variant.json", text.encode())
