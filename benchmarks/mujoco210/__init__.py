"""MuJoCo 2.1.0, the engine before the changes that `physics: "mujoco210"` undoes.

How to install it, and what it computes.
"""
