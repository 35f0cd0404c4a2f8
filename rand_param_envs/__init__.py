"""Randomised dynamics for Hopper and Walker2d.

A task is a set of masses, inertias, dampings and frictions of one compiled model.

Independent of rlkit: needs only numpy and mujoco.
"""

from rand_param_envs.base import RandomEnv
from rand_param_envs.hopper_rand_params import HopperRandParamsEnv
from rand_param_envs.walker2d_rand_params import Walker2DRandParamsEnv

__all__ = ["HopperRandParamsEnv", "RandomEnv", "Walker2DRandParamsEnv"]
