"""Evaluate a trained policy on held-out tasks, draw or film it: the same as `rlkit sim`."""

from rlkit.launchers.sim import main

if __name__ == "__main__":
    main()
