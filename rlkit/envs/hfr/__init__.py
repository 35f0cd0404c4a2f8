"""Task distributions of HFR (Hindsight Foresight Relabeling).

They have names of their own where oyster has another task of that name.
"""
