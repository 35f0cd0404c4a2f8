"""Randomised dynamics for Hopper and Walker2d: a task is a set of masses, inertias, dampings and frictions of one compiled model.

Stands alone: numpy and mujoco only, nothing of rlkit.
"""
