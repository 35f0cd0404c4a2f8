"""Pictures of runs: learning curves, films, trajectories.

Reads run folders and stored trajectories; trains nothing.
"""
