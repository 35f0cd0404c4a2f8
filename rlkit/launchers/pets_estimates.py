"""Estimated cost of a run of PETS: steps, memory, disk, seconds."""

import math
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch

from rlkit.core.seeding import stream
from rlkit.envs.pets.base import PetsEnv
from rlkit.launchers.launcher import Requirements
from rlkit.launchers.pets_parts import build_controller, build_dynamics, build_ensemble
from rlkit.torch.pets.config import PETSSettings, given
from rlkit.torch.pets.task_model import model_sizes

FLOAT_BYTES = 4
PROCESS_BYTES = 0.8e9  # of Python, torch and MuJoCo
ACTIVATIONS = 4  # arrays as wide as a layer that a plan holds at a time
TIMED_STEPS = 20  # training steps


def requirements(algo: PETSSettings, env: PetsEnv) -> Requirements:
    """Estimate steps, memory and disk.

    Args:
        algo: filled in.
        env: tells the sizes of observations and actions.
    """
    model, prop = algo.ctrl_cfg.prop_cfg.model_init_cfg, algo.ctrl_cfg.prop_cfg
    row = FLOAT_BYTES * (2 * env.obs_dim + env.act_dim + 3)
    inputs, outputs = model_sizes(env)
    sizes = [inputs + env.act_dim, *given(model.hidden_sizes), 2 * outputs]
    products = sum(one * two for one, two in pairwise(sizes))
    parameters = FLOAT_BYTES * given(model.num_nets) * products
    steps = algo.trials_per_iteration * algo.task_hor
    initial = algo.exp_cfg.exp_cfg.ninit_rollouts * algo.task_hor
    replay = float(row * rows_after(algo, algo.num_iterations - 1))
    popsize = given(algo.ctrl_cfg.opt_cfg.cfg.popsize) * algo.trials_per_iteration
    planning = FLOAT_BYTES * ACTIVATIONS * popsize * given(prop.npart) * max(sizes)
    kept = 1 + (algo.num_iterations if algo.ctrl_cfg.log_cfg.save_all_models else 0)
    return Requirements(
        initial_steps=max(0, initial - steps),  # they take the place of iteration 0's
        iteration_steps=steps,
        evaluation_steps=0,
        gradient_steps=round(gradient_steps(algo) / algo.num_iterations),
        memory=PROCESS_BYTES + 2 * replay + 4 * parameters + planning,
        replay=replay,
        row=row,
        disk=2 * replay + (7 + kept) * parameters,
    )


def rows_after(algo: PETSSettings, iteration: int) -> int:
    """Transitions that are learned from after an iteration."""
    rollouts = algo.exp_cfg.exp_cfg
    first = rollouts.ninit_rollouts or rollouts.nrollouts_per_iter
    return (first + iteration * rollouts.nrollouts_per_iter) * algo.task_hor


def gradient_steps(algo: PETSSettings) -> int:
    """Gradient steps of a run."""
    train = algo.ctrl_cfg.prop_cfg.model_train_cfg
    rows = (rows_after(algo, iteration) for iteration in range(algo.num_iterations))
    return train.epochs * sum(math.ceil(n / train.batch_size) for n in rows)


def iteration_seconds(algo: PETSSettings, env: PetsEnv, device: torch.device) -> float:
    """Mean seconds of an iteration, from a timed plan and timed training steps.

    One CEM iteration is timed, with the whole population.
    """
    plan = algo.ctrl_cfg.opt_cfg
    ensemble = build_ensemble(algo, env, torch.Generator().manual_seed(0)).to(device)
    generator = torch.Generator(device).manual_seed(0)
    dynamics = build_dynamics(algo, env, ensemble, generator)
    lanes = [stream(0, "timed plan", lane) for lane in range(algo.trials_per_iteration)]
    env.reset_task(np.zeros(len(lanes), int))
    obs, planning = env.reset(lanes), 0.0
    for horizon in (1, given(plan.plan_hor)):  # the first takes memory and prepares products
        cfg = replace(plan.cfg, max_iters=1)
        short = replace(algo.ctrl_cfg, per=1, opt_cfg=replace(plan, plan_hor=horizon, cfg=cfg))
        controller = build_controller(replace(algo, ctrl_cfg=short), env, dynamics, device)
        controller.start_trajectories(lanes)
        began = time.perf_counter()
        controller.get_actions(obs)
        planning = time.perf_counter() - began
    planning *= plan.cfg.max_iters if algo.opt_type == "CEM" else 1
    batch = algo.ctrl_cfg.prop_cfg.model_train_cfg.batch_size
    sizes = (ensemble.normalizer.mean.shape[1], ensemble.output_size)
    inputs, targets = (torch.zeros(dynamics.num_nets, batch, size, device=device) for size in sizes)
    dynamics.train_step(inputs, targets)
    began = time.perf_counter()
    for _ in range(TIMED_STEPS):
        losses = dynamics.train_step(inputs, targets)
    losses.sum().item()  # waits for a GPU
    training = (time.perf_counter() - began) / TIMED_STEPS
    plans = math.ceil(algo.task_hor / algo.ctrl_cfg.per)
    return planning * plans + training * gradient_steps(algo) / algo.num_iterations
