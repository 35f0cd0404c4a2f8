"""Choices that a configuration leaves to the machine and to the start of the run."""

import secrets
from dataclasses import replace
from typing import NamedTuple

from rich.console import Console

from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.launcher import launcher_for
from rlkit.launchers.limits import check_it_fits
from rlkit.launchers.machine import choose_device, default_threads


class Choices(NamedTuple):
    """A configuration with every choice made, and the name of the torch device."""

    config: ExperimentConfig
    device: str


def choose(config: ExperimentConfig, console: Console, need_gpu: bool) -> Choices:
    """Make the choices of a new run, and check that it fits into this machine.

    Args:
        config: checked.
        console: prints those that the user should know.
        need_gpu: do not fall back to the CPU where `use_gpu` is set.
    Raises:
        UserError: the machine lacks what the configuration asks for, or the room.
    """
    device = device_of(config, console, need_gpu)
    check_it_fits(config, device)
    return Choices(resolve(config, device), device)


def device_of(config: ExperimentConfig, console: Console, need_gpu: bool) -> str:
    """Name of the torch device; says what the user should know of it."""
    util = config.util_params
    device = choose_device(util.use_gpu, util.gpu_id, console.print, required=need_gpu)
    for remark in launcher_for(config).remarks(config, device):
        console.print(remark)
    return device


def resolve(config: ExperimentConfig, device: str = "cpu") -> ExperimentConfig:
    """Choose what a configuration leaves to the moment of starting (null, "auto").

    Args:
        config: checked.
        device: name of the torch device of networks and buffers.
    Returns:
        The configuration with every choice made; from it the run can be repeated.
    Raises:
        UserError: the machine lacks what the configuration asks for.
    """
    util, threads = config.util_params, default_threads()
    util = replace(
        util,
        torch_threads=util.torch_threads or threads,
        physics_threads=util.physics_threads or threads,
    )
    seed = secrets.randbelow(2**31) if config.seed is None else config.seed
    return launcher_for(config).resolve(replace(config, seed=seed, util_params=util), device)
