"""Visualisation of runs: learning curves, videos, trajectories.

Reads run folders and stored trajectories; does no training.
"""
