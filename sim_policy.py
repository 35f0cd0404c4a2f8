"""Evaluate a trained policy on held-out tasks, plot it or record videos, as `rlkit sim`."""

from rlkit.launchers.sim import main

if __name__ == "__main__":
    main()
