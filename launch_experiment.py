"""Run one experiment from a JSON file, or let a stopped one go on: the same as `rlkit train`."""

from rlkit.launchers.train import main

if __name__ == "__main__":
    main()
