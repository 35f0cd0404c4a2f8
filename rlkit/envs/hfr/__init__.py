"""Task distributions of HFR (Hindsight Foresight Relabeling).

A task whose name is taken by a different task of oyster has another name here.
"""
