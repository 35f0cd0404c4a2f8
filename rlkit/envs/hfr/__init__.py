"""Task distributions of HFR (Hindsight Foresight Relabeling).

A task is renamed where oyster has a different one under the same name.
"""
