"""Run one experiment from a JSON file, or resume a stopped one: the same as `rlkit train`."""

from rlkit.launchers.train import main

if __name__ == "__main__":
    main()
