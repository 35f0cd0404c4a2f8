"""HFR: hindsight-foresight relabeling, as a `Relabeler` that plugs into PEARL."""
