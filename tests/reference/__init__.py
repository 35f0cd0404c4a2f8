"""Plain twins: the equations written out, one task, member or row at a time.

Tests compare results with them, and benchmarks compare times. They import the library only.
"""
