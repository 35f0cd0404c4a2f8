"""Fills in the settings that a configuration leaves open until the run starts on a machine."""

import secrets
from dataclasses import replace
from typing import NamedTuple

from rich.console import Console

from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.launcher import launcher_for
from rlkit.launchers.limits import check_it_fits
from rlkit.launchers.machine import choose_device, default_threads


class Choices(NamedTuple):
    """A configuration without open settings, and the name of the torch device."""

    config: ExperimentConfig
    device: str


def choose(config: ExperimentConfig, console: Console, need_gpu: bool) -> Choices:
    """Fill in the open settings of a new run, and check that it fits on this machine.

    Args:
        config: checked.
        console: prints remarks on the device and the settings.
        need_gpu: if `use_gpu` is set, fail instead of falling back to the CPU.
    Raises:
        UserError: the machine lacks memory, disk or a device that the configuration requires.
    """
    device = device_of(config, console, need_gpu)
    check_it_fits(config, device)
    return Choices(resolve(config, device), device)


def device_of(config: ExperimentConfig, console: Console, need_gpu: bool) -> str:
    """Choose the torch device, and print the remarks on it and on the configuration."""
    util = config.util_params
    device = choose_device(util.use_gpu, util.gpu_id, console.print, required=need_gpu)
    for remark in launcher_for(config).remarks(config, device):
        console.print(remark)
    return device


def resolve(config: ExperimentConfig, device: str = "cpu") -> ExperimentConfig:
    """Fill in the settings that are chosen when a run starts (null, "auto").

    Args:
        config: checked.
        device: name of the torch device of networks and buffers.
    Returns:
        The configuration without open settings, from which the run can be repeated.
    Raises:
        UserError: the machine lacks a device that the configuration requires.
    """
    util, threads = config.util_params, default_threads()
    util = replace(
        util,
        torch_threads=util.torch_threads or threads,
        physics_threads=util.physics_threads or threads,
    )
    seed = secrets.randbelow(2**31) if config.seed is None else config.seed
    return launcher_for(config).resolve(replace(config, seed=seed, util_params=util), device)
