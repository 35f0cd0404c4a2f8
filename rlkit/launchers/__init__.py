"""Where everything is constructed: from a configuration to a run.

Algorithms are listed by name and imported on demand, so importing this package costs nothing.
"""

ALGORITHMS = {
    "pearl": "rlkit.launchers.pearl:PEARL",
    "hfr": "rlkit.launchers.hfr:HFR",
    "pets": "rlkit.launchers.pets:PETSLauncher",
}
