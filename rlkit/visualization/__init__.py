"""Images of runs: learning curves, videos, trajectories.

Reads run folders and stored trajectories; trains nothing.
"""
