"""Where everything is constructed: from a configuration to a run.

Names of algorithms stand in a table and are imported when asked for, so that this package itself costs nothing to import.
"""

ALGORITHMS = {
    "pearl": "rlkit.launchers.pearl:build_pearl",
    "hfr": "rlkit.launchers.hfr:build_hfr",
}
